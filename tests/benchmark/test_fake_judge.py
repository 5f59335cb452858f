"""The stand-in keeps the promise of the real script."""

from __future__ import annotations

import sys
from pathlib import Path

from contract_judge import JudgeContract

FAKE = Path(__file__).with_name("fake_judge.py")


class TestFakeJudge(JudgeContract):
    python, script, method = Path(sys.executable), FAKE, "patchcore"


class TestFakeJudgeWithoutMaps(JudgeContract):
    python, script, method, with_maps = Path(sys.executable), FAKE, "cutpaste", False
