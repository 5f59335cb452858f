"""These tests run in a process of their own (tests/inference/test_emulated_tensorrt.py): in it, libcuda is emulated."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDER = os.environ.get("RADAR_EDGE_EMULATION")
collect_ignore_glob = [] if FOLDER else ["test_*.py"]

if FOLDER:
    sys.path[:0] = [str(HERE), str(HERE / "site"), os.environ["RADAR_EDGE_PYCUDA"], str(HERE.parent / "inference")]
    import build

    LIBRARY = build.load(build.build(Path(FOLDER), Path(os.environ["RADAR_EDGE_PYCUDA"])))


@pytest.fixture
def cuda() -> Iterator[ctypes.CDLL]:
    """The emulated driver. At the end of a test nothing may be alive and nothing have gone wrong."""
    LIBRARY.emu_reset()
    yield LIBRARY
    gc.collect()
    assert LIBRARY.emu_current() == 0, "a context was left current"
    alive, faults, last = LIBRARY.emu_live(), LIBRARY.emu_faults(), LIBRARY.emu_last_fault()
    LIBRARY.emu_reset()
    assert (alive, faults) == (0, 0), f"{alive} things are alive, {faults} faults: {last.decode()}"
