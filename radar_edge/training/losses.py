"""The losses of both stages, as pure functions of tensors. Knows neither data nor optimiser."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from radar_edge.models.radar import Encoded


def restoration(encoded: Encoded, clean: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Mean absolute error between each modality's restoration and its clean image at half size.

    `present`: `[N]` bool a modality; an image that is not there teaches nothing.
    """
    errors = [
        (f.restored[present[name]] - F.avg_pool2d(clean[name][present[name]], 2)).abs().mean()
        for name, f in encoded.features.items()
        if bool(present[name].any())
    ]
    return torch.stack(errors).mean()


def alignment(
    encoded: Encoded,
    rebuilt: Mapping[tuple[str, str], Tensor],
    masks: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
) -> Tensor:
    """Modality reconstruction: squared distance of normalised features where both are there and neither was changed.

    The target is detached: a modality is to be predicted, not to be made predictable.
    """
    if not rebuilt:
        return next(iter(encoded.shared.values())).new_zeros(())
    clean = {name: 1 - covered(mask, encoded.shared[name]) for name, mask in masks.items()}
    losses = []
    for (source, target), guess in rebuilt.items():
        goal = F.normalize(encoded.shared[target].detach(), dim=1)
        gap = (F.normalize(guess, dim=1) - goal).square().sum(1, keepdim=True)
        both = (present[source] & present[target]).reshape(-1, 1, 1, 1)
        keep = clean[source] * clean[target] * both
        losses.append((gap * keep).sum() / keep.sum().clamp(min=1))
    return torch.stack(losses).mean()


def spread(encoded: Encoded, present: Mapping[str, Tensor]) -> Tensor:
    """Anti-collapse: each shared channel keeps a standard deviation of at least 1 over places and parts.

    Source: Bardes, Ponce, LeCun, VICReg (ICLR 2022), the variance term.
    """
    terms = [
        F.relu(1 - (z[present[name]].var((0, 2, 3)) + 1e-4).sqrt()).mean()
        for name, z in encoded.shared.items()
        if bool(present[name].any())
    ]
    return torch.stack(terms).mean()


def covered(mask: Tensor, like: Tensor) -> Tensor:
    """`[N, H, W]` bool -> `[N, 1, h, w]` float at the size of `like`: 1 where any pixel of the cell is set."""
    return F.adaptive_max_pool2d(mask.float()[:, None], like.shape[2:])


def segmentation(logit: Tensor, mask: Tensor) -> Tensor:
    """Logits `[N, 1, h, w]` against the union mask `[N, H, W]` of what the Subset can see.

    Focal loss (Lin et al., ICCV 2017, gamma 2) over pixels, Dice over the batch, and cross-entropy of the image's
    score, the mean of its highest logits.
    """
    height, width = logit.shape[2:]
    target = (F.adaptive_avg_pool2d(mask.float()[:, None], (height, width)) > 0.15).float()
    cross_entropy = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    probability = torch.sigmoid(logit)
    wrong = torch.where(target > 0.5, 1 - probability, probability)
    focal = (wrong.square() * cross_entropy).sum() / target.sum().clamp(min=20)
    dice = 1 - (2 * (probability * target).sum() + 1) / (probability.sum() + target.sum() + 1)
    top = logit.flatten(1).topk(max(1, logit[0].numel() // 100)).values.mean(1)
    image = F.binary_cross_entropy_with_logits(top, target.flatten(1).amax(1))
    return focal + dice + 0.5 * image


def distillation(logit: Tensor, teacher: Tensor, asked: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the teacher's probabilities, mean over the places that are asked for.

    `logit`, `teacher` `[N, 1, h, w]`, the teacher without gradient; `asked` `[N, H, W]` is False where the teacher sees
    what this Subset cannot: copying it there would be guessing.
    """
    keep = 1 - covered(~asked, logit)
    log_p, log_not_p = F.logsigmoid(teacher), F.logsigmoid(-teacher)
    log_q, log_not_q = F.logsigmoid(logit), F.logsigmoid(-logit)
    divergence = log_p.exp() * (log_p - log_q) + log_not_p.exp() * (log_not_p - log_not_q)
    return (divergence * keep).sum() / keep.sum().clamp(min=1)


def attention_hint(alpha: Tensor, masks: Tensor) -> Tensor:
    """Where only some modalities show the anomaly, the attention belongs to them.

    `alpha` `[N, M, h, w]`, `masks` `[N, M, H, W]` bool.
    """
    seen = F.adaptive_max_pool2d(masks.float(), alpha.shape[2:])
    differs = (seen.amax(1) > seen.amin(1)).float()
    right = (alpha * seen).sum(1).clamp(1e-4, 1)
    return -(right.log() * differs).sum() / differs.sum().clamp(min=1)
