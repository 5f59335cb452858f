from __future__ import annotations

import numpy as np
import pytest
from scenes import NOMINAL, corner_error_px, mount, pairs

from radar_edge.errors import DatasetError
from radar_edge.registration import scene
from radar_edge.registration.scene import register_scene
from radar_edge.registration.store import check_estimate


@pytest.mark.parametrize(("seed", "bend_px"), [(1, 0.0), (2, 5.0)])
def test_a_known_mount_is_found_from_parts_within_a_pixel(seed: int, bend_px: float) -> None:
    true = mount(seed, bend_px=bend_px)
    found = register_scene(pairs(16, true, seed))
    assert corner_error_px(found.homography, true) < 1.0
    assert corner_error_px(found.homography, NOMINAL) > 3.0
    assert found.faults(limit_px=3.2) == []
    assert (found.method, found.pairs) == ("scene", 16)
    assert found.spread_px < 1.5


def test_a_large_view_is_looked_at_smaller_and_answered_in_its_own_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "WORK_SIDE", 160)
    true = mount(1)
    images = [(np.kron(a, np.ones((2, 2, 1), np.uint8)), b) for a, b in pairs(8, true, 1)]
    up = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    assert corner_error_px(register_scene(images).homography, up @ true) < 3.0


def noise() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 255, (160, 160, 3), np.uint8), rng.integers(29900, 30100, (80, 80), np.uint16))
        for _ in range(10)
    ]


def strangers() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of different parts: every single one is sharp, and nothing belongs together."""
    one, other = pairs(10, mount(1), 1), pairs(10, mount(1), 2)
    return [(a, b) for (a, _), (_, b) in zip(one, other, strict=True)]


@pytest.mark.parametrize("images", [noise(), strangers()], ids=["noise", "other parts"])
def test_pictures_that_have_nothing_in_common_are_refused(images: list[tuple[np.ndarray, np.ndarray]]) -> None:
    with pytest.raises(DatasetError) as refused:
        check_estimate(register_scene(images), limit_px=3.2)
    assert refused.value.exit_code == 2
    assert "--target" in str(refused.value) or "target" in str(refused.value)


def test_too_few_pairs_and_mixed_sizes() -> None:
    images = pairs(8, NOMINAL)
    with pytest.raises(DatasetError, match="too few pairs"):
        register_scene(images[:7])
    with pytest.raises(DatasetError, match="different sizes"):
        register_scene([*images, (images[0][0], images[0][1][:40])])
