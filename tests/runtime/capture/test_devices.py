"""The back ends for real devices, against files, a live GStreamer source, and Aravis' fake GigE camera.

GStreamer and Aravis are loaded in processes of their own, as on the line: GStreamer brings a second C++ unwinder with
it, and an exception inside TensorRT then ends the process that holds both.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from device_process import apart, grab, has, load

from radar_edge.clock import MonotonicClock
from radar_edge.config import AravisCamera, GstreamerCamera, OpencvCamera
from radar_edge.errors import CameraError, MachineError
from radar_edge.preprocess import write_png
from radar_edge.records import Frame
from radar_edge.runtime.capture.backend import open_backend
from radar_edge.runtime.capture.seam import Heartbeat
from radar_edge.runtime.capture.supervisor import open_cameras

FAKE = "arv-fake-gv-camera-0.8"
BASE = {"camera_id": "cam", "modality": "tir", "fps": 25}


def opencv(**more: Any) -> OpencvCamera:
    return OpencvCamera.model_validate({"backend": "opencv", **BASE, **more})


def gstreamer(pipeline: str) -> GstreamerCamera:
    return GstreamerCamera.model_validate({"backend": "gstreamer", **BASE, "pipeline": pipeline})


def aravis(**more: Any) -> AravisCamera:
    return AravisCamera.model_validate({"backend": "aravis", **BASE, **more})


def test_opencv_gives_16_bit_samples_as_they_are(tmp_path: Path) -> None:
    for i in range(3):
        write_png(tmp_path / f"{i:03}.png", np.full((48, 64), 30000 + i, np.uint16))
    backend = open_backend(opencv(source=str(tmp_path / "%03d.png"), api="images", raw=True))
    images = [backend.grab(0) for _ in range(4)]
    assert [image if image is None else int(image[0, 0]) for image in images] == [30000, 30001, 30002, None]
    assert images[0] is not None
    assert (images[0].dtype, images[0].shape) == (np.uint16, (48, 64))


def test_opencv_gives_colour_in_rgb_order(tmp_path: Path) -> None:
    path = str(tmp_path / "film.avi")
    film = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"FFV1"), 25, (64, 48))
    film.write(np.full((48, 64, 3), (255, 0, 0), np.uint8))  # blue, in OpenCV's order
    film.release()
    image = open_backend(opencv(source=path, api="ffmpeg")).grab(0)
    assert image is not None
    assert image.shape == (48, 64, 3)
    assert image[0, 0, 2] > 250
    assert image[0, 0, 0] < 5


def test_a_source_that_opencv_cannot_open_is_said(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="cannot open") as caught:
        open_backend(opencv(source=str(tmp_path / "nothing.avi"), api="ffmpeg"))
    assert caught.value.exit_code == 3


def test_a_size_that_the_driver_does_not_give_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "000.png", np.zeros((48, 64), np.uint8))
    with pytest.raises(CameraError, match="size"):
        open_backend(opencv(source=str(tmp_path / "%03d.png"), api="images", width_px=128))


GST = pytest.mark.skipif(not apart(has, "Gst", "1.0"), reason="GStreamer's introspection is not installed (make peers)")
LIVE = "videotestsrc is-live=true ! video/x-raw,format={kind},width=66,height=48,framerate=25/1 ! appsink name=sink"


@GST
@pytest.mark.peer
@pytest.mark.parametrize(
    ("kind", "dtype", "shape"),
    [("RGB", np.uint8, (48, 66, 3)), ("GRAY8", np.uint8, (48, 66)), ("GRAY16_LE", np.uint16, (48, 66))],
)
def test_gstreamer_gives_frames_with_their_own_stamps(kind: str, dtype: type, shape: tuple[int, ...]) -> None:
    frames = apart(grab, gstreamer(LIVE.format(kind=kind)), 5)
    stamps = [frame.stamp_ns for frame in frames]
    assert len(frames) == 5
    assert {(frame.dtype, frame.shape) for frame in frames} == {(np.dtype(dtype), shape)}
    assert all(0 <= frame.age_ns < 10**9 for frame in frames)
    assert stamps == sorted(set(stamps))


@GST
@pytest.mark.peer
def test_what_is_no_pipeline_is_said() -> None:
    with pytest.raises(CameraError, match="no pipeline"):
        apart(grab, gstreamer("nothingsrc ! appsink name=sink"), 1)


def test_a_pipeline_without_its_sink_is_refused() -> None:
    with pytest.raises(ValueError, match="appsink name=sink"):
        gstreamer("videotestsrc ! fakesink")


def test_a_missing_namespace_names_its_package() -> None:
    with pytest.raises(MachineError, match=r"python3-gi gir1\.2-nothing") as caught:
        apart(load, "Nothing", "1.0", "gir1.2-nothing")
    assert caught.value.exit_code == 3


ARAVIS = pytest.mark.skipif(
    shutil.which(FAKE) is None or not apart(has, "Aravis", "0.8"), reason="Aravis is not installed (make peers)"
)


@pytest.fixture
def device() -> Iterator[subprocess.Popen[bytes]]:
    """A GigE Vision camera of 512 x 512, in a process of its own on loopback."""
    process = subprocess.Popen([FAKE, "-i", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    yield process
    process.kill()
    process.wait()


@ARAVIS
@pytest.mark.peer
@pytest.mark.parametrize(
    ("pixel_format", "trigger", "dtype", "shape"),
    [
        ("Mono8", "free", np.uint8, (512, 512)),
        ("Mono16", "software", np.uint16, (512, 512)),
        ("RGB8", "free", np.uint8, (512, 512, 3)),
    ],
)
def test_aravis_gives_whole_frames(
    device: object, pixel_format: str, trigger: str, dtype: type, shape: tuple[int, ...]
) -> None:
    whole = apart(grab, aravis(pixel_format=pixel_format, trigger=trigger), 10)
    assert len(whole) >= 8
    assert {(frame.dtype, frame.shape) for frame in whole} == {(np.dtype(dtype), shape)}
    assert all(frame.device_ns is not None and 0 <= frame.age_ns < 10**9 for frame in whole)


@ARAVIS
@pytest.mark.peer
def test_a_gige_camera_that_dies_falls_silent_and_comes_back(device: subprocess.Popen[bytes]) -> None:
    """Through the supervisor: triggers answered, the device killed and started again, triggers answered again."""
    clock = MonotonicClock()
    again: subprocess.Popen[bytes] | None = None
    with open_cameras([aravis()], clock) as cameras:

        def frames_in(seconds: float) -> tuple[int, int]:
            """(good heartbeats, triggered frames) in so many seconds."""
            until, good, frames, trigger, due = time.monotonic() + seconds, 0, 0, 0, 0.0
            while time.monotonic() < until:
                if time.monotonic() >= due:
                    trigger, due = trigger + 1, time.monotonic() + 0.2
                    cameras.trigger(trigger)
                for item in cameras.receive(0.05):
                    good += isinstance(item, Heartbeat) and item.ok
                    frames += isinstance(item, Frame)
                cameras.supervise(clock.now_ns())
            return good, frames

        try:
            frames_in(3)
            good, frames = frames_in(2)
            assert good > 30
            assert frames >= 8
            device.kill()
            device.wait()
            frames_in(0.5)
            assert frames_in(1)[0] == 0
            again = subprocess.Popen([FAKE, "-i", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            back = time.monotonic() + 40
            while frames_in(1)[0] < 10:
                assert time.monotonic() < back, "the camera did not come back"
        finally:
            if again is not None:
                again.kill()
                again.wait()
