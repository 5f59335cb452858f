"""RADAR: from images of some modalities and a presence mask to an anomaly map. Knows no loss and no data set.

    x_i -> Backbone_i -> evidence_i, deep_i -> MAA: z_i -> f_i = join(evidence_i, z_i)
    F = MRF(f, m); logit = head(F) + sum_{i<j} m_i m_j d_ij(z_i, z_j)
    map = logit + texture_weight * sum_i m_i t_i(x_i) / sum_i m_i

d_ij is the cross-modal discrepancy: where two present modalities do not predict each other, something is wrong. t_i is
the texture's distance to good parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, permutations
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from radar_edge.errors import UsageError
from radar_edge.models.backbone import Backbone, Features, conv_block, double
from radar_edge.models.maa import Alignment
from radar_edge.models.mrf import Fusion
from radar_edge.models.texture import Texture, smooth

MAP_STRIDE = 4

# fmt: off
RESERVED = frozenset({
    "alignment", "attend", "bias", "centre", "context", "contribution", "discrepancy", "down", "encoders", "evidence",
    "fine", "fusion", "head", "join", "mask", "mean", "position", "predict", "project", "residual", "spread", "stem",
    "texture", "unusual", "usual", "variance", "weight", "whiten", "widen",
})
# fmt: on
"""Parts of the network, inputs and outputs of its graph. A parameter's owner is told by its name alone, so no modality
may be called one of these."""


class RadarConfig(BaseModel):
    """Everything that the network's shape depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: dict[str, int] = Field(description="input channels of each modality, in the model's order")
    height: int = Field(ge=32, multiple_of=16, description="of every network input, px")
    width: int = Field(ge=32, multiple_of=16)
    features: int = Field(default=32, ge=8, multiple_of=8, description="channels of the fine features")
    shared: int = Field(default=64, ge=8, description="dimension of the shared space")
    texture_weight: float = Field(default=1.0, ge=0, description="logits for each unit of the texture's distance")


class RadarOutput(NamedTuple):
    """`anomaly_map` [N, 1, H, W] logits; `contribution` [N, M, h, w], the attention weights."""

    anomaly_map: Tensor
    contribution: Tensor


class Encoded(NamedTuple):
    """What each modality says by itself, before any fusion."""

    features: dict[str, Features]
    shared: dict[str, Tensor]
    fusable: dict[str, Tensor]
    presence: Tensor | None = None
    """`[N, M]` bool, on the CPU: which part has which modality; None if every part has all."""


