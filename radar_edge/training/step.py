"""What one step of a training asks of the network: its batch, and its weighted losses. Knows no optimiser and no file.

A pure function of (network, good parts, seed, step). Of several processes each runs the network on its own slice of
the batch, and the losses read the whole of it (`distributed`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from radar_edge.modality import Subset, all_subsets
from radar_edge.models.radar import Encoded, Radar
from radar_edge.training import distributed, losses, precision
from radar_edge.training.anomalies import corrupt, fade, nuisance

if TYPE_CHECKING:
    from radar_edge.training.train import TrainConfig

DISTILLATION = 0.5
"""Weight of what the set of all modalities teaches the others; they teach it nothing."""


@dataclass
class Data:
    """The good parts that are fitted, as tensors in memory."""

    inputs: dict[str, npt.NDArray[np.float32]]
    """`[N, C, H, W]` a modality."""
    presence: Tensor
    """`[N, M]`, 1 where the part has the modality."""


def step_losses(model: Radar, data: Data, config: TrainConfig, step: int, stage: int, device: str) -> dict[str, Tensor]:
    """The weighted loss terms of one step."""
    rng = np.random.default_rng((config.seed, step))
    picked = batch_indices(len(data.presence), config, step)
    presence = data.presence[picked]
    good = {name: nuisance(batch[picked.numpy()], rng) for name, batch in data.inputs.items()}
    there = presence.numpy() > 0
    changed, marked = corrupt(good, rng, there)
    useful = torch.from_numpy(fade(changed, marked, there, rng))
    present = {name: useful[:, i].to(device) for i, name in enumerate(model.modalities)}
    clean = {name: torch.from_numpy(batch).to(device) for name, batch in good.items()}
    masks = {name: torch.from_numpy(mask).to(device) & present[name][:, None, None] for name, mask in marked.items()}
    inputs = {name: distributed.own(torch.from_numpy(batch)) for name, batch in changed.items()}
    with precision.autocast(device):
        encoded = model.encode(
            {name: x.to(device, memory_format=torch.channels_last) for name, x in inputs.items()},
            distributed.own(presence) > 0,
        )
        rebuilt = model.rebuilt(encoded)
    seen = all_slices(encoded)
    learn_usual(model, seen, masks, present, config)
    guesses = {pair: distributed.whole(guess.float()) for pair, guess in rebuilt.items()}
    weight = 1.0 if stage == 1 else 0.5
    terms = {
        "restoration": weight * losses.restoration(seen, clean, present),
        "alignment": weight * losses.alignment(seen, guesses, masks, present),
        "spread": 0.1 * losses.spread(seen, present),
    }
    if stage == 2:
        terms |= judge_all_subsets(model, encoded, rebuilt, masks, presence.to(device), useful.to(device))
    return terms


def all_slices(encoded: Encoded) -> Encoded:
    """What the losses and the statistics read, of the whole batch and in float32; the rest as it is."""
    features = {
        name: f._replace(
            fine=distributed.whole(f.fine.detach().float()), restored=distributed.whole(f.restored.float())
        )
        for name, f in encoded.features.items()
    }
    shared = {name: distributed.whole(z.float()) for name, z in encoded.shared.items()}
    return encoded._replace(features=features, shared=shared)


def learn_usual(
    model: Radar,
    encoded: Encoded,
    masks: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    config: TrainConfig,
) -> None:
    """Keep each modality's statistics of good features up to date; changed places and absent images do not count."""
    for name in model.modalities:
        if not model.encoders[name].training:
            continue  # frozen
        fine = encoded.features[name].fine.detach()
        good = (1 - losses.covered(masks[name], fine)) * present[name].to(fine.device).reshape(-1, 1, 1, 1)
        model.encoders[name].usual.learn(fine, good, config.usual_rate)  # type: ignore[union-attr,operator]


def judge_all_subsets(
    model: Radar,
    encoded: Encoded,
    rebuilt: Mapping[tuple[str, str], Tensor],
    masks: Mapping[str, Tensor],
    presence: Tensor,
    useful: Tensor,
) -> dict[str, Tensor]:
    """Segmentation loss of every Subset on the parts of which one of its modalities carries something.

    `presence` `[N, M]` is what the fusion is told; `useful` `[N, M]` lacks what is there and faded.
    These and `masks` are of the whole batch, `encoded` and `rebuilt` of this process's slice.
    """
    per_modality = torch.stack([masks[name] for name in model.modalities], 1)
    terms: dict[str, Tensor] = {}
    everything = Subset(model.modalities)
    teacher: Tensor | None = None
    # The set of all modalities goes first: the others learn from what it says.
    for subset in sorted(all_subsets(model.modalities), key=len, reverse=True):
        members = torch.tensor(subset.mask(model.modalities), device=presence.device)
        judged = (useful & members).any(1)
        if not bool(judged.any()):
            continue
        mask = torch.where(judged[:, None], presence * members, members.float())
        with precision.autocast(mask.device.type):
            logit, alpha = model.fuse(encoded, rebuilt, distributed.own(mask))
        logit, alpha = distributed.whole(logit.float()), distributed.whole(alpha.float())
        visible = (per_modality & members[None, :, None, None]).any(1)
        terms[f"map_{subset.slug}"] = losses.segmentation(logit[judged], visible[judged])
        if teacher is not None:
            hidden = (per_modality & ~members[None, :, None, None]).any(1) & ~visible
            terms[f"distillation_{subset.slug}"] = DISTILLATION * losses.distillation(
                logit[judged], teacher[judged], ~hidden[judged]
            )
        elif subset == everything:
            teacher = logit.detach()
            if len(subset) > 1:
                terms["attention"] = 0.1 * losses.attention_hint(alpha, per_modality)
    return terms


def batch_indices(count: int, config: TrainConfig, step: int) -> Tensor:
    """Every part once an epoch, in an order that depends on seed and epoch alone."""
    per_epoch = count // config.batch_size
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(config.seed * 7_919 + epoch))
    return order[place * config.batch_size : (place + 1) * config.batch_size]
