"""3: plans are built, judge as the bundle's engines do, and are left alone the second time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def finish(bundle: Path, plans: Path, target: str, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "radar_edge", "finish", str(bundle), "--out", str(plans), "--target", target]
    found = subprocess.run([*command, "--json", *more], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    document: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return document


def test_every_subset_gets_a_plan(bundle: Path, plans: Path, target: str, facts: dict[str, Any]) -> None:
    facts["finish"] = finish(bundle, plans, target)["record"]


def test_plans_that_fit_are_left_alone(bundle: Path, plans: Path, target: str) -> None:
    assert finish(bundle, plans, target, "--if-needed")["built"] is False
