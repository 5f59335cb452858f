"""Metrics of scores and maps, with bootstrap intervals over groups. Pure; knows no file and no detector.

Every figure is a function of weights: how often each part was drawn. Weights `[D, N]` of D draws over N parts give D
values at once, so that a bootstrap is one matrix product and not D evaluations; a weight of one each is the figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
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
MAP_SIDE = 64
"""Maps are compared at this side: a quarter of the usual input, which is the network's own resolution."""
TINY = float(np.finfo(np.float64).tiny)
LEVELS = 1024
"""False-positive rates at which a region-overlap curve is known."""


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


def bootstrap(figure: Figure, groups: Sequence[str], *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0) -> Interval | None:
    """95 % percentile interval of the figure when whole groups are drawn with replacement.

    Parts of one group are not independent: drawing parts would make the interval too narrow (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8). None if fewer than half of the draws define it.
    """
    names, inverse = np.unique(np.asarray(groups), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    values = figure(drawn[:, inverse].astype(np.float64))
    values = values[~np.isnan(values)]
    if len(values) < draws // 2:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
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


@dataclass(frozen=True, eq=False)
class OverlapTable:
    """Where the pixels of each map lie among the levels: enough for the region-overlap curve of any draw of maps."""

    normal: Weights
    """`[N, L]`: normal pixels of each map between two levels, highest level first."""
    overlap: Weights
    """`[N, L]`: shares of its regions, summed."""
    regions: Weights
    """`[N]`: regions of each map."""


def overlap_table(maps: Sequence[npt.NDArray[np.float32]], masks: Sequence[Flags]) -> OverlapTable:
    """`maps`: logits `[H, W]`, all of one size; `masks`: of the same view, of any size.

    A mask is brought to the map's size by area, so that a pixel may be partly defective: a scratch of one pixel in a
    large mask keeps its weight. Levels are those of the normal pixels, dense where few of them are exceeded.
    """
    shares = [region_shares(mask, one.shape) for one, mask in zip(maps, masks, strict=True)]
    normal = np.stack([np.maximum(1 - share.sum(axis=0), 0).ravel() for share in shares])
    per_region = np.stack(
        [(s / np.maximum(s.sum(axis=(1, 2), keepdims=True), TINY)).sum(axis=0).ravel() for s in shares]
    )
    pixels = np.stack([one.ravel() for one in maps])
    edges = levels(pixels[normal > 0])
    bins = len(edges) - np.searchsorted(edges, pixels, side="right")
    places = bins + np.arange(len(maps))[:, None] * (len(edges) + 1)

    def gather(weights: Weights) -> Weights:
        counted = np.bincount(places.ravel(), weights.ravel(), minlength=len(maps) * (len(edges) + 1))
        return counted.astype(np.float64).reshape(len(maps), -1)

    return OverlapTable(gather(normal), gather(per_region), np.array([len(share) for share in shares], float))


def region_shares(mask: Flags, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """`[R, H, W]`: how much of each pixel belongs to each connected region of the mask."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    shares = np.zeros((count - 1, *shape))
    for region in range(1, count):
        plane = (labels == region).astype(np.float32)
        shares[region - 1] = cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_AREA)
    return shares


def levels(normal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Ascending thresholds: the scores that LEVELS shares of normal pixels reach, and the next number above each.

    Both, because what lies between two normal scores raises the overlap without raising the false-positive rate.
    """
    reached = 1 - np.linspace(0, 1, LEVELS) ** 2
    chosen = np.quantile(normal, reached, method="nearest") if len(normal) else np.zeros(0, np.float32)
    return np.unique(np.concatenate([chosen, np.nextafter(chosen, np.float32(np.inf))]))


def aupro(maps: Sequence[npt.NDArray[np.float32]], masks: Sequence[Flags], fpr_limit: float) -> float | None:
    """Area under the per-region-overlap curve up to `fpr_limit`, divided by it; None without a defect region.

    The overlap of each connected region of the masks counts alike, whatever its size. Source: Bergmann et al.,
    The MVTec Anomaly Detection Dataset, IJCV 2021, section 5.
    """
    return once(aupro_figure(overlap_table(maps, masks), fpr_limit), len(maps)) if maps else None


def aupro_figure(table: OverlapTable, fpr_limit: float) -> Figure:
    """See aupro."""

    def figure(weights: Weights) -> Values:
        fpr = curve(weights @ table.normal)
        pro = curve(weights @ table.overlap)
        areas = [area_up_to(x, y, fpr_limit) for x, y in zip(fpr, pro, strict=True)]
        return np.where(weights @ table.regions > 0, areas, np.nan)

    return figure


def curve(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`[D, L]` -> `[D, L + 1]`: running share from 0 to 1; 0 throughout where nothing is counted."""
    summed = np.cumsum(np.pad(counts, ((0, 0), (1, 0))), axis=1)
    return summed / np.maximum(summed[:, -1:], TINY)


def area_up_to(x: Values, y: Values, limit: float) -> float:
    """Area under the polyline from 0 to `limit`, divided by `limit`. `x` ascends."""
    inside = int(np.searchsorted(x, limit))
    xs = np.append(x[:inside], limit)
    ys = np.append(y[:inside], np.interp(limit, x, y))
    return float((np.diff(xs) * (ys[1:] + ys[:-1]) / 2).sum() / limit)
