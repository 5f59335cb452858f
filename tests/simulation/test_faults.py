"""faults.yaml, and a camera whose frames go wrong as it says."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radar_edge.config import SyntheticCamera, validate
from radar_edge.errors import CameraError, ConfigError
from radar_edge.simulation.control import Control
from radar_edge.simulation.faults import FaultPlan
from radar_edge.simulation.faulty_camera import LEAP_NS, FaultyCamera

KILL = {"fault": "kill", "camera": "cam", "at_s": 1, "for_s": 2}
CAMERA = SyntheticCamera(
    backend="synthetic", camera_id="cam", modality="tir", fps=200, height=32, width=32, bit_depth=16
)


def plan(*faults: dict[str, Any], seconds: float = 10) -> FaultPlan:
    return validate(FaultPlan, {"schema_version": 1, "seconds": seconds, "faults": list(faults)}, "faults.yaml")


def test_faults_at_different_places_may_overlap() -> None:
    assert len(plan(KILL, {**KILL, "camera": "other"}, {"fault": "unplug", "at_s": 1, "for_s": 2}).faults) == 3


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([{**KILL, "camera": None}], "say which camera"),
        ([{**KILL, "fault": "unplug"}], "no camera's fault"),
        ([{**KILL, "fault": "melt"}], "kill"),
        ([KILL, {**KILL, "fault": "black", "at_s": 2}], "begins before kill ends"),
        ([{"fault": "unplug", "at_s": 1, "for_s": 2}, {"fault": "plc_silence", "at_s": 2, "for_s": 2}], "same place"),
        ([{**KILL, "at_s": 9}], "after the last part"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(faults: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        plan(*faults)
    assert caught.value.exit_code == 2


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(tmp_path)


@pytest.fixture
def camera(control: Control) -> FaultyCamera:
    return FaultyCamera(CAMERA, control)


def grabs(camera: FaultyCamera, count: int) -> list[tuple[Any, int]]:
    """(image, stamp) of so many grabs."""
    found = []
    for _ in range(count):
        image = camera.grab(0)
        assert camera.stamp_ns is not None
        found.append((image, camera.stamp_ns))
    return found


def test_without_a_fault_the_camera_is_itself(camera: FaultyCamera) -> None:
    frames = grabs(camera, 4)
    assert all(not np.array_equal(a[0], b[0]) and a[1] < b[1] for a, b in itertools.pairwise(frames))
    assert not camera.shutter


def test_a_frozen_camera_gives_the_same_pixels_with_new_stamps(camera: FaultyCamera, control: Control) -> None:
    ((before, _),) = grabs(camera, 1)
    control.set("cam", "freeze")
    frames = grabs(camera, 3)
    assert all(np.array_equal(image, before) for image, _ in frames)
    assert frames[0][1] < frames[1][1] < frames[2][1]
    control.clear("cam")
    assert not np.array_equal(grabs(camera, 1)[0][0], before)


def test_black_garbage_and_the_shutter(camera: FaultyCamera, control: Control) -> None:
    grabs(camera, 1)
    control.set("cam", "black")
    assert grabs(camera, 1)[0][0].max() == 0
    control.set("cam", "garbage")
    assert grabs(camera, 1)[0][0].shape == (16, 32)
    control.set("cam", "ffc")
    grabs(camera, 1)
    assert camera.shutter


def test_late_frames_keep_their_stamps(camera: FaultyCamera, control: Control) -> None:
    ((_, first),) = grabs(camera, 1)
    control.set("cam", "delay")
    assert next(stamp for _, stamp in grabs(camera, 2)) == first
    control.set("cam", "reorder")
    stamps = [stamp for _, stamp in grabs(camera, 4)]
    assert stamps[1] < stamps[0] < stamps[2]
    assert stamps[3] < stamps[2]


def test_a_clock_that_leaps(camera: FaultyCamera, control: Control) -> None:
    control.set("cam", "clock_jump")
    grabs(camera, 1)
    first = camera.device_ns
    grabs(camera, 1)
    assert first is not None
    assert camera.device_ns is not None
    assert camera.device_ns - first >= LEAP_NS


def test_every_second_frame_is_lost(camera: FaultyCamera, control: Control) -> None:
    control.set("cam", "drop")
    stamps = [stamp for _, stamp in grabs(camera, 4)]
    assert max(b - a for a, b in itertools.pairwise(stamps)) >= 4_000_000


def test_a_camera_that_is_away_cannot_be_opened(control: Control) -> None:
    control.set("cam", "kill")
    with pytest.raises(CameraError, match="away"):
        FaultyCamera(CAMERA, control)
