from __future__ import annotations

import cv2
import numpy as np
import pytest

from radar_edge.training.anomalies import (
    FADED_SHARE,
    MOST_LEFT,
    VISIBLE,
    corrupt,
    fade,
    nuisance,
    random_region,
    seamless,
    shift,
    vein_region,
)


def batch(seed: int = 0, count: int = 12) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "rgb": rng.standard_normal((count, 3, 64, 64), np.float32),
        "tir": rng.standard_normal((count, 1, 64, 64), np.float32),
    }


def test_a_mask_marks_only_what_changed_visibly() -> None:
    images = batch()
    changed, masks = corrupt(images, np.random.default_rng(3))
    for name, mask in masks.items():
        change = np.abs(changed[name] - images[name]).max(axis=1)
        assert mask.any()
        # A marked pixel changed, or one of its neighbours did: the mask is smoothed over 3 x 3.
        near = np.stack([cv2.dilate(plane, np.ones((3, 3))) for plane in change])
        assert near[mask].min() >= VISIBLE / 3


def test_some_parts_stay_good_and_most_anomalies_are_in_one_modality() -> None:
    _, masks = corrupt(batch(count=300), np.random.default_rng(0))
    rgb, tir = (masks[name].any(axis=(1, 2)) for name in ("rgb", "tir"))
    assert 0.3 < (~(rgb | tir)).mean() < 0.5
    assert (rgb ^ tir).sum() > 60
    assert (rgb & tir).sum() > 30


def test_good_parts_are_left_alone() -> None:
    images = batch()
    before = {name: array.copy() for name, array in images.items()}
    changed, masks = corrupt(images, np.random.default_rng(4))
    for name in images:
        assert np.array_equal(images[name], before[name])
        untouched = ~np.any([mask.any(axis=(1, 2)) for mask in masks.values()], axis=0)
        assert untouched.any()
    both = [n for n in range(12) if all(np.array_equal(changed[m][n], images[m][n]) for m in images)]
    assert both