class Radar(nn.Module):
    """The network. Parameters owned by a modality carry its name as one component of theirs."""

    def __init__(self, config: RadarConfig) -> None:
        super().__init__()
        self.config = config
        self.modalities = tuple(config.channels)
        check_names(self.modalities)
        self.pairs = tuple(combinations(self.modalities, 2))
        deep = 2 * config.features
        grid = (config.height // 8, config.width // 8)
        self.encoders = nn.ModuleDict(
            {name: Backbone(channels, config.features, grid) for name, channels in config.channels.items()}
        )
        places = (config.height // MAP_STRIDE, config.width // MAP_STRIDE)
        self.texture = nn.ModuleDict({name: Texture(channels, places) for name, channels in config.channels.items()})
        self.alignment = Alignment(self.modalities, deep, config.shared)
        self.join = nn.ModuleDict(
            {name: conv_block(config.features + config.shared, config.shared) for name in self.modalities}
        )
        self.fusion = Fusion(self.modalities, config.shared)
        self.head = nn.Sequential(conv_block(config.shared, config.features), nn.Conv2d(config.features, 1, 1))
        self.discrepancy = nn.ModuleDict(
            {a: nn.ModuleDict({b: discrepancy(config.shared) for x, b in self.pairs if x == a}) for a, _ in self.pairs}
        )

    def encode(self, inputs: Mapping[str, Tensor], presence: Tensor | None = None) -> Encoded:
        """`presence` `[N, M]` bool, on the CPU: in training, which parts have which modality; None if all have all.

        What a part lacks passes neither encoder nor join: no batch norm counts it, and no weight learns from it.
        """
        if presence is not None and bool(presence.all()):
            presence = None
        there = {name: None if presence is None else presence[:, i] for i, name in enumerate(self.modalities)}
        features = {
            name: Features(*of_parts(self.encoders[name], inputs[name], there[name])) for name in self.modalities
        }
        shared = self.alignment.shared({name: f.deep for name, f in features.items()})
        fusable = {
            name: of_parts(self.join[name], torch.cat([features[name].evidence, double(shared[name])], 1), there[name])
            for name in self.modalities
        }
        return Encoded(features, shared, fusable, presence)

    def rebuilt(self, encoded: Encoded) -> dict[tuple[str, str], Tensor]:
        """(from, to) -> what `from` predicts of `to`'s shared features."""
        pairs = permutations(self.modalities, 2)
        return {(a, b): self.alignment.rebuild(encoded.shared, a, b) for a, b in pairs}

    def fuse(self, encoded: Encoded, rebuilt: Mapping[tuple[str, str], Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[N, 1, H/4, W/4]` and alpha for presence `[N, M]`. Every row of `mask` holds at least one 1."""
        fused, alpha = self.fusion(encoded.fusable, mask)
        presence = encoded.presence
        heard = None if presence is None else ((mask.cpu() > 0) & presence).any(1)
        logit = of_parts(self.head, fused, heard)
        for a, b in self.pairs:
            gaps = [(rebuilt[s, t] - encoded.shared[t]).abs() for s, t in ((a, b), (b, a))]
            i, j = self.modalities.index(a), self.modalities.index(b)
            both = (mask[:, i] * mask[:, j]).reshape(-1, 1, 1, 1)
            pair = None if presence is None else presence[:, i] & presence[:, j]
            logit = logit + both * double(of_parts(self.discrepancy[a][b], torch.cat(gaps, 1), pair))  # type: ignore[index]
        return logit, alpha

    def forward(self, inputs: Mapping[str, Tensor], mask: Tensor) -> RadarOutput:
        """`inputs`: `[N, C, H, W]` for every modality (anything where `mask` `[N, M]` says absent)."""
        encoded = self.encode(inputs)
        logit, alpha = self.fuse(encoded, self.rebuilt(encoded), mask)
        unusual = self.unusual_texture(inputs, mask)
        return RadarOutput(upsample(both_maps(logit, unusual, self.config.texture_weight)), alpha)

    def unusual_texture(self, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """`[N, 1, H/4, W/4]`: how much further from good parts than they reach, mean of the present modalities."""
        present = [mask[:, i].reshape(-1, 1, 1, 1) for i in range(len(self.modalities))]
        terms: list[Tensor] = [
            m * self.texture[name](inputs[name]) for m, name in zip(present, self.modalities, strict=True)
        ]
        total, count = terms[0], present[0]
        for term, m in zip(terms[1:], present[1:], strict=True):
            total, count = total + term, count + m
        return total / count


def check_names(modalities: tuple[str, ...]) -> None:
    """Raises UsageError for a name that the network itself needs, or that torch cannot give to a module."""
    if taken := [name for name in modalities if name in RESERVED or hasattr(nn.ModuleDict(), name)]:
        raise UsageError(
            "a modality has the name of a part of the network",
            found=", ".join(taken),
            next_step="name its folders otherwise",
        )


def both_maps(logit: Tensor, unusual: Tensor, texture_weight: float) -> Tensor:
    """What was learned of anomalies, and how unusual the texture is, `[N, 1, H/4, W/4]` each, in one map of logits."""
    return smooth(logit, 3) + texture_weight * unusual


def upsample(logit: Tensor) -> Tensor:
    return F.interpolate(logit, scale_factor=float(MAP_STRIDE), mode="bilinear", align_corners=False)


def of_parts(module: nn.Module, x: Tensor, chosen: Tensor | None) -> Any:
    """`module` of the `chosen` `[N]` bool (on the CPU) rows of `x` alone, and zeros in the others' place; None: all.

    A module may give one tensor or a tuple of them.
    """
    if chosen is None:
        return module(x)
    rows = chosen.nonzero().squeeze(1).to(x.device)

    def placed(found: Tensor) -> Tensor:
        return found.new_zeros((len(x), *found.shape[1:])).index_copy(0, rows, found)

    found = module(x[rows])
    return placed(found) if isinstance(found, Tensor) else tuple(placed(one) for one in found)


def discrepancy(shared: int) -> nn.Sequential:
    return nn.Sequential(conv_block(2 * shared, 32), nn.Conv2d(32, 1, 1))
