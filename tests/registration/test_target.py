from __future__ import annotations

import cv2
import numpy as np
import pytest
from scenes import VIEW, corner_error_px, mount

from radar_edge.errors import DatasetError, UsageError
from radar_edge.registration.target import Target, register_target

FIELD = 16
BIG = 4
"""The board is drawn so many times larger, that its picture in each camera is smooth."""


def board(columns: int, rows: int) -> np.ndarray:
    """A chessboard in the view, dark fields 0 and light ones 1, a light margin around it."""
    plane = np.ones((VIEW * BIG, VIEW * BIG))
    y, x = np.mgrid[0 : (rows + 1) * FIELD * BIG, 0 : (columns + 1) * FIELD * BIG] // (FIELD * BIG)
    top, left = ((VIEW * BIG - n) // 2 for n in y.shape)
    plane[top : top + y.shape[0], left : left + y.shape[1]] = (x + y) % 2
    return cv2.GaussianBlur(plane, (0, 0), BIG)


def circles(columns: int, rows: int) -> np.ndarray:
    plane = np.ones((VIEW * BIG, VIEW * BIG))
    for n in range(columns * rows):
        x, y = (n % columns - (columns - 1) / 2) * 22, (n // columns - (rows - 1) / 2) * 22
        middle = (round((VIEW / 2 + x) * BIG), round((VIEW / 2 + y) * BIG))
        cv2.circle(plane, middle, 7 * BIG, 0.0, -1)
    return cv2.GaussianBlur(plane, (0, 0), BIG)


def seen(plane: np.ndarray, homography: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RGB, and thermal with dark and light changed over and noise."""
    rng = np.random.default_rng(1)
    down = np.array([[1 / BIG, 0, 0.5 / BIG - 0.5], [0, 1 / BIG, 0.5 / BIG - 0.5], [0, 0, 1]])
    rgb = cv2.resize(plane, (VIEW, VIEW), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(plane, (0, 0), 3)
    tir = cv2.warpPerspective(soft, np.linalg.inv(homography) @ down, (80, 80), borderValue=1.0)
    colour = np.repeat((30 + 200 * rgb)[..., None], 3, axis=2) + rng.normal(0, 2, (VIEW, VIEW, 3))
    heat = 30100 - 200 * tir + rng.normal(0, 4, tir.shape)
    return np.clip(colour, 0, 255).astype(np.uint8), heat.astype(np.uint16)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_chessboard_gives_the_homography_within_a_pixel(seed: int) -> None:
    true = mount(seed, bend_px=4.0)
    found = register_target([seen(board(7, 6), true)], Target.of("chessboard:7x6"))
    assert corner_error_px(found.homography, true, inset=0.1) < 1.0
    assert found.residual_px < 1.0
    assert found.faults(limit_px=3.2) == []
    assert found.points == 42


def test_a_grid_of_circles_is_taken_the_right_way_round() -> None:
    true = mount(4, bend_px=4.0)
    found = register_target([seen(circles(6, 5), true)], Target.of("circles:6x5"))
    assert corner_error_px(found.homography, true, inset=0.1) < 1.0


def test_no_board_to_be_seen() -> None:
    true = mount(1)
    with pytest.raises(DatasetError, match="0 of 1 reference") as refused:
        register_target([seen(np.ones((VIEW * BIG, VIEW * BIG)), true)], Target.of("chessboard:7x6"))
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("text", ["chessboard", "chessboard:9", "dots:9x6", "chessboard:2x6"])
def test_targets_that_do_not_exist(text: str) -> None:
    with pytest.raises(UsageError, match="COLUMNSxROWS"):
        Target.of(text)
