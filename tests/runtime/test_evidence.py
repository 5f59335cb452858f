"""Kept frames: which, in what order they go, and that nothing ever waits for the disk."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from radar_edge.config import EvidenceConfig
from radar_edge.preprocess import read_image
from radar_edge.records import Frame
from radar_edge.runtime import evidence as module
from radar_edge.runtime.evidence import QUEUE, Evidence, parts_of


def frames(part: int, side: int = 64) -> dict[str, Frame]:
    rng = np.random.default_rng(part)
    tir = rng.integers(0, 65535, (side, side)).astype(np.uint16)
    rgb = rng.integers(0, 255, (side, side, 3)).astype(np.uint8)
    return {name: Frame(name, image, "camera", 1, 0, part) for name, image in (("rgb", rgb), ("tir", tir))}


def test_frames_of_rejects_are_kept_as_they_were(tmp_path: Path) -> None:
    with Evidence(EvidenceConfig(folder=tmp_path), run=3) as kept:
        kept.offer(1, frames(1), passed=True)
        kept.offer(2, frames(2), passed=False)
        kept.offer(4, {}, passed=False)
    assert [path.relative_to(tmp_path).as_posix() for path in parts_of(tmp_path)] == ["3/2"]
    for name, frame in frames(2).items():
        np.testing.assert_array_equal(read_image(tmp_path / "3" / "2" / f"{name}.png"), frame.image)
    assert (kept.written, kept.not_kept) == (1, 0)


def test_all_can_be_kept(tmp_path: Path) -> None:
    with Evidence(EvidenceConfig(folder=tmp_path, keep="all"), run=1) as kept:
        kept.offer(1, frames(1), passed=True)
    assert kept.written == 1


def test_the_oldest_go_first_also_those_of_former_runs(tmp_path: Path) -> None:
    config = EvidenceConfig(folder=tmp_path, max_mb=0.1)
    for run in (9, 10):
        with Evidence(config, run) as kept:
            for part in range(1, 7):
                kept.offer(part, frames(part), passed=False)
                while kept.written < part:
                    time.sleep(0.005)
    names = [path.relative_to(tmp_path).as_posix() for path in parts_of(tmp_path)]
    assert names == [f"10/{part}" for part in range(7 - len(names), 7)]
    assert 2 <= len(names) < 6
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.png"))
    assert size <= 100_000


def test_a_disk_that_hangs_costs_frames_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(module, "write_png", lambda *_: release.wait(20))
    monkeypatch.setattr(module, "CLOSE_S", 0.1)
    with Evidence(EvidenceConfig(folder=tmp_path), run=1) as kept:
        for part in range(QUEUE + 10):
            kept.offer(part, frames(part, side=4), passed=False)
        assert kept.not_kept >= 9
    release.set()


def test_a_full_disk_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_png", full)
    with Evidence(EvidenceConfig(folder=tmp_path), run=1) as kept:
        kept.offer(1, frames(1), passed=False)
    assert (kept.written, kept.not_kept) == (0, 1)
