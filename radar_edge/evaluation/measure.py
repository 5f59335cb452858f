"""What the scores and maps of judged parts are worth: every figure of every Subset, with its interval over groups.

`image_auroc` asks a Subset only for what it can see: a defect that none of its modalities shows counts neither as
good nor as defective. `image_auroc_any` counts every defective part. Figures whose names begin with `oracle_` and
`image_f1_max` take their threshold from the test parts' labels. Knows no Runner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from radar_edge.data.dataset import load_mask
from radar_edge.errors import DatasetError
from radar_edge.evaluation.evaluate import Judged, Progress, groups, sees
from radar_edge.evaluation.metrics import (
    Figure,
    Flags,
    Interval,
    Scores,
    auroc_figure,
    bootstrap,
    once,
    rate_figure,
    rate_interval,
)
from radar_edge.evaluation.operating import aupr_figure, escape_at_frr_figure, f1_max_figure, frr_at_escape_figure
from radar_edge.evaluation.overlap import MAP_SIDE, aupro_figure, overlap_table, pixel_auroc_figure
from radar_edge.modality import Subset

MASK_SIDE = 4 * MAP_SIDE
"""Masks are read finer than maps, so that a thin defect keeps its true area."""
OVERLAP_LIMITS = {"aupro_030": 0.30, "aupro_005": 0.05}
ESCAPES = {"0": 0.0, "1": 0.01, "5": 0.05}
FRRS = {"0": 0.0, "01": 0.001, "1": 0.01}
CLASSES = "class"
"""The stratum that every set has: each class of defects against all good parts."""
MOST_VALUES = 20
"""A column of samples.csv with more values names parts or frames, and divides nothing."""


def metrics_of(
    judged: Mapping[Subset, Sequence[Judged]], thresholds: Mapping[Subset, float], progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """`subsets.<slug>` with each figure and its `_ci` (95 %). Figures that the parts do not define are None.

    Raises DatasetError without good or without defective parts.
    """
    subsets = {}
    for done, (subset, parts) in enumerate(judged.items(), 1):
        goods = [part for part in parts if part.sample.is_good]
        if not goods or len(goods) == len(parts):
            raise DatasetError(
                f"the test parts cannot measure {subset}",
                found=f"{len(goods)} good and {len(parts) - len(goods)} defective parts with {' and '.join(subset)}",
                wanted="at least one of each in test/",
            )
        subsets[subset.slug] = subset_metrics(subset, parts, thresholds[subset])
        progress("measure", done, len(judged))
    return {"subsets": subsets}


def subset_metrics(subset: Subset, parts: Sequence[Judged], threshold: float) -> dict[str, Any]:
    asked = asked_of(subset, parts)
    return {
        **counts(subset, parts, threshold),
        "groups": len(set(groups(parts))),
        **separation("image_auroc", asked),
        **separation("image_auroc_any", parts),
        **curves(asked),
        **rates(asked, threshold),
        **overlap(subset, asked),
        "strata": strata(subset, parts, threshold),
    }


def asked_of(subset: Subset, parts: Sequence[Judged]) -> list[Judged]:
    """The good parts, and the defective ones that the Subset can see."""
    return [part for part in parts if part.sample.is_good or sees(subset, part.sample)]


def counts(subset: Subset, parts: Sequence[Judged], threshold: float) -> dict[str, Any]:
    bad = [part for part in parts if not part.sample.is_good]
    return {
        "threshold": threshold,
        "good": len(parts) - len(bad),
        "defects": sum(sees(subset, part.sample) for part in bad),
        "defects_any": len(bad),
    }


def separation(name: str, parts: Sequence[Judged]) -> dict[str, Any]:
    """Image AUROC."""
    return measured(name, auroc_figure(*scores_and_labels(parts)), parts)


def curves(parts: Sequence[Judged]) -> dict[str, Any]:
    """What is read off the ROC and precision-recall curves."""
    known = scores_and_labels(parts)
    figures = {"image_aupr": aupr_figure(*known), "image_f1_max": f1_max_figure(*known)}
    figures |= {f"oracle_frr_at_escape_{key}": frr_at_escape_figure(*known, share) for key, share in ESCAPES.items()}
    figures |= {f"oracle_escape_at_frr_{key}": escape_at_frr_figure(*known, share) for key, share in FRRS.items()}
    found: dict[str, Any] = {}
    for name, figure in figures.items():
        found |= measured(name, figure, parts)
    return found


def scores_and_labels(parts: Sequence[Judged]) -> tuple[Scores, Flags]:
    scores = np.array([part.score for part in parts], np.float64)
    return scores, np.array([not part.sample.is_good for part in parts], bool)


def rates(parts: Sequence[Judged], threshold: float) -> dict[str, Any]:
    """What the shipped threshold does, to good parts and to defects that can be seen."""
    goods = [part for part in parts if part.sample.is_good]
    bads = [part for part in parts if not part.sample.is_good]
    return {
        **rate("frr_at_threshold", goods, lambda score: score > threshold),
        **rate("escape_at_threshold", bads, lambda score: score <= threshold),
    }


def rate(name: str, parts: Sequence[Judged], counts: Callable[[float], bool]) -> dict[str, Any]:
    """Share of the parts whose score counts."""
    flags = np.array([counts(part.score) for part in parts], bool)
    return named(name, once(rate_figure(flags), len(parts)), rate_interval(flags, groups(parts)))


def overlap(subset: Subset, parts: Sequence[Judged]) -> dict[str, Any]:
    """AUPRO and pixel AUROC of the parts that are good or have a mask."""
    usable = [p for p in parts if p.sample.is_good or p.sample.mask is not None or p.sample.masks]
    masks = [load_mask(part.sample, subset, MASK_SIDE, MASK_SIDE) for part in usable]
    if not any(mask.any() for mask in masks):
        return {key: None for name in ("pixel_auroc", *OVERLAP_LIMITS) for key in named(name, None, None)}
    table = overlap_table([part.heat for part in usable], masks)
    result = measured("pixel_auroc", pixel_auroc_figure(table), usable)
    for name, limit in OVERLAP_LIMITS.items():
        result |= measured(name, aupro_figure(table, limit), usable)
    return result


def strata(subset: Subset, parts: Sequence[Judged], threshold: float) -> dict[str, dict[str, Any]]:
    """`{column: {value: figures}}` for each class of defects, and for each column of samples.csv that divides parts."""
    asked = asked_of(subset, parts)
    goods = [part for part in asked if part.sample.is_good]
    classes = sorted({part.sample.cls for part in asked if not part.sample.is_good})
    divided = {CLASSES: {cls: [*goods, *(part for part in asked if part.sample.cls == cls)] for cls in classes}}
    for column in sorted({column for part in asked for column in part.sample.strata}):
        values = sorted({part.sample.strata.get(column, "") for part in asked})
        if 1 < len(values) <= MOST_VALUES:
            divided[column] = {v: [p for p in asked if p.sample.strata.get(column, "") == v] for v in values}
    return {
        column: {value: stratum(subset, found, threshold) for value, found in division.items()}
        for column, division in divided.items()
    }


def stratum(subset: Subset, parts: Sequence[Judged], threshold: float) -> dict[str, Any]:
    return {**counts(subset, parts, threshold), **separation("image_auroc", parts), **rates(parts, threshold)}


def measured(name: str, figure: Figure, parts: Sequence[Judged]) -> dict[str, Any]:
    value = once(figure, len(parts))
    return named(name, value, None if value is None else bootstrap(figure, groups(parts)))


def named(name: str, value: float | None, interval: Interval | None) -> dict[str, Any]:
    return {name: value, f"{name}_ci": interval}
