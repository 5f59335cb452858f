"""Figures of scores, with bootstrap intervals over groups. Pure; knows no file, no map and no detector.

Every figure is a function of weights: how often each part was drawn. Weights `[D, N]` of D draws over N parts give D
values at once, so that a bootstrap is one matrix product and not D evaluations; a weight of one each is the figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.float64]
"""`[D, N]`: how often each of N parts counts in each of D draws."""
Values = npt.NDArray[np.float64]
"""`[D]`, NaN where a draw does not define the figure."""
Figure = Callable[[Weights], Values]
Interval = tuple[float, float]

BOOTSTRAP_DRAWS = 1000
CONFIDENCE = 0.95


def auroc(scores: Scores, anomalous: Flags) -> float | None:
    """Area under the ROC curve; None where one of the two classes is absent."""
    return once(auroc_figure(scores, anomalous), len(scores))


def auroc_figure(scores: Scores, anomalous: Flags) -> Figure:
    """The chance that a defective part scores above a good one, ties counting half (the Mann-Whitney statistic)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0]) if len(scores) else np.zeros(0, int)
    is_bad = anomalous[order]

    def figure(weights: Weights) -> Values:
        ranked = weights[:, order]
        bad, good = (np.add.reduceat(ranked * side, starts, axis=1) for side in (is_bad, ~is_bad))
        below = np.cumsum(good, axis=1) - good / 2
        return ratio((bad * below).sum(axis=1), bad.sum(axis=1) * good.sum(axis=1))

    return figure


def reject_rate(scores: Scores, threshold: float) -> float | None:
    """Share of scores above the threshold; None without any."""
    return once(rate_figure(scores > threshold), len(scores))


def rate_figure(flags: Flags) -> Figure:
    """The share of parts whose flag is set."""
    return lambda weights: ratio(weights @ flags.astype(float), weights.sum(axis=1))


def ratio(part: Values, whole: Values) -> Values:
    """NaN where the whole is nothing."""
    shares: Values = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares


def once(figure: Figure, parts: int) -> float | None:
    """The figure of all parts, each counted once; None where it is not defined."""
    if parts == 0:
        return None
    value = float(figure(np.ones((1, parts)))[0])
    return None if np.isnan(value) else value


def bootstrap(
    figure: Figure,
    groups: Sequence[str],
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Percentile interval of the figure, 95 % unless said, when whole groups are drawn with replacement.

    Parts of one group are not independent: drawing parts would make the interval too narrow (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8). None if fewer than half of the draws define it.
    """
    return interval_of(resampled(figure, groups, draws=draws, seed=seed), confidence)


def resampled(figure: Figure, groups: Sequence[str], *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0) -> Values:
    """The figure of every draw of groups. The same groups and seed give the same draws, whatever the figure."""
    return figure(drawn(tuple(groups), draws, seed))


@lru_cache(maxsize=8)
def drawn(groups: tuple[str, ...], draws: int, seed: int) -> Weights:
    """How often each part counts in each draw; read-only, because an evaluation asks hundreds of figures of it."""
    names, inverse = np.unique(np.asarray(groups), return_inverse=True)
    often = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    weights = often[:, inverse].astype(np.float64)
    weights.setflags(write=False)
    return weights


def interval_of(values: Values, confidence: float = CONFIDENCE) -> Interval | None:
    """Where the middle of the draws lies, 95 % unless said; None if fewer than half of them define the figure."""
    defined = values[~np.isnan(values)]
    if len(defined) < len(values) // 2:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def rate_interval(flags: Flags, groups: Sequence[str]) -> Interval | None:
    """95 % interval of a share: by bootstrap, or exact where all flags agree and a bootstrap would show no width.

    None of G independent parts flagged leaves rates up to 1 - (0.05 / 2)^(1 / G) plausible (Clopper and Pearson,
    Biometrika 1934).
    """
    if not len(flags):
        return None
    if flags.any() and not flags.all():
        return bootstrap(rate_figure(flags), groups)
    reach = 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(set(groups)))
    return (1 - reach, 1.0) if flags.all() else (0.0, reach)