def test_equal_seeds_give_equal_anomalies() -> None:
    first, second = (corrupt(batch(), np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(first[0][name], second[0][name]) for name in first[0])
    other = corrupt(batch(), np.random.default_rng(6))
    assert not np.array_equal(first[0]["rgb"], other[0]["rgb"])


def test_what_a_part_lacks_is_neither_changed_nor_taken() -> None:
    images = batch(count=40)
    present = np.ones((40, 2), bool)
    present[::2, 1] = False
    images["tir"][::2] = 1000.0
    changed, masks = corrupt(images, np.random.default_rng(1), present)
    assert np.array_equal(changed["tir"][::2], images["tir"][::2])
    assert not masks["tir"][::2].any()
    assert masks["tir"][1::2].any()
    assert np.abs(changed["tir"][1::2]).max() < 100
    assert masks["rgb"][::2].any()
    whole = [corrupt(batch(), np.random.default_rng(1), *more) for more in ((), (np.ones((12, 2), bool),))]
    for one, other in zip(*whole, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_good_parts_keep_their_content_under_nuisances() -> None:
    images = batch()["rgb"].cumsum(2).cumsum(3) / 40  # smooth, so that a shift of 2 px changes little
    disturbed = nuisance(images, np.random.default_rng(0))
    assert not np.array_equal(images, disturbed)
    for before, after in zip(images, disturbed, strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8


def test_two_cameras_are_up_to_four_pixels_apart() -> None:
    dots = np.zeros((200, 1, 32, 32), np.float32)
    dots[:, :, 16, 16] = 1
    rng = np.random.default_rng(0)
    first, second = (np.argwhere(shift(dots, rng)[:, 0] > 0)[:, 1:] for _ in range(2))
    assert np.abs(first - 16).max() == np.abs(second - 16).max() == 2
    assert np.abs(first - second).max() == 4


def test_a_level_and_its_contrast_drift_and_light_falls_unevenly() -> None:
    ramp = np.broadcast_to(np.linspace(-2, 2, 64, dtype=np.float32), (400, 2, 64, 64)).copy()
    disturbed = nuisance(ramp, np.random.default_rng(0))
    levels = disturbed.mean((2, 3))
    assert 0.1 < levels.std() < 0.25
    across, down = (np.diff(disturbed.mean(axis), axis=-1).mean(-1) * 63 / 2 for axis in ((1, 2), (1, 3)))
    assert abs(across.mean() - 2) < 0.1
    assert 0.1 < across.std() < 0.4
    assert abs(down.mean()) < 0.05
    assert 0.05 < down.std() < 0.25


def test_stripes_lie_along_lines_or_along_columns() -> None:
    disturbed = nuisance(np.zeros((40, 1, 64, 64), np.float32), np.random.default_rng(0))[:, 0]
    between_lines = np.diff(disturbed.mean(2), axis=1).std(1)
    between_columns = np.diff(disturbed.mean(1), axis=1).std(1)
    ratio = between_lines / between_columns
    assert (ratio > 3).sum() > 8
    assert (ratio < 1 / 3).sum() > 8
    assert max(between_lines.max(), between_columns.max()) < 0.2


@pytest.mark.parametrize("seed", range(30))
def test_regions_are_soft_masks_of_the_size_asked_for(seed: int) -> None:
    region = random_region(48, 64, np.random.default_rng(seed))
    assert region.shape == (48, 64)
    assert region.dtype == np.float32
    assert 0 <= region.min() <= region.max() <= 1


def test_a_vein_is_thin_and_long() -> None:
    long_enough = 0
    for seed in range(20):
        line = vein_region(96, 96, np.random.default_rng(seed)) > 0.5
        _, _, stats, _ = cv2.connectedComponentsWithStats(line.astype(np.uint8))
        longest = max((max(width, height) for _, _, width, height, _ in stats[1:]), default=0)
        thickest = cv2.distanceTransform(line.astype(np.uint8), cv2.DIST_L2, 3).max()
        long_enough += longest > 4 * thickest
        assert line.mean() < 0.3
    assert long_enough >= 16


def test_a_seamless_fill_keeps_the_brightness_of_the_place() -> None:
    rng = np.random.default_rng(0)
    ramp = np.tile(np.linspace(-2, 2, 64, dtype=np.float32), (1, 64, 1))
    other = rng.standard_normal((1, 64, 64), np.float32)
    filled = seamless(ramp, other, rng)
    assert np.abs(filled - ramp).mean() > 0.1
    far = [cv2.blur(image[0], (31, 31)) for image in (filled, ramp)]
    assert np.abs(far[0] - far[1])[16:-16, 16:-16].max() < 0.5


def test_a_faded_picture_carries_nothing_and_nobody_is_asked_for_it() -> None:
    images = batch(count=300)
    marks = {name: np.ones((300, 64, 64), bool) for name in images}
    present = np.ones((300, 2), bool)
    present[:50, 1] = False
    useful = fade(images, marks, present, np.random.default_rng(0))
    assert (useful <= present).all()
    assert useful.any(1).all()
    assert np.array_equal(useful[:50], present[:50])
    faded = present & ~useful
    assert abs(faded[50:].any(1).mean() - FADED_SHARE) < 0.06
    assert faded[:, 0].any()
    assert faded[:, 1].any()
    for place, name in enumerate(images):
        for n in range(300):
            assert marks[name][n].any() == (not faded[n, place])
            assert (images[name][n].std(axis=(1, 2)).max() < 2 * MOST_LEFT) == faded[n, place]


def test_the_only_camera_never_fades() -> None:
    images = {"rgb": batch()["rgb"]}
    before = images["rgb"].copy()
    useful = fade(images, {"rgb": np.zeros((12, 64, 64), bool)}, np.ones((12, 1), bool), np.random.default_rng(0))
    assert useful.all()
    assert np.array_equal(images["rgb"], before)
