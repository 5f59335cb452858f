"""Figures along the ROC and precision-recall curves. Pure; knows no file, no map and no detector.

Every figure here takes its threshold from the test parts' labels: an oracle, good for comparing detectors, and nothing
that a line without known defects could have. Parts of equal score are accepted or rejected together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from radar_edge.evaluation.metrics import Figure, Flags, Scores, Values, Weights, ratio

SLACK = 1e-9
"""Shares are sums of floats: 0.05 of 20 parts is one part."""


class Cuts(NamedTuple):
    """`[D, L + 1]`, thresholds falling from above every score to below every score."""

    false: Weights
    """Good parts above the threshold."""
    hits: Weights
    """Defective parts above it."""

    @property
    def good(self) -> Values:
        return self.false[:, -1]

    @property
    def bad(self) -> Values:
        return self.hits[:, -1]


def along_cuts(scores: Scores, anomalous: Flags, figure: Callable[[Cuts], Values]) -> Figure:
    """`figure` as a Figure; NaN where a draw lacks one of the two classes."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) < 0]) if len(scores) else np.zeros(0, int)
    is_bad = anomalous[order]

    def of_draws(weights: Weights) -> Values:
        ranked = weights[:, order]
        bad, good = (np.add.reduceat(ranked * side, starts, axis=1) for side in (is_bad, ~is_bad))
        false, hits = (np.pad(np.cumsum(side, axis=1), ((0, 0), (1, 0))) for side in (good, bad))
        defined = (false[:, -1] > 0) & (hits[:, -1] > 0)
        values = np.full(len(weights), np.nan)
        if defined.any():
            values[defined] = figure(Cuts(false[defined], hits[defined]))
        return values

    return of_draws


def aupr_figure(scores: Scores, anomalous: Flags) -> Figure:
    """Average precision: the precision at each cut, weighted by how much recall it adds.

    Straight lines between the cuts would flatter (Davis and Goadrich, ICML 2006).
    """

    def area(cuts: Cuts) -> Values:
        hits = cuts.hits[:, 1:]
        rejected = hits + cuts.false[:, 1:]
        precision = np.divide(hits, rejected, out=np.zeros_like(hits), where=rejected > 0)
        return ratio((np.diff(cuts.hits, axis=1) * precision).sum(axis=1), cuts.bad)

    return along_cuts(scores, anomalous, area)


def f1_max_figure(scores: Scores, anomalous: Flags) -> Figure:
    """The harmonic mean of precision and recall at the threshold where it is highest."""

    def best(cuts: Cuts) -> Values:
        f1 = 2 * cuts.hits / (cuts.hits + cuts.false + cuts.bad[:, None])
        return f1.max(axis=1)  # type: ignore[no-any-return]

    return along_cuts(scores, anomalous, best)


def frr_at_escape_figure(scores: Scores, anomalous: Flags, escape: float) -> Figure:
    """The least share of good parts rejected by any threshold that lets at most `escape` of the defects pass."""

    def least(cuts: Cuts) -> Values:
        escaped = 1 - cuts.hits / cuts.bad[:, None]
        first = (escaped <= escape + SLACK).argmax(axis=1)
        return ratio(np.take_along_axis(cuts.false, first[:, None], axis=1)[:, 0], cuts.good)

    return along_cuts(scores, anomalous, least)


def escape_at_frr_figure(scores: Scores, anomalous: Flags, frr: float) -> Figure:
    """The least share of defects let pass by any threshold that rejects at most `frr` of the good parts."""

    def least(cuts: Cuts) -> Values:
        within = (cuts.false / cuts.good[:, None] <= frr + SLACK).sum(axis=1) - 1
        return 1 - ratio(np.take_along_axis(cuts.hits, within[:, None], axis=1)[:, 0], cuts.bad)

    return along_cuts(scores, anomalous, least)
