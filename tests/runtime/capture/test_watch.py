"""The capture's station: a frame that was bad when it was taken is not judged later, when the camera is well again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from radar_edge.clock import NS_PER_MS, ManualClock
from radar_edge.config import HealthConfig
from radar_edge.records import Frame, HealthReport
from radar_edge.runtime.capture.seam import CameraSet, Heartbeat
from radar_edge.runtime.capture.watch import CameraWatch
from radar_edge.runtime.health import CameraHealth

PERIOD_NS = 20 * NS_PER_MS


class Said(CameraSet):
    """Says what it was given, one batch a look."""

    def __init__(self) -> None:
        self.next: list[Heartbeat | Frame] = []

    def trigger(self, trigger_id: int) -> None:
        raise AssertionError(f"a watch asks no camera for {trigger_id}")

    def receive(self, timeout_s: float) -> list[Heartbeat | Frame]:
        said, self.next = self.next, []
        return said

    def supervise(self, now_ns: int) -> None:
        pass

    @property
    def restarts(self) -> dict[str, int]:
        return {}

    @property
    def pids(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        pass


def beat(number: int, **changes: Any) -> Heartbeat:
    values = {"mean": 0.5, "clipped": 0.0, "ok": True, **changes}
    return Heartbeat("cam", number, number * PERIOD_NS, number, **values)


def frame(number: int) -> Frame:
    return Frame("tir", np.zeros((16, 16), np.uint16), "cam", number, number * PERIOD_NS, 7)


@pytest.mark.parametrize("bad", [{"mean": 0.0}, {"clipped": 1.0}, {"shutter": True}, {"ok": False}])
def test_a_frame_is_judged_by_what_its_camera_said_of_it(bad: dict[str, Any]) -> None:
    clock, cameras = ManualClock(), Said()
    offered: list[int] = []

    def offer(frames: Sequence[Frame], _reports: Mapping[str, HealthReport], _now_ns: int) -> None:
        offered.extend(frame.frame_id for frame in frames)

    health = CameraHealth("cam", "tir", PERIOD_NS, HealthConfig(), 0)
    watch = CameraWatch(cameras, {"cam": health}, offer, lambda *_args, **_detail: None, clock)
    for number in range(1, 31):
        clock.advance_ms(20)
        cameras.next = [beat(number, **(bad if number == 15 else {})), frame(number)]
        watch.turn()
    assert offered == [number for number in range(1, 31) if number != 15]
    assert health.tick(clock.now_ns()).usable


def test_a_camera_that_is_dead_and_corrupt_in_turn_is_told_of_once() -> None:
    clock, cameras = ManualClock(), Said()
    told: list[str] = []
    health = CameraHealth("cam", "tir", PERIOD_NS, HealthConfig(), 0)
    watch = CameraWatch(
        cameras, {"cam": health}, lambda *_: None, lambda _kind, _subject, **detail: told.append(detail["cause"]), clock
    )
    for number in range(1, 301):
        clock.advance_ms(20)
        bad = 20 <= number < 280
        silent = bad and number % 6
        cameras.next = [] if silent else [beat(number, ok=not bad)]
        watch.turn()
    assert told[0] == "starting"
    assert told[-1] == "none"
    assert {"corrupt", "dead"} <= set(told)
    assert len(told) < 10
