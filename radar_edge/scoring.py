"""From an anomaly map to a score, a threshold, a band and a p-value: the only definition. Pure.

A score means the same whichever engine gave it only through its own calibration on held-out good
parts: split conformal prediction. Parts of one group (one lot, one tile photographed six times) are
not independent, so groups are counted, not parts.

Two rates make three bands: `ok` up to the threshold of the false-reject target, `ng` above the threshold of a
stricter rate, `review` between, which is rejected like `ng` and worth a person's look.

Sources: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005) for split conformal
p-values; Lee, Barber, Willett, Distribution-free inference with hierarchical data (2023) for groups;
Vovk, Conditional validity of inductive conformal predictors (2012) for what one threshold may realise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

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


NG_PART = 5
"""By default a good part lands in `ng` at a fifth of the false-reject target: 1 % at 5 %."""
CONFIDENCE = 0.95

Band = Literal["ok", "review", "ng"]


class Calibration(BaseModel):
    """Scores of held-out good parts through one engine, ascending, with the weight of each (1 / its group's size)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: tuple[float, ...] = Field(min_length=1)
    weights: tuple[float, ...] = Field(min_length=1)
    groups: int = Field(ge=1)
    target_frr: float = Field(gt=0, lt=1, description="false-reject rate that the threshold keeps, on average")
    threshold: float = Field(description="a score above it is an anomaly")
    ng_frr: float = Field(gt=0, lt=1, description="rate of good parts in the ng band, kept on average")
    ng_threshold: float = Field(description="a score above it is in the ng band; between the two lies review")

    @model_validator(mode="after")
    def _in_order(self) -> Calibration:
        if not (self.ng_frr <= self.target_frr and self.ng_threshold >= self.threshold):
            raise ValueError("the ng band begins below the threshold")
        return self

    def band(self, score: float) -> Band:
        """Raises ValueError for a score that is not a number: doubt is no band."""
        if math.isnan(score):
            raise ValueError("the score is not a number")
        return "ok" if score <= self.threshold else "review" if score <= self.ng_threshold else "ng"

    @property
    def frr_bound(self) -> float:
        """What the false-reject rate of this very threshold stays below with 95 % confidence."""
        return realised_bound(self.groups, self.target_frr)

    def p_value(self, score: float) -> float:
        """Chance that a good part scores at least this high, by its rank among the calibration parts."""
        above = sum(w for s, w in zip(self.scores, self.weights, strict=True) if s >= score)
        return (above + 1) / (self.groups + 1)

    def relative(self, score: float) -> float:
        """The score on the scale that all engines share: -1 for the median good part, 0 at the threshold.

        Unlike a p-value it still ranks parts that lie above every held-out one.
        """
        return (score - self.threshold) / self.spread

    @property
    def spread(self) -> float:
        """From the median good part's score to the threshold."""
        return max(self.threshold - self.scores[len(self.scores) // 2], 1e-6)

    def wire_score(self, score: float) -> int:
        """0..1000 for register 6: 250 for the median good part, 500 at the threshold, above it exactly if rejected."""
        scaled = round(500 + 250 * self.relative(score))
        return min(max(scaled, 501), 1000) if score > self.threshold else min(max(scaled, 0), 500)


def smallest_frr(groups: int) -> float:
    """The smallest false-reject rate that this many independent good parts can guarantee: 1 / (n + 1)."""
    return 1 / (groups + 1)


def groups_needed(target_frr: float) -> int:
    """The least number of independent good parts for a guaranteed `target_frr`."""
    return math.ceil(1 / target_frr - 1 - 1e-9)


def default_ng_frr(target_frr: float, groups: int) -> float:
    """A fifth of the target, but no less than what `groups` can guarantee and no more than the target.

    With the fewest parts that allow the target the review band is empty.
    """
    return min(max(target_frr / NG_PART, smallest_frr(groups)), target_frr)


def realised_bound(groups: int, target_frr: float) -> float:
    """95 % upper bound of the rate that a threshold at `target_frr` from `groups` parts realises.

    The target is kept on average over sets of held-out parts; one set gives a rate of distribution
    Beta(k, n + 1 - k) with k = floor(target (n + 1)) (Vovk 2012), whose 95 % quantile this is. Exact for one part
    a group and continuous scores.
    """
    above = parts_above(groups, target_frr)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        # P(Beta(k, n + 1 - k) <= x) = P(Binomial(n, x) >= k)
        fewer = sum(
            math.exp(log_choose(groups, i) + i * math.log(middle) + (groups - i) * math.log1p(-middle))
            for i in range(above)
        )
        low, high = (middle, high) if 1 - fewer < CONFIDENCE else (low, middle)
    return high


def chance_of_rejects(groups: int, target_frr: float, rejected: int, parts: int) -> float:
    """Chance that at least `rejected` of `parts` new good parts are, if they are like the held-out ones.

    Beta-binomial: a rate drawn as in realised_bound, then that many parts. Both are counts of independent parts.
    """
    above = parts_above(groups, target_frr)
    below = groups + 1 - above
    chances = (
        math.exp(log_choose(parts, i) + log_beta(i + above, parts - i + below) - log_beta(above, below))
        for i in range(rejected, parts + 1)
    )
    return min(1.0, sum(chances))


def parts_above(groups: int, rate: float) -> int:
    """k: how many of n + 1 exchangeable parts a threshold at `rate` leaves above it."""
    return max(math.floor(rate * (groups + 1) + 1e-9), 1)


def log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def calibrate(
    scores: Sequence[float],
    target_frr: float,
    groups: Sequence[object] | None = None,
    *,
    ng_frr: float | None = None,
) -> Calibration:
    """Thresholds at `target_frr` and `ng_frr` (default_ng_frr unless given) from good parts' scores.

    A threshold is the smallest score t with sum_g share_g(s <= t) >= (1 - rate) (G + 1), where
    share_g is the share of group g's parts: the (1 - a) quantile of hierarchical split conformal. With
    one part a group it is the ceil((n + 1)(1 - a))-th smallest score. Raises UsageError with the number
    needed if there are too few groups to guarantee a rate, or the rates are not in order.
    """
    names: list[object] = list(groups) if groups is not None else list(range(len(scores)))
    if len(names) != len(scores) or not np.isfinite(np.asarray(scores, float)).all():
        raise UsageError("calibration needs one finite score and one group a part")
    sizes = Counter(names)
    check_enough(len(sizes), target_frr)
    strict = default_ng_frr(target_frr, len(sizes)) if ng_frr is None else ng_frr
    check_enough(len(sizes), strict)
    if strict > target_frr:
        raise UsageError(
            "the ng band cannot hold more good parts than are rejected at all",
            found=f"{strict:.2%} of good parts in ng, {target_frr:.2%} rejected",
            wanted="a rate for ng of at most the target",
        )
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    weights = [1 / sizes[names[i]] for i in order]
    ranked = [float(scores[i]) for i in order]
    reached = np.cumsum(weights)

    def threshold(rate: float) -> float:
        index = int(np.searchsorted(reached, (1 - rate) * (len(sizes) + 1) - 1e-9))
        return ranked[min(index, len(ranked) - 1)]

    return Calibration(
        scores=tuple(ranked),
        weights=tuple(weights),
        groups=len(sizes),
        target_frr=target_frr,
        threshold=threshold(target_frr),
        ng_frr=strict,
        ng_threshold=threshold(strict),
    )


def check_enough(groups: int, target_frr: float) -> None:
    """Raises UsageError with the number needed if so few independent good parts cannot guarantee the rate."""
    needed = groups_needed(target_frr)
    if groups < needed:
        raise UsageError(
            f"too few good parts to guarantee a false-reject rate of {target_frr:.2%}",
            found=f"{groups} independent good parts (groups)",
            wanted=f"at least {needed}",
            next_step=f"add good parts, or ask for a rate of {smallest_frr(max(groups, 1)):.2%} or more",
        )
