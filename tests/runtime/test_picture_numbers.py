from __future__ import annotations

import cv2
import numpy as np
import pytest

from radar_edge.runtime.picture_numbers import hints_of, noise_of, numbers_of


def texture(seed: int = 0, side: int = 96) -> np.ndarray:
    """Blocks of grey: edges to be in focus on."""
    blocks = np.random.default_rng(seed).integers(60, 220, (side // 8, side // 8)).astype(np.uint8)
    return np.kron(blocks, np.ones((8, 8), np.uint8))


def test_focus_falls_with_every_step_of_blur() -> None:
    sharp = texture()
    focus = [numbers_of(sharp).focus, *(numbers_of(cv2.GaussianBlur(sharp, (0, 0), s)).focus for s in (0.7, 1.5, 3.0))]
    assert focus == sorted(focus, reverse=True)
    assert focus[0] > 5 * focus[2]


@pytest.mark.parametrize("sigma", [2.0, 10.0, 40.0])
def test_noise_is_found_within_a_tenth_on_a_smooth_picture(sigma: float) -> None:
    y, x = np.mgrid[0:200, 0:200]
    plane = 30000 + 0.5 * x + 0.2 * y + np.random.default_rng(1).normal(0, sigma, (200, 200))
    assert noise_of(plane) == pytest.approx(sigma, rel=0.1)


def test_levels_and_shares() -> None:
    image = np.full((10, 10), 100, np.uint8)
    image[:2] = 255
    image[2] = 0
    numbers = numbers_of(image)
    assert (numbers.p50, numbers.saturated, numbers.black) == (100, 0.2, 0.1)
    assert (numbers.height, numbers.width, numbers.channels, numbers.bit_depth) == (10, 10, 1, 8)
    assert numbers_of(np.zeros((8, 8, 3), np.uint8)).channels == 3


def test_hints_say_what_to_do() -> None:
    sharp = texture()
    best = numbers_of(sharp).focus
    assert hints_of(numbers_of(sharp), best) == []
    assert "out of focus" in hints_of(numbers_of(cv2.GaussianBlur(sharp, (0, 0), 2)), best)[0]
    assert "too dark" in hints_of(numbers_of(sharp // 5), 0.0)[0]
    assert "clipped" in hints_of(numbers_of(np.where(sharp > 150, 255, sharp).astype(np.uint8)), 0.0)[0]
    noise = np.random.default_rng(0).normal(30000, 8, (96, 96)).astype(np.uint16)
    assert "no contrast" in hints_of(numbers_of(noise), 0.0)[0]
    assert hints_of(numbers_of(noise + np.uint16(4) * texture().astype(np.uint16)), 0.0) == []
