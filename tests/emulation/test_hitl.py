"""What an engineer runs on a real unit runs on the emulated one: tests/hitl, all but the board's fitness."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from finish_bundle import write_bundle

HITL = Path(__file__).parents[1] / "hitl"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HITL / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tests_for_a_unit_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: ctypes.CDLL) -> None:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    facts: dict[str, Any] = {}
    for backend in ("pycuda", "cuda-python"):
        load("test_1_board").test_cuda_starts_and_ends(backend, facts)
    memory = load("test_2_memory")
    memory.test_a_copy_to_the_gpu_and_back()
    memory.test_memory_that_is_used_in_place_has_an_address()
    from test_finish import call, made

    _, record = made(call(tmp_path))
    load("test_4_runner").test_every_engine_gives_the_same_twice_and_its_latency(
        tmp_path / "bundle", tmp_path / "device", facts
    )
    assert {"pycuda", "cuda-python", "latency_ms rgb_tir"} <= set(facts)
    assert len(record.plans) == 3
