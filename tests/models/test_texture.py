from __future__ import annotations

import pytest
import torch

from radar_edge.benchmark.ablations import texture_alone, without_texture
from radar_edge.models.radar import Radar, RadarConfig
from radar_edge.models.texture import LIMIT, Texture

GRID = (16, 16)


def weave(count: int, seed: int, period: float = 6.0) -> torch.Tensor:
    """`[count, 1, 64, 64]`: a striped texture, each part with its own phase, contrast, brightness and noise."""
    rng = torch.Generator().manual_seed(seed)
    phase, contrast, level = (torch.rand(count, 1, 1, 1, generator=rng) for _ in range(3))
    x = torch.arange(64.0).reshape(1, 1, 1, -1)
    noise = 0.3 * torch.randn(count, 1, 64, 64, generator=rng)
    return (0.7 + 0.6 * contrast) * torch.sin(x * 6.28 / period + 6.28 * phase) + 2 * level + noise


@pytest.fixture(scope="module")
def texture() -> Texture:
    learned = Texture(1, GRID)
    learned.learn(weave(60, seed=0))
    return learned


def highest(map_: torch.Tensor) -> torch.Tensor:
    return map_.flatten(1).amax(1)


def test_another_structure_in_one_place_is_unusual_there(texture: Texture) -> None:
    good = weave(30, seed=1)
    bad = good.clone()
    bad[:, :, 20:44, 20:44] = weave(30, seed=2, period=3.0)[:, :, 20:44, 20:44]
    assert highest(texture(good)).median() < 0.3
    found = texture(bad)
    assert (highest(texture(bad)) > highest(texture(good)).quantile(0.9)).float().mean() > 0.9
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[5:11, 5:11] = True
    assert (found[:, 0, inside].mean(1) > found[:, 0, ~inside].mean(1)).all()


def test_brightness_and_contrast_do_not_count_and_a_black_picture_is_not_unusual(texture: Texture) -> None:
    good = weave(30, seed=3)
    assert torch.allclose(texture(good + 5), texture(good), atol=0.1)
    assert highest(texture(0.02 * good)).max() < highest(texture(good)).median()


def test_what_is_usual_elsewhere_is_unusual_where_parts_never_have_it() -> None:
    def parts(count: int, seed: int) -> torch.Tensor:
        """Coarse stripes on the left, fine ones on the right."""
        coarse, fine = weave(count, seed), weave(count, seed + 1, period=3.0)
        return torch.cat([coarse[..., :32], fine[..., 32:]], 3)

    placed = Texture(1, GRID)
    placed.learn(parts(60, seed=10))
    good = parts(30, seed=12)
    bad = good.clone()
    bad[:, :, 20:44, 4:28] = good[:, :, 20:44, 36:60]
    found = placed(bad)[:, 0]
    assert (highest(found) > highest(placed(good)).quantile(0.9)).float().mean() > 0.9
    assert (found[:, 5:11, 1:7].mean((1, 2)) > found[:, 5:11, 9:15].mean((1, 2)) + 1).all()


def test_the_map_is_bounded_whatever_is_seen(texture: Texture) -> None:
    wild = 1e4 * torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert texture(wild).abs().max() <= LIMIT
    assert texture(wild).shape == (2, 1, 16, 16)


@pytest.mark.parametrize("size", [32, 64])
def test_pictures_without_any_contrast_can_be_learned(size: int) -> None:
    flat = Texture(2, (size // 4, size // 4))
    flat.learn(torch.full((5, 2, size, size), 3.0))
    assert torch.isfinite(flat(torch.randn(2, 2, size, size))).all()


def test_equal_parts_give_equal_statistics() -> None:
    first, second = Texture(1, GRID), Texture(1, GRID)
    for one in (first, second):
        one.learn(weave(20, seed=4))
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True))


def test_the_texture_counts_as_the_network_or_an_ablation_says() -> None:
    torch.manual_seed(0)
    model = Radar(RadarConfig(channels={"a": 1}, height=64, width=64, features=8, shared=8)).eval()
    model.texture["a"].learn(weave(20, seed=7))  # type: ignore[operator]
    inputs, mask = {"a": weave(3, seed=8, period=4)}, torch.ones(3, 1)

    def judged(texture_weight: float) -> torch.Tensor:
        model.config = model.config.model_copy(update={"texture_weight": texture_weight})
        return model(inputs, mask).anomaly_map

    learned, whole = judged(0), judged(1)
    assert not torch.allclose(learned, whole, atol=0.1)
    assert torch.allclose(judged(0.75), learned + 0.75 * (whole - learned), atol=1e-5)
    with without_texture():
        assert torch.equal(judged(0.75), learned)
    with texture_alone():
        assert torch.allclose(judged(0.75) / 1e5, whole - learned, atol=1e-3)


def test_the_present_modalities_textures_are_averaged() -> None:
    torch.manual_seed(0)
    model = Radar(RadarConfig(channels={"a": 1, "b": 1}, height=64, width=64, features=8, shared=8)).eval()
    inputs = {"a": weave(3, seed=5), "b": weave(3, seed=6, period=4)}
    for name in inputs:
        model.texture[name].learn(weave(20, seed=7, period=6 if name == "a" else 4))
    alone = [model.texture[name](inputs[name]) for name in inputs]
    for mask, expected in (([1, 0], alone[0]), ([0, 1], alone[1]), ([1, 1], (alone[0] + alone[1]) / 2)):
        found = model.unusual_texture(inputs, torch.tensor([mask] * 3, dtype=torch.float32))
        assert torch.allclose(found, expected, atol=1e-5)
