"""Two detectors on the same parts: what differs, by how much, and which parts changed sides. Knows no run or bundle.

Paired: every bootstrap draw takes the same groups for both, so what makes a part hard for both cancels out, and the
interval of the difference is far narrower than two intervals side by side would suggest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radar_edge.data.dataset import load_mask
from radar_edge.errors import UsageError
from radar_edge.evaluation.evaluate import Judged, groups, sees
from radar_edge.evaluation.measure import MASK_SIDE, OVERLAP_LIMITS, named
from radar_edge.evaluation.metrics import Figure, Flags, Weights, auroc_figure, bootstrap, once, rate_figure
from radar_edge.evaluation.overlap import aupro_figure, overlap_table
from radar_edge.modality import Subset

FIGURES = ("image_auroc", "image_auroc_any", "aupro_030", "frr_at_threshold", "escape_at_threshold")
FURTHEST = 12
"""Parts in the list of those on which the two differ most."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One part as A and as B judged it."""

    a: Judged
    b: Judged

    @property
    def is_good(self) -> bool:
        return self.a.sample.is_good

    def rejected(self, thresholds: tuple[float, float]) -> tuple[bool, bool]:
        return self.a.score > thresholds[0], self.b.score > thresholds[1]


def common_subsets(a: Sequence[Subset], b: Sequence[Subset]) -> tuple[Subset, ...]:
    """Raises UsageError if no Subset is judged by both."""
    found = tuple(subset for subset in a if subset in b)
    if not found:
        raise UsageError(
            "the two have no subset of modalities in common",
            found=f"{', '.join(s.slug for s in a)} and {', '.join(s.slug for s in b)}",
            next_step="compare detectors of the same modalities",
        )
    return found


def pairs_of(a: Sequence[Judged], b: Sequence[Judged]) -> list[Pair]:
    """The parts that both judged, in A's order."""
    of_b = {part.sample.key: part for part in b}
    return [Pair(part, of_b[part.sample.key]) for part in a if part.sample.key in of_b]


def compare(
    a: Mapping[Subset, Sequence[Judged]],
    b: Mapping[Subset, Sequence[Judged]],
    thresholds_a: Mapping[Subset, float],
    thresholds_b: Mapping[Subset, float],
) -> dict[str, Any]:
    """`subsets.<slug>`: for each of FIGURES `a`, `b` and `difference` (B - A, `difference_ci`), and `sides`.

    `better` names a figure's better one where the interval of the difference leaves out 0. `sides`: parts right at
    A's threshold and wrong at B's (`lost`), and the other way round (`won`); each {part, scores and visible_in}.
    `furthest`: the parts whose distance to the threshold differs most, whichever side they are on.
    """
    subsets = {}
    for subset in common_subsets(tuple(a), tuple(b)):
        limits = thresholds_a[subset], thresholds_b[subset]
        pairs = pairs_of(a[subset], b[subset])
        counted = fair(subset, pairs)
        subsets[subset.slug] = {
            "parts": len(pairs),
            "groups": len(set(groups([pair.a for pair in pairs]))),
            "thresholds": list(limits),
            "image_auroc": separation(counted),
            "image_auroc_any": separation(pairs),
            "aupro_030": coverage(subset, counted),
            "frr_at_threshold": share([p for p in counted if p.is_good], limits, rejected=True),
            "escape_at_threshold": share([p for p in counted if not p.is_good], limits, rejected=False),
            "sides": {side: [about(pair) for pair in found] for side, found in sides(counted, limits).items()},
            "furthest": [about(pair) for pair in furthest(counted, limits)],
        }
    return {"subsets": subsets}


def fair(subset: Subset, pairs: Sequence[Pair]) -> list[Pair]:
    """Without the defects that no camera of the subset shows."""
    return [pair for pair in pairs if pair.is_good or sees(subset, pair.a.sample)]


def separation(pairs: Sequence[Pair]) -> dict[str, Any]:
    bad = np.array([not pair.is_good for pair in pairs], bool)
    figures = [auroc_figure(np.array([getattr(pair, side).score for pair in pairs]), bad) for side in ("a", "b")]
    return difference(figures[0], figures[1], pairs, lower_is_better=False)


def coverage(subset: Subset, pairs: Sequence[Pair]) -> dict[str, Any]:
    """AUPRO of the parts that are good or have a mask."""
    usable = [p for p in pairs if p.is_good or p.a.sample.mask is not None or p.a.sample.masks]
    masks = [load_mask(pair.a.sample, subset, MASK_SIDE, MASK_SIDE) for pair in usable]
    if not any(mask.any() for mask in masks):
        return {"a": None, "b": None, **named("difference", None, None), "better": None}
    tables = [overlap_table([getattr(pair, side).heat for pair in usable], masks) for side in ("a", "b")]
    figures = [aupro_figure(table, OVERLAP_LIMITS["aupro_030"]) for table in tables]
    return difference(figures[0], figures[1], usable, lower_is_better=False)


def share(pairs: Sequence[Pair], limits: tuple[float, float], *, rejected: bool) -> dict[str, Any]:
    """Of the pairs whose parts are rejected, or not."""
    flags: Flags = np.array([pair.rejected(limits) for pair in pairs], bool).reshape(-1, 2) == rejected
    return difference(rate_figure(flags[:, 0]), rate_figure(flags[:, 1]), pairs, lower_is_better=True)


def difference(a: Figure, b: Figure, pairs: Sequence[Pair], *, lower_is_better: bool) -> dict[str, Any]:
    def gap(weights: Weights) -> Weights:
        return b(weights) - a(weights)

    value = once(gap, len(pairs))
    interval = None if value is None else bootstrap(gap, groups([pair.a for pair in pairs]))
    better = None
    if interval is not None and (interval[0] > 0 or interval[1] < 0):
        better = "b" if (interval[0] > 0) is not lower_is_better else "a"
    return {
        "a": once(a, len(pairs)),
        "b": once(b, len(pairs)),
        **named("difference", value, interval),
        "better": better,
    }


def sides(pairs: Sequence[Pair], limits: tuple[float, float]) -> dict[str, list[Pair]]:
    """The parts that changed sides, those that moved furthest first: `won` by B, and `lost`."""
    found: dict[str, list[Pair]] = {"won": [], "lost": []}
    for pair in sorted(pairs, key=lambda pair: -abs(margin(pair, limits))):
        before, after = (flag != pair.is_good for flag in pair.rejected(limits))
        if before != after:
            found["won" if after else "lost"].append(pair)
    return found


def furthest(pairs: Sequence[Pair], limits: tuple[float, float]) -> list[Pair]:
    """Those that moved furthest first, at most FURTHEST."""
    return sorted(pairs, key=lambda pair: -abs(margin(pair, limits)))[:FURTHEST]


def margin(pair: Pair, limits: tuple[float, float]) -> float:
    return (pair.b.score - limits[1]) - (pair.a.score - limits[0])


def about(pair: Pair) -> dict[str, Any]:
    sample = pair.a.sample
    return {
        "part": sample.key,
        "good": sample.is_good,
        "visible_in": None if sample.visible_in is None else sample.visible_in.slug,
        "scores": [pair.a.score, pair.b.score],
    }
