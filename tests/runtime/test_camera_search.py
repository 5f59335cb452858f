from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from device_process import apart, has
from line_fakes import wait_until

from radar_edge.runtime.camera_search import CAPABILITY, find_aravis, find_v4l2, told_by_v4l2

FAKE = "arv-fake-gv-camera-0.8"


def capability(flags: int, of_device: int) -> bytes:
    return CAPABILITY.pack(b"uvcvideo", b"FLIR Boson", b"usb-0000:01:00.0-3", 0x60800, flags, of_device)


def test_what_a_driver_says_of_itself() -> None:
    name, detail, captures = told_by_v4l2(capability(0x84A00001, 0x04200001))
    assert (name, detail, captures) == ("FLIR Boson", "uvcvideo, usb-0000:01:00.0-3", True)
    assert not told_by_v4l2(capability(0x84A00001, 0x04A00000))[2], "the metadata node of the same camera"
    assert told_by_v4l2(capability(0x04000001, 0))[2]
    assert CAPABILITY.size == 104


def test_a_device_that_does_not_answer_is_told_with_its_name(tmp_path: Path) -> None:
    assert find_v4l2(tmp_path) == []
    (tmp_path / "dev").mkdir()
    for name in ("video10", "video2", "videodev"):
        (tmp_path / "dev" / name).touch()
    folder = tmp_path / "sys/class/video4linux/video2"
    folder.mkdir(parents=True)
    (folder / "name").write_text("Boson: FLIR Video\n")
    found = find_v4l2(tmp_path)
    assert [(one.source, one.name, one.usable) for one in found] == [
        ("/dev/video2", "Boson: FLIR Video", False),
        ("/dev/video10", "unknown", False),
    ]
    assert "does not answer" in found[0].detail


@pytest.mark.peer
@pytest.mark.skipif(
    shutil.which(FAKE) is None or not apart(has, "Aravis", "0.8"), reason="needs Aravis and its fake camera"
)
def test_aravis_finds_its_fake_camera() -> None:
    command = [FAKE, "-s", "FIND1", "-i", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as camera:
        try:
            wait_until(lambda: any("FIND1" in one.source for one in find_aravis()[0]), 20)
        finally:
            camera.terminate()
