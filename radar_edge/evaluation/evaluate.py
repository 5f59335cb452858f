"""Any Runner on any Subset: scores of the test parts, and what they are worth. Runners arrive as arguments.

`image_auroc` asks a Subset only for what it can see: a defect that none of its modalities shows counts neither as
good nor as defective. `image_auroc_any` counts every defective part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from radar_edge.data.dataset import load_mask, read_input
from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError
from radar_edge.evaluation.metrics import (
    MAP_SIDE,
    Figure,
    Flags,
    Interval,
    aupro_figure,
    auroc_figure,
    bootstrap,
    once,
    overlap_table,
    rate_figure,
    rate_interval,
)
from radar_edge.inference.runner import Runner, Tensor
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import image_score

MASK_SIDE = 4 * MAP_SIDE
"""Masks are read finer than maps, so that a thin defect keeps its true area."""
OVERLAP_LIMITS = {"aupro_030": 0.30, "aupro_005": 0.05}

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, steps done, and steps in all."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One part through one engine. `heat` is its map at MAP_SIDE, logits."""

    sample: Sample
    score: float
    heat: Tensor
    contribution: Tensor | None
    """`[M, h, w]`, or None with one modality."""


def can_judge(subset: Subset, sample: Sample) -> bool:
    return all(name in sample.paths for name in subset)


def sees(subset: Subset, sample: Sample) -> bool:
    """Whether a defective part's defect shows in any modality of the Subset; unknown counts as seen."""
    return sample.visible_in is None or any(name in sample.visible_in for name in subset)


def judge(
    runners: Mapping[Subset, Runner],
    samples: Sequence[Sample],
    preprocess: Preprocess,
    progress: Progress = lambda *_: None,
    stage: str = "judge test parts",
) -> dict[Subset, list[Judged]]:
    """Every sample through every engine that can judge it; each image is read once.

    Raises DatasetError naming a file that cannot be read or is of another kind than the engines were trained with.
    """
    judged: dict[Subset, list[Judged]] = {subset: [] for subset in runners}
    needed = {name: spec for name, spec in preprocess.modalities.items() if any(name in subset for subset in runners)}
    for done, sample in enumerate(samples, 1):
        inputs = {
            name: read_input(sample.paths[name], needed[name], name)[None] for name in needed if name in sample.paths
        }
        for subset, runner in runners.items():
            if can_judge(subset, sample):
                judged[subset].append(judge_one(runner, sample, {name: inputs[name] for name in subset}))
        progress(stage, done, len(samples))
    return judged


def judge_one(runner: Runner, sample: Sample, inputs: Mapping[str, Tensor]) -> Judged:
    inference = runner.infer(inputs)
    heat = cv2.resize(inference.anomaly_map[0, 0], (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA)
    contribution = None if inference.contribution is None else inference.contribution[0]
    return Judged(sample, image_score(inference.anomaly_map), np.asarray(heat, np.float32), contribution)


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
    anomalous = np.array([not part.sample.is_good for part in parts])
    visible = np.array([sees(subset, part.sample) for part in parts]) & anomalous
    chosen = parts_where(parts, ~anomalous | visible)
    return {
        "threshold": threshold,
        "good": int((~anomalous).sum()),
        "defects": int(visible.sum()),
        "defects_any": int(anomalous.sum()),
        **separation("image_auroc", chosen),
        **separation("image_auroc_any", parts),
        **rate("frr_at_threshold", parts_where(parts, ~anomalous), lambda score: score > threshold),
        **rate("escape_at_threshold", parts_where(parts, visible), lambda score: score <= threshold),
        **overlap(subset, chosen),
    }


def parts_where(parts: Sequence[Judged], flags: Flags) -> list[Judged]:
    return [part for part, flag in zip(parts, flags, strict=True) if flag]


def separation(name: str, parts: Sequence[Judged]) -> dict[str, Any]:
    """Image AUROC."""
    scores = np.array([part.score for part in parts])
    return measured(name, auroc_figure(scores, np.array([not part.sample.is_good for part in parts])), parts)


def rate(name: str, parts: Sequence[Judged], counts: Callable[[float], bool]) -> dict[str, Any]:
    """Share of the parts whose score counts."""
    flags = np.array([counts(part.score) for part in parts], bool)
    return named(name, once(rate_figure(flags), len(parts)), rate_interval(flags, groups(parts)))


def overlap(subset: Subset, parts: Sequence[Judged]) -> dict[str, Any]:
    """AUPRO of the parts that are good or have a mask."""
    usable = [p for p in parts if p.sample.is_good or p.sample.mask is not None or p.sample.masks]
    masks = [load_mask(part.sample, subset, MASK_SIDE, MASK_SIDE) for part in usable]
    if not any(mask.any() for mask in masks):
        return {key: None for name in OVERLAP_LIMITS for key in named(name, None, None)}
    table = overlap_table([part.heat for part in usable], masks)
    result: dict[str, Any] = {}
    for name, limit in OVERLAP_LIMITS.items():
        result |= measured(name, aupro_figure(table, limit), usable)
    return result


def measured(name: str, figure: Figure, parts: Sequence[Judged]) -> dict[str, Any]:
    value = once(figure, len(parts))
    return named(name, value, None if value is None else bootstrap(figure, groups(parts)))


def named(name: str, value: float | None, interval: Interval | None) -> dict[str, Any]:
    return {name: value, f"{name}_ci": interval}


def groups(parts: Sequence[Judged]) -> list[str]:
    return [part.sample.group for part in parts]
