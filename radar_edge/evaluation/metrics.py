"""Metrics of scores and maps, with bootstrap intervals over groups. Pure; knows no file and no detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score, roc_curve

Scores = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BOOTSTRAP_DRAWS = 500
MAP_SIDE = 64
"""Maps are compared at this side: a quarter of the usual input, which is the network's own resolution."""


def auroc(scores: Scores, anomalous: Flags) -> float | None:
    """Area under the ROC curve; None where one of the two classes is absent."""
    if anomalous.all() or not anomalous.any():
        return None
    return float(roc_auc_score(anomalous, scores))


def reject_rate(scores: Scores, threshold: float) -> float | None:
    """Share of scores above the threshold; None without any."""
    return float((scores > threshold).mean()) if len(scores) else None


def bootstrap(
    statistic: Callable[[npt.NDArray[np.intp]], float | None],
    groups: Sequence[str],
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> tuple[float, float] | None:
    """95 % percentile interval of `statistic(indices)` when whole groups are drawn with replacement.

    Parts of one group are not independent: drawing parts would make the interval too narrow (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8).
    """
    names, inverse = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(inverse == g) for g in range(len(names))]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([members[g] for g in rng.integers(0, len(names), len(names))])
        value = statistic(drawn)
        if value is not None:
            values.append(value)
    if len(values) < draws // 2:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def aupro(maps: Sequence[npt.NDArray[np.float32]], masks: Sequence[Flags], fpr_limit: float) -> float | None:
    """Area under the per-region-overlap curve up to `fpr_limit`, divided by it; None without a defect region.

    The overlap of each connected region of the masks counts alike, whatever its size. Source: Bergmann et al.,
    The MVTec Anomaly Detection Dataset, IJCV 2021, section 5.
    """
    normal: list[npt.NDArray[np.float32]] = []
    regions: list[npt.NDArray[np.float32]] = []
    for one, mask in zip(maps, masks, strict=True):
        normal.append(one[~mask])
        count, labels = cv2.connectedComponents(mask.astype(np.uint8))
        regions += [one[labels == label] for label in range(1, count)]
    if not regions:
        return None
    flat = np.concatenate(normal)
    # Weighted by 1 / (its region's size), the mean overlap is the "true positive rate" of an ordinary ROC curve.
    values = np.concatenate([flat, *regions])
    truth = np.repeat([False, True], [len(flat), len(values) - len(flat)])
    weights = np.concatenate([np.ones(len(flat)), *[np.full(len(r), 1 / len(r)) for r in regions]])
    fpr, pro, _ = roc_curve(truth, values, sample_weight=weights, drop_intermediate=True)
    inside = fpr < fpr_limit
    x = np.append(fpr[inside], fpr_limit)
    y = np.append(pro[inside], np.interp(fpr_limit, fpr, pro))
    return float(np.trapezoid(y, x) / fpr_limit)
