from __future__ import annotations

import torch

from radar_edge.models.radar import Encoded
from radar_edge.training import losses

PRESENT = {name: torch.ones(1, dtype=torch.bool) for name in ("rgb", "tir")}
FOUR = {"rgb": torch.ones(4, dtype=torch.bool)}


def encoded(**shared: torch.Tensor) -> Encoded:
    return Encoded({}, shared, {})


def test_alignment_is_zero_for_a_perfect_prediction_and_ignores_changed_places() -> None:
    rng = torch.Generator().manual_seed(0)
    z = {name: torch.randn(2, 8, 4, 4, generator=rng) for name in ("rgb", "tir")}
    rebuilt = {("rgb", "tir"): z["tir"].clone(), ("tir", "rgb"): z["rgb"].clone()}
    masks = {name: torch.zeros(2, 16, 16, dtype=torch.bool) for name in z}
    assert float(losses.alignment(encoded(**z), rebuilt, masks, PRESENT)) < 1e-6
    rebuilt["rgb", "tir"][0, :, 0, 0] += 5
    wrong = float(losses.alignment(encoded(**z), rebuilt, masks, PRESENT))
    assert wrong > 1e-3
    masks["tir"][0, :4, :4] = True
    assert float(losses.alignment(encoded(**z), rebuilt, masks, PRESENT)) < 1e-6


def test_the_target_of_alignment_gets_no_gradient() -> None:
    z = {name: torch.randn(1, 8, 4, 4, requires_grad=True) for name in ("rgb", "tir")}
    masks = {name: torch.zeros(1, 16, 16, dtype=torch.bool) for name in z}
    guess = torch.randn(1, 8, 4, 4, requires_grad=True)
    losses.alignment(encoded(**z), {("rgb", "tir"): guess}, masks, PRESENT).backward()
    assert guess.grad is not None
    assert z["tir"].grad is None


def test_one_modality_has_nothing_to_align() -> None:
    assert float(losses.alignment(encoded(rgb=torch.zeros(1, 2, 2, 2)), {}, {}, {})) == 0


def test_spread_punishes_the_constant_solution_alone() -> None:
    constant = losses.spread(encoded(rgb=torch.ones(4, 8, 4, 4)), FOUR)
    lively = losses.spread(encoded(rgb=2 * torch.randn(4, 8, 4, 4, generator=torch.Generator().manual_seed(0))), FOUR)
    assert float(constant) > 0.9
    assert float(lively) < 1e-3


def test_segmentation_prefers_the_right_map() -> None:
    mask = torch.zeros(3, 32, 32, dtype=torch.bool)
    mask[0, 8:16, 8:16] = True
    right = torch.full((3, 1, 8, 8), -6.0)
    right[0, 0, 2:4, 2:4] = 6.0
    silent = torch.full((3, 1, 8, 8), -6.0)
    everywhere = torch.full((3, 1, 8, 8), 6.0)
    values = [float(losses.segmentation(logit, mask)) for logit in (right, silent, everywhere)]
    assert values[0] < 0.1
    assert values[1] > 1
    assert values[2] > 1


def test_attention_is_asked_for_only_where_modalities_differ() -> None:
    masks = torch.zeros(1, 2, 16, 16, dtype=torch.bool)
    alpha = torch.tensor([0.9, 0.1]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert float(losses.attention_hint(alpha, masks)) == 0
    masks[0, 0, :4, :4] = True
    right = float(losses.attention_hint(alpha, masks))
    masks[0, 0], masks[0, 1] = masks[0, 1].clone(), masks[0, 0].clone()
    assert right < 0.2 < 2 < float(losses.attention_hint(alpha, masks))


def test_an_image_that_is_not_there_teaches_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    z = {name: torch.randn(2, 8, 4, 4, generator=rng) for name in ("rgb", "tir")}
    rebuilt = {("rgb", "tir"): z["tir"].clone(), ("tir", "rgb"): z["rgb"].clone()}
    rebuilt["rgb", "tir"][1] += 5
    masks = {name: torch.zeros(2, 16, 16, dtype=torch.bool) for name in z}
    both = {name: torch.ones(2, dtype=torch.bool) for name in z}
    assert float(losses.alignment(encoded(**z), rebuilt, masks, both)) > 1e-3
    without = {**both, "tir": torch.tensor([True, False])}
    assert float(losses.alignment(encoded(**z), rebuilt, masks, without)) < 1e-6
    constant = torch.cat([2 * torch.randn(3, 8, 4, 4, generator=rng), torch.full((3, 8, 4, 4), 1e3)])
    lively = {"rgb": torch.tensor([True] * 3 + [False] * 3)}
    assert float(losses.spread(encoded(rgb=constant[:3]), {"rgb": torch.ones(3, dtype=torch.bool)})) == float(
        losses.spread(encoded(rgb=constant), lively)
    )


def test_distillation_is_zero_for_the_same_map_and_asks_for_nothing_that_is_hidden() -> None:
    rng = torch.Generator().manual_seed(0)
    teacher = 3 * torch.randn(2, 1, 8, 8, generator=rng)
    asked = torch.ones(2, 32, 32, dtype=torch.bool)
    assert abs(float(losses.distillation(teacher.clone(), teacher, asked))) < 1e-6
    other = teacher.clone()
    other[0, 0, 0, 0] -= 4
    assert float(losses.distillation(other, teacher, asked)) > 1e-4
    asked[0, :4, :4] = False
    assert abs(float(losses.distillation(other, teacher, asked))) < 1e-6


def test_distillation_is_the_divergence_that_torch_computes() -> None:
    rng = torch.Generator().manual_seed(1)
    logit, teacher = torch.randn(2, 3, 1, 4, 4, generator=rng)
    p, q = torch.distributions.Bernoulli(logits=teacher), torch.distributions.Bernoulli(logits=logit)
    wanted = torch.distributions.kl_divergence(p, q).mean()
    found = losses.distillation(logit, teacher, torch.ones(3, 16, 16, dtype=torch.bool))
    assert torch.allclose(found, wanted, atol=1e-6)
