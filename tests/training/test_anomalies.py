from __future__ import annotations

import pytest
import torch

from radar_edge.training.anomalies import VISIBLE, corrupt, nuisance, random_region


def batch(seed: int = 0, count: int = 12) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {"rgb": torch.randn(count, 3, 64, 64, generator=rng), "tir": torch.randn(count, 1, 64, 64, generator=rng)}


def test_a_mask_marks_only_what_changed_visibly() -> None:
    images = batch()
    changed, masks = corrupt(images, torch.Generator().manual_seed(3))
    for name, mask in masks.items():
        change = (changed[name] - images[name]).abs().amax(1)
        assert mask.any()
        # A marked pixel changed, or one of its neighbours did: the mask is smoothed over 3 x 3.
        near = torch.nn.functional.max_pool2d(change[:, None], 3, 1, 1)[:, 0]
        assert float(near[mask].min()) >= VISIBLE


def test_some_parts_stay_good_and_most_anomalies_are_in_one_modality() -> None:
    _, masks = corrupt(batch(count=300), torch.Generator().manual_seed(0))
    rgb, tir = (masks[name].flatten(1).any(1) for name in ("rgb", "tir"))
    assert 0.3 < float((~(rgb | tir)).float().mean()) < 0.5
    assert float((rgb ^ tir).float().sum()) > 60
    assert float((rgb & tir).float().sum()) > 30


def test_equal_seeds_give_equal_anomalies() -> None:
    first, second = (corrupt(batch(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert all(torch.equal(first[0][name], second[0][name]) for name in first[0])
    other = corrupt(batch(), torch.Generator().manual_seed(6))
    assert not torch.equal(first[0]["rgb"], other[0]["rgb"])


def test_good_parts_keep_their_content_under_nuisances() -> None:
    images = batch()["rgb"].cumsum(2).cumsum(3) / 40  # smooth, so that a shift of 2 px changes little
    disturbed = nuisance(images, torch.Generator().manual_seed(0))
    for before, after in zip(images, disturbed, strict=True):
        pair = torch.stack([before.flatten(), after.flatten()])
        assert float(torch.corrcoef(pair)[0, 1]) > 0.8


@pytest.mark.parametrize("seed", range(30))
def test_regions_are_soft_masks_of_the_size_asked_for(seed: int) -> None:
    region = random_region(48, 64, torch.Generator().manual_seed(seed))
    assert region.shape == (48, 64)
    assert 0 <= float(region.min()) <= float(region.max()) <= 1
    assert torch.isfinite(region).all()
