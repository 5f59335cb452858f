"""The cameras without hardware: which file is in view for which part, and noise that never repeats."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from radar_edge.config import ReplayCamera, SyntheticCamera
from radar_edge.errors import ConfigError
from radar_edge.preprocess import write_png
from radar_edge.records import Image
from radar_edge.runtime.capture.backend import BACKENDS, backend_class, open_backend
from radar_edge.runtime.capture.replay import Replay, files_of
from radar_edge.runtime.capture.synthetic import Synthetic


def camera(**source: object) -> ReplayCamera:
    return ReplayCamera.model_validate(
        {"backend": "replay", "camera_id": "cam", "modality": "tir", "fps": 30, **source}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three 16-bit images whose pixels say which they are."""
    for i in range(3):
        write_png(tmp_path / f"{i}.png", np.full((16, 20), 1000 + i, np.uint16))
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def number(image: Image | None) -> int | None:
    return None if image is None else int(image[0, 0]) - 1000


def soon(replay: Replay, wanted: int) -> bool:
    """Whether the file comes into view between triggers, when it has been decoded."""
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        if number(replay.grab(0)) == wanted:
            return True
        time.sleep(0.001)
    return False


def test_trigger_n_shows_the_nth_file_and_wraps(folder: Path) -> None:
    replay = Replay(camera(folder=folder))
    assert [number(replay.grab(n)) for n in (1, 2, 3, 4, 5)] == [0, 1, 2, 0, 1]
    image = replay.grab(1)
    assert image is not None
    assert image.dtype == np.uint16


def test_a_restarted_camera_goes_on_at_the_same_part(folder: Path) -> None:
    assert number(Replay(camera(folder=folder)).grab(65535)) == 65534 % 3


def test_between_triggers_the_next_part_is_in_view(folder: Path) -> None:
    replay = Replay(camera(folder=folder))
    assert number(replay.grab(0)) == 0
    replay.grab(1)
    assert soon(replay, 1)
    replay.grab(3)
    assert soon(replay, 0)


def test_a_bad_file_is_one_bad_frame_at_its_trigger(folder: Path) -> None:
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:-20])
    replay = Replay(camera(folder=folder))
    assert number(replay.grab(1)) == 0
    for _ in range(20):
        assert number(replay.grab(0)) == 0
        time.sleep(0.002)
    assert replay.grab(2) is None
    assert soon(replay, 2)
    assert number(replay.grab(3)) == 2


def test_a_camera_of_bad_files_gives_bad_frames(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    replay = Replay(camera(folder=tmp_path))
    assert replay.grab(0) is None
    assert replay.grab(1) is None


def test_files_keep_their_order(folder: Path) -> None:
    files = (folder / "2.png", folder / "0.png")
    assert files_of(camera(files=files)) == files
    assert [path.name for path in files_of(camera(folder=folder))] == ["0.png", "1.png", "2.png"]


def test_what_cannot_be_replayed_is_said_before_a_process_starts(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        Replay.check(camera(folder=tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"9\.png"):
        Replay.check(camera(files=(folder / "0.png", folder / "9.png")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no files"):
        Replay.check(camera(folder=tmp_path / "empty"))


@pytest.mark.parametrize(("channels", "bit_depth"), [(1, 8), (3, 8), (1, 16)])
def test_noise_has_the_asked_kind_and_differs_from_frame_to_frame(channels: int, bit_depth: int) -> None:
    asked = SyntheticCamera.model_validate(
        {
            "backend": "synthetic",
            "camera_id": "a",
            "modality": "rgb",
            "fps": 30,
            "height": 40,
            "width": 50,
            "channels": channels,
            "bit_depth": bit_depth,
        }
    )
    source = Synthetic(asked)
    frames = [source.grab(0) for _ in range(130)]
    assert all(f is not None and f.shape == ((40, 50, 3) if channels == 3 else (40, 50)) for f in frames)
    assert {f.dtype.itemsize * 8 for f in frames if f is not None} == {bit_depth}
    assert not any(np.array_equal(a, b) for a, b in pairwise(frames) if a is not None)
    again = Synthetic(asked).grab(0)
    np.testing.assert_array_equal(again, frames[0])


def test_every_named_back_end_can_be_opened(folder: Path) -> None:
    opened = open_backend(camera(folder=folder))
    assert isinstance(opened, Replay)
    assert {backend_class(name).__name__ for name in BACKENDS} == {
        "Replay",
        "Synthetic",
        "Opencv",
        "Gstreamer",
        "AravisDevice",
    }
