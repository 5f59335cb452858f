"""jetson.Dockerfile as far as it can be looked at without an image, and the health check that it names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from radar_edge.runtime.healthcheck import problem

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "jetson.Dockerfile").read_text()
HADOLINT = Path(sys.prefix) / "bin/hadolint"


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not installed")
def test_hadolint_has_nothing_to_say() -> None:
    found = subprocess.run(
        [str(HADOLINT), str(ROOT / "jetson.Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_every_jetpack_that_it_can_be_built_for_is_a_targets() -> None:
    offered = {name.replace("_", ".") for name in re.findall(r"^ARG BASE_(\d+_\d+)=", TEXT, re.MULTILINE)}
    known = {
        software["jetpack"]
        for path in (ROOT / "engines/targets").glob("*.yaml")
        for software in yaml.safe_load(path.read_text())["jetpacks"]
    }
    assert offered == {"6.2", "7.2"}
    assert offered <= known
    for name in offered:
        assert f"AS base-{name}\n" in TEXT
        assert f"AS devel-{name}\n" in TEXT


def test_the_unit_has_no_torch_and_no_root() -> None:
    commands = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    assert "torch" not in commands
    assert "onnx" not in commands
    assert re.findall(r"^USER (\w+)", commands, re.MULTILINE) == ["970"]


STATE = {"at_ns": 100 * 10**9, "status": ["READY"]}


@pytest.mark.parametrize(
    ("state", "at_s", "words"),
    [
        (STATE, 101, None),
        (STATE, 106, "6 s old"),
        (STATE, 99, "old"),
        ({**STATE, "status": ["BUSY"]}, 101, "not READY"),
        ({**STATE, "status": []}, 101, "not READY"),
    ],
)
def test_a_line_is_well_only_if_it_is_ready_now(state: dict[str, object], at_s: int, words: str | None) -> None:
    found = problem(state, at_s * 10**9)
    assert found is None if words is None else words in str(found)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (json.dumps({"at_ns": time.monotonic_ns() + 60 * 10**9, "status": ["READY"]}), 1),
        ("{", 1),
        ("[]", 1),
        (None, 1),
    ],
)
def test_the_health_check_never_passes_by_mistake(tmp_path: Path, text: str | None, code: int) -> None:
    path = tmp_path / "state.json"
    if text is not None:
        path.write_text(text)
    command = [sys.executable, "-m", "radar_edge.runtime.healthcheck", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_the_health_check_passes_a_line_that_is_ready(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"at_ns": time.monotonic_ns(), "status": ["READY"]}))
    command = [sys.executable, "-m", "radar_edge.runtime.healthcheck", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
