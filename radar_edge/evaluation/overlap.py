"""Figures of anomaly maps against masks: region overlap and pixel AUROC. Pure; knows no file and no detector.

A map is reduced to how many of its pixels lie between levels, so that a bootstrap over maps is a matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def pixel_auroc_figure(table: OverlapTable) -> Figure:
    """The chance that a defective pixel is hotter than a normal one; pixels on a mask's edge count in part."""

    def figure(weights: Weights) -> Values:
        fpr, tpr = curve(weights @ table.normal), curve(weights @ table.defective)
        areas = ((fpr[:, 1:] - fpr[:, :-1]) * (tpr[:, 1:] + tpr[:, :-1])).sum(axis=1) / 2
        return np.where((weights @ table.regions > 0) & (fpr[:, -1] > 0), areas, np.nan)

    return figure
