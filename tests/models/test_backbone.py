from __future__ import annotations

import torch

from radar_edge.models.backbone import DEVIATION_LIMIT, Usual


def learned(seed: int = 0) -> tuple[Usual, torch.Tensor]:
    """Statistics of a place-dependent feature: mean = column, standard deviation = 0.5."""
    rng = torch.Generator().manual_seed(seed)
    columns = torch.arange(6.0).reshape(1, 1, 1, 6)
    usual = Usual(1, (4, 6))
    for _ in range(300):
        usual.learn(columns + 0.5 * torch.randn(16, 1, 4, 6, generator=rng), torch.ones(16, 1, 4, 6), 0.05)
    return usual, columns.expand(1, 1, 4, 6)


def test_what_is_usual_at_its_place_is_near_and_elsewhere_it_is_far() -> None:
    usual, columns = learned()
    assert float(usual(columns).max()) < 0.5
    moved = usual(columns.roll(2, 3))
    assert float(moved.min()) > 3
    assert float(moved.max()) <= DEVIATION_LIMIT


def test_one_standard_deviation_reads_as_one() -> None:
    usual, columns = learned()
    assert abs(float(usual(columns + 0.5).mean()) - 1) < 0.15


def test_changed_places_teach_nothing() -> None:
    usual, columns = learned()
    before = usual.mean.clone()
    good = torch.ones(8, 1, 4, 6)
    good[..., 0] = 0
    spoiled = columns.expand(8, 1, 4, 6).clone()
    spoiled[..., 0] = 100.0
    usual.learn(spoiled, good, 0.5)
    assert torch.equal(usual.mean[..., 0], before[..., 0])
    assert not torch.equal(usual.mean[..., 1], before[..., 1])
