"""The TensorRT Runner and `finish`, on the real pycuda and cuda-python over an emulated GPU, in a process of their own.

No GPU and no TensorRT are needed: libcuda is a stand-in in the host's memory, TensorRT a double on ONNX Runtime.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent.parent
MISSING = 3
"""How build_pycuda.sh says that there is no nvcc."""


@pytest.fixture(scope="module")
def pycuda() -> str:
    """The folder with the real pycuda, built once and kept."""
    pytest.importorskip("cuda.bindings", reason="cuda-python is not installed")
    command = [str(ROOT / "tools/build_pycuda.sh")]
    environment = {**os.environ, "PYTHON": sys.executable}
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if built.returncode == MISSING:
        pytest.skip("pycuda cannot be built here: no nvcc")
    assert built.returncode == 0, built.stderr[-2000:]
    return built.stdout.strip()


@dataclass(frozen=True)
class Outcome:
    """What became of tests/emulation: the cases of each file, and what pytest said if it ended early."""

    cases: Mapping[str, Sequence[ElementTree.Element]]
    said: str


@pytest.fixture(scope="module")
def outcome(pycuda: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All files in one process: to start it and to compile the driver takes longer than most of them."""
    folder = tmp_path_factory.mktemp("emulation")
    environment = {**os.environ, "RADAR_EDGE_EMULATION": str(folder), "RADAR_EDGE_PYCUDA": pycuda}
    report = folder / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *options, str(ROOT / "tests/emulation")]
    found = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    said = found.stdout[-6000:] + found.stderr[-2000:]
    assert found.returncode in (0, 1), said
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        place = case.get("classname") or case.get("name", "")  # a file that cannot be loaded has the name alone
        cases.setdefault(place.split(".")[2], []).append(case)
    return Outcome(cases, said)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "tests/emulation").glob("test_*.py")))
def test_on_the_emulated_gpu(outcome: Outcome, name: str) -> None:
    cases = outcome.cases.get(name, ())
    wrong = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    assert not wrong, f"{wrong}: {outcome.said}"
    assert any(case.find("skipped") is None for case in cases), outcome.said
