"""Runs on a unit only: RADAR_EDGE_HITL_BUNDLE names a bundle. Writes hitl-report.json at the end."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

BUNDLE = os.environ.get("RADAR_EDGE_HITL_BUNDLE")
collect_ignore_glob = [] if BUNDLE else ["test_*.py"]
REPORT = Path("hitl-report.json")
_facts: dict[str, Any] = {}
_outcomes: dict[str, str] = {}


@pytest.fixture
def bundle() -> Path:
    return Path(str(BUNDLE))


@pytest.fixture
def target() -> str:
    return os.environ["RADAR_EDGE_TARGET"]


@pytest.fixture(scope="session")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where test 3 puts the plans and the later ones find them."""
    return tmp_path_factory.getbasetemp() / "device"


@pytest.fixture(scope="session")
def facts() -> dict[str, Any]:
    """What a test adds to the report."""
    return _facts


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.failed:
        _outcomes[report.nodeid] = report.outcome if not report.failed else f"failed: {report.longreprtext[-2000:]}"


def pytest_sessionfinish() -> None:
    if not BUNDLE:
        return
    from radar_edge.device.board import Board
    from radar_edge.device.doctor import examine

    document = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "findings": [asdict(finding) for finding in examine(Board())],
        "tests": _outcomes,
        "facts": _facts,
    }
    REPORT.write_text(json.dumps(document, indent=2, default=str) + "\n")
