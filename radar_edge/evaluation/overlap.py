"""Figures of anomaly maps against masks: region overlap and pixel AUROC. Pure; knows no file and no detector.

A map is reduced to how many of its pixels lie between levels, so that a bootstrap over maps is a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.evaluation.metrics import Figure, Flags, Values, Weights, once

MAP_SIDE = 64
"""Maps are compared at this side: a quarter of the usual input, which is the network's own resolution."""
TINY = float(np.finfo(np.float64).tiny)
LEVELS = 1024
"""False-positive rates at which a region-overlap curve is known."""
DRAWS_AT_ONCE = 32
"""Draws whose curves are made together: a megabyte, which stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class OverlapTable:
    """Where the pixels of each map lie among the levels: enough for the region-overlap curve of any draw of maps."""

    normal: Weights
    """`[N, L]`: normal pixels of each map between two levels, highest level first."""
    overlap: Weights
    """`[N, L]`: shares of its regions, summed."""
    defective: Weights
    """`[N, L]`: defective pixels."""
    regions: Weights
    """`[N]`: regions of each map."""


def overlap_table(maps: Sequence[npt.NDArray[np.float32]], masks: Sequence[Flags]) -> OverlapTable:
    """`maps`: logits `[H, W]`, all of one size; `masks`: of the same view, of any size.

    A mask is brought to the map's size by area, so that a pixel may be partly defective: a scratch of one pixel in a
    large mask keeps its weight. Levels are those of the normal pixels, dense where few of them are exceeded.
    """
    shares = [region_shares(mask, one.shape) for one, mask in zip(maps, masks, strict=True)]
    defective = np.stack([np.minimum(share.sum(axis=0), 1).ravel() for share in shares])
    normal = 1 - defective
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

    regions = np.array([len(share) for share in shares], float)
    return OverlapTable(gather(normal), gather(per_region), gather(defective), regions)


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
        areas = [area_up_to(x, y, fpr_limit) for x, y in curves(weights, table.normal, table.overlap)]
        return np.where(weights @ table.regions > 0, areas, np.nan)

    return figure


def curves(weights: Weights, *counts: Weights) -> Iterator[tuple[Values, ...]]:
    """Of each draw the curves of each of `counts` `[N, L]`."""
    drawn = [weights @ one for one in counts]
    for first in range(0, len(weights), DRAWS_AT_ONCE):
        yield from zip(*(curve(one[first : first + DRAWS_AT_ONCE]) for one in drawn), strict=True)


def curve(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`[D, L]` -> `[D, L + 1]`: running share from 0 to 1; 0 throughout where nothing is counted."""
    shares = np.zeros((len(counts), counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=shares[:, 1:])
    shares /= np.maximum(shares[:, -1:], TINY)
    return shares


def area_up_to(x: Values, y: Values, limit: float) -> float:
    """Area under the polyline from 0 to `limit`, divided by `limit`. `x` ascends from 0."""
    inside = int(x.searchsorted(limit))
    steps, heights = np.empty(inside), np.empty(inside)
    np.subtract(x[1:inside], x[: inside - 1], out=steps[:-1])
    np.add(y[1:inside], y[: inside - 1], out=heights[:-1])
    steps[-1] = limit - x[inside - 1]
    heights[-1] = np.interp(limit, x, y) + y[inside - 1]
    steps *= heights
    steps /= 2
    return float(steps.sum() / limit)


def pixel_auroc_figure(table: OverlapTable) -> Figure:
    """The chance that a defective pixel is hotter than a normal one; pixels on a mask's edge count in part."""

    def figure(weights: Weights) -> Values:
        areas = [
            (np.diff(fpr) * (tpr[1:] + tpr[:-1])).sum() / 2 if fpr[-1] > 0 else np.nan
            for fpr, tpr in curves(weights, table.normal, table.defective)
        ]
        return np.where(weights @ table.regions > 0, areas, np.nan)

    return figure
