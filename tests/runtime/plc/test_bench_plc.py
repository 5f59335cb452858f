"""Short runs of tools/bench_plc.py: each scenario against a PLC in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "bench_plc.py"


def bench(*arguments: str) -> dict[str, Any]:
    run = subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, (run.stdout, run.stderr)
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["faults"] == []
    return dict(found)


def test_late_replies_acknowledge_nothing() -> None:
    found = bench("late", "--parts", "6", "--period-ms", "150")
    assert found["deliveries"] == {"not_delivered": 6}


def test_every_other_reply_lost() -> None:
    found = bench("lost", "--parts", "12", "--period-ms", "250", "--window-ms", "3000")
    assert found["pass"] == 6


@pytest.mark.parametrize("role", ["master", "slave"])
def test_a_noisy_line(role: str) -> None:
    found = bench(
        "noise", "--role", role, "--parts", "40", "--noise", "0.003", "--period-ms", "100", "--window-ms", "2000"
    )
    assert found["parts"] == 40
    assert found["pass"] + found["reject"] > 20


@pytest.mark.parametrize("role", ["master", "slave"])
@pytest.mark.parametrize("scenario", ["unplug", "kill"])
def test_what_goes_away_comes_back(scenario: str, role: str) -> None:
    found = bench(scenario, "--role", role, "--times", "2", "--period-ms", "100", "--window-ms", "2000")
    assert found["pass"] >= 2
