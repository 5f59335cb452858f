from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from radar_edge.errors import DatasetError, UsageError
from radar_edge.preprocess import ModalityPreprocess, Preprocess, preprocess_image, read_image, resize, write_png

TIR = ModalityPreprocess(channels=1, bit_depth=16, height=32, width=32, offset=(30000.0,), scale=(100.0,))
RGB = ModalityPreprocess(channels=3, bit_depth=8, height=32, width=32, offset=(10, 20, 30), scale=(1, 2, 5))


def test_values_are_scaled_by_fixed_numbers_only() -> None:
    image = np.full((64, 64), 30200, np.uint16)
    assert preprocess_image(TIR, image) == pytest.approx(2.0)
    hotter = preprocess_image(TIR, image + np.uint16(100))
    assert hotter == pytest.approx(3.0)


def test_the_median_channel_is_free_of_drift() -> None:
    spec = TIR.model_copy(update={"median_channel": 50.0})
    image = np.full((32, 32), 30000, np.uint16)
    image[4:8, 4:8] = 30100
    cold, warm = preprocess_image(spec, image), preprocess_image(spec, image + np.uint16(500))
    assert cold.shape == (2, 32, 32)
    assert np.array_equal(cold[1], warm[1])
    assert cold[1, 5, 5] == pytest.approx(2.0)
    assert warm[0, 0, 0] == pytest.approx(5.0)


def test_crop_and_homography_move_pixels() -> None:
    image = np.zeros((64, 64), np.uint16)
    image[20, 30] = 60000
    cropped = preprocess_image(TIR.model_copy(update={"crop": (16, 16, 32, 32)}), image)
    assert np.unravel_index(cropped.argmax(), cropped.shape) == (0, 4, 14)
    there = {"homography": (1, 0, -16, 0, 1, -16, 0, 0, 1), "view": (48, 48)}
    moved = preprocess_image(TIR.model_copy(update=there), image[:48, :48])
    assert np.unravel_index(moved.argmax(), moved.shape)[1:] == (2, 9)


def test_all_modalities_become_network_inputs() -> None:
    inputs = Preprocess(modalities={"rgb": RGB, "tir": TIR})(
        {"rgb": np.full((40, 50, 3), 40, np.uint8), "tir": np.full((20, 20), 30000, np.uint16)}
    )
    assert {name: array.shape for name, array in inputs.items()} == {"rgb": (1, 3, 32, 32), "tir": (1, 1, 32, 32)}
    assert inputs["rgb"].dtype == np.float32
    assert inputs["rgb"][0, :, 0, 0].tolist() == [30.0, 10.0, 2.0]


@pytest.mark.parametrize("image", [np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3), np.uint16)])
def test_another_depth_or_channel_count_is_refused(image: np.ndarray) -> None:
    with pytest.raises(UsageError, match="wanted: 1 channel"):
        preprocess_image(TIR, image)


def test_resize_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (256, 128))
    assert resize(stripes, 64, 64).std() < 2


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_a_truncated_file_is_an_error_not_grey_pixels(tmp_path: Path, ending: str) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = cv2.imencode(ending, image)[1].tobytes()
    (tmp_path / f"a{ending}").write_bytes(data)
    assert read_image(tmp_path / f"a{ending}").shape == (64, 64, 3)
    for keep in (len(data) - 20, len(data) // 2, 3, 0):
        (tmp_path / f"b{ending}").write_bytes(data[:keep])
        with pytest.raises(DatasetError, match="complete image"):
            read_image(tmp_path / f"b{ending}")


def test_png_round_trip_keeps_depth_and_colour_order(tmp_path: Path) -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 0] = 200
    thermal = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    write_png(tmp_path / "c.png", colour)
    write_png(tmp_path / "t.png", thermal)
    assert np.array_equal(read_image(tmp_path / "c.png"), colour)
    assert np.array_equal(read_image(tmp_path / "t.png"), thermal)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")
