"""Without TensorRT the engine says what to install, and for JetPack not from PyPI."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from radar_edge.errors import MachineError
from radar_edge.inference.tensorrt_runner import open_session


@pytest.mark.parametrize("empty", [False, True], ids=["absent", "stubs alone"])
def test_an_absent_tensorrt_names_the_systems_package(monkeypatch: pytest.MonkeyPatch, empty: bool) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", ModuleType("tensorrt") if empty else None)
    with pytest.raises(MachineError, match="python3-libnvinfer") as caught:
        open_session()
    assert caught.value.exit_code == 3
