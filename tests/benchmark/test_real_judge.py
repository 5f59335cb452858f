"""The script of the external detectors keeps the promise that its stand-in keeps: where its environment is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from contract_judge import JudgeContract

from radar_edge.benchmark.peer_call import JUDGE

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("RADAR_EDGE_BENCH_PYTHON", ROOT / ".venv-bench" / "bin" / "python"))

pytestmark = [
    pytest.mark.skipif(not (PYTHON.is_file() and JUDGE.is_file()), reason=f"no {PYTHON}: make venv-bench"),
    pytest.mark.timeout(600),
]


class TestPadim(JudgeContract):
    python, script, method = PYTHON, JUDGE, "padim"


class TestCutPaste(JudgeContract):
    python, script, method, with_maps = PYTHON, JUDGE, "cutpaste", False
