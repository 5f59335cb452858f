"""From an anomaly map to a score, a threshold and a p-value: the only definition. Pure.

A score means the same whichever engine gave it only through its own calibration on held-out good
parts: split conformal prediction. Parts of one group (one lot, one tile photographed six times) are
not independent, so groups are counted, not parts.

Sources: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005) for split conformal
p-values; Lee, Barber, Willett, Distribution-free inference with hierarchical data (2023) for groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from radar_edge.errors import UsageError

TOP_SHARE = 0.005
"""The image score is the mean of the highest 0.5 % of the map's pixels: one hot pixel is noise, a defect is not."""


def image_score(anomaly_map: npt.NDArray[Any]) -> float:
    """`[..., H, W]` logits of one image -> its score (a logit). Raises UsageError if any pixel is not finite."""
    pixels = np.asarray(anomaly_map, np.float32).reshape(-1)
    if not np.isfinite(pixels).all():
        raise UsageError("the anomaly map holds values that are not finite numbers", wanted="finite logits")
    count = max(1, round(TOP_SHARE * pixels.size))
    return float(np.partition(pixels, -count)[-count:].mean(dtype=np.float64))


class Calibration(BaseModel):
    """Scores of held-out good parts through one engine, ascending, with the weight of each (1 / its group's size)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: tuple[float, ...] = Field(min_length=1)
    weights: tuple[float, ...] = Field(min_length=1)
    groups: int = Field(ge=1)
    target_frr: float = Field(gt=0, lt=1, description="false-reject rate that the threshold keeps, on average")
    threshold: float = Field(description="a score above it is an anomaly")

    def p_value(self, score: float) -> float:
        """Chance that a good part scores at least this high, by its rank among the calibration parts."""
        above = sum(w for s, w in zip(self.scores, self.weights, strict=True) if s >= score)
        return (above + 1) / (self.groups + 1)

    def wire_score(self, score: float) -> int:
        """0..1000 for register 6: 250 for the median good part, 500 at the threshold, above it exactly if rejected."""
        spread = max(self.threshold - self.scores[len(self.scores) // 2], 1e-6)
        scaled = round(500 + 250 * (score - self.threshold) / spread)
        return min(max(scaled, 501), 1000) if score > self.threshold else min(max(scaled, 0), 500)


def smallest_frr(groups: int) -> float:
    """The smallest false-reject rate that this many independent good parts can guarantee: 1 / (n + 1)."""
    return 1 / (groups + 1)


def groups_needed(target_frr: float) -> int:
    """The least number of independent good parts for a guaranteed `target_frr`."""
    return math.ceil(1 / target_frr - 1 - 1e-9)


def calibrate(scores: Sequence[float], target_frr: float, groups: Sequence[object] | None = None) -> Calibration:
    """Threshold at `target_frr` from good parts' scores.

    The threshold is the smallest score t with sum_g share_g(s <= t) >= (1 - target_frr) (G + 1), where
    share_g is the share of group g's parts: the (1 - a) quantile of hierarchical split conformal. With
    one part a group it is the ceil((n + 1)(1 - a))-th smallest score. Raises UsageError with the number
    needed if there are too few groups to guarantee the target.
    """
    names: list[object] = list(groups) if groups is not None else list(range(len(scores)))
    if len(names) != len(scores) or not np.isfinite(np.asarray(scores, float)).all():
        raise UsageError("calibration needs one finite score and one group a part")
    sizes = {name: names.count(name) for name in set(names)}
    needed = groups_needed(target_frr)
    if len(sizes) < needed:
        raise UsageError(
            f"too few good parts to guarantee a false-reject rate of {target_frr:.1%}",
            found=f"{len(sizes)} independent good parts (groups)",
            wanted=f"at least {needed}",
            next_step=f"add good parts, or ask for a rate of {smallest_frr(max(len(sizes), 1)):.1%} or more",
        )
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    weights = [1 / sizes[names[i]] for i in order]
    reach = (1 - target_frr) * (len(sizes) + 1) - 1e-9
    index = int(np.searchsorted(np.cumsum(weights), reach))
    ranked = [float(scores[i]) for i in order]
    return Calibration(
        scores=tuple(ranked),
        weights=tuple(weights),
        groups=len(sizes),
        target_frr=target_frr,
        threshold=ranked[min(index, len(ranked) - 1)],
    )
