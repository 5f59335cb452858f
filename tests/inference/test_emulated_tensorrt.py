"""The TensorRT Runner and `finish`, on the real pycuda and cuda-python over an emulated GPU, in a process of their own.

No GPU and no TensorRT are needed: libcuda is a stand-in in the host's memory, TensorRT a double on ONNX Runtime.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "tests/emulation").glob("test_*.py")))
def test_on_the_emulated_gpu(pycuda: str, tmp_path: Path, name: str) -> None:
    environment = {**os.environ, "RADAR_EDGE_EMULATION": str(tmp_path), "RADAR_EDGE_PYCUDA": pycuda}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests/emulation" / name)]
    found = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    assert " passed" in found.stdout
