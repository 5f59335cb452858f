from __future__ import annotations

from pathlib import Path

import pytest

from radar_edge.export.cache import StageCache


def test_a_stage_is_made_once_for_the_same_inputs(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> bytes:
        calls.append(1)
        return b"result"

    for cache in (StageCache(tmp_path), StageCache(tmp_path)):
        assert cache.get("full", "onnx", {"weights": "a"}, make) == b"result"
        assert cache.get("full", "onnx", {"weights": "a"}, make) == b"result"
    assert len(calls) == 1
    assert (cache.made, cache.reused) == ([], ["full"])
    assert cache.get("full", "onnx", {"weights": "b"}, make) == b"result"
    assert len(calls) == 2
    assert cache.made == ["full"]


def test_a_damaged_result_is_made_again(tmp_path: Path) -> None:
    StageCache(tmp_path).get("full", "onnx", {}, lambda: b"result")
    (path,) = tmp_path.glob("*.onnx")
    path.write_bytes(b"resulT")
    assert StageCache(tmp_path).get("full", "onnx", {}, lambda: b"result") == b"result"
    assert path.read_bytes() == b"result"


def test_a_stage_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        StageCache(tmp_path).get("full", "onnx", {}, lambda: bytes(1 // 0))
    assert list(tmp_path.iterdir()) == []
