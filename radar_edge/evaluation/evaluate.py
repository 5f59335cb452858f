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
import numpy.typing as npt

from radar_edge.data.dataset import load_mask
from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError
from radar_edge.evaluation.metrics import MAP_SIDE, Flags, Scores, aupro, auroc, bootstrap, reject_rate
from radar_edge.inference.runner import Runner, Tensor
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess, read_image
from radar_edge.scoring import image_score

OVERLAP_DRAWS = 40
"""Fewer than for the other figures: every draw sorts every pixel."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Judged:
    """One part through one engine. `heat` is its map at MAP_SIDE, logits."""

    sample: Sample
    score: float
    heat: Tensor
    contribution: Tensor | None


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
) -> dict[Subset, list[Judged]]:
    """Every sample through every engine that can judge it; each image is read once."""
    judged: dict[Subset, list[Judged]] = {subset: [] for subset in runners}
    for done, sample in enumerate(samples, 1):
        inputs = preprocess({name: read_image(path) for name, path in sample.paths.items()})
        for subset, runner in runners.items():
            if not can_judge(subset, sample):
                continue
            inference = runner.infer({name: inputs[name] for name in subset})
            heat = cv2.resize(inference.anomaly_map[0, 0], (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA)
            score = image_score(inference.anomaly_map)
            judged[subset].append(Judged(sample, score, np.asarray(heat, np.float32), inference.contribution))
        progress("judge", done, len(samples))
    return judged


def metrics_of(
    judged: Mapping[Subset, Sequence[Judged]], thresholds: Mapping[Subset, float], progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """`subsets.<slug>` with each figure and its `_ci`. Raises DatasetError without good and defective parts."""
    subsets = {}
    for done, (subset, parts) in enumerate(judged.items(), 1):
        goods = [part for part in parts if part.sample.is_good]
        if not goods or len(goods) == len(parts):
            raise DatasetError(
                f"the test parts cannot measure {subset}",
                found=f"{len(goods)} good and {len(parts) - len(goods)} defective parts with {subset}",
                wanted="at least one of each in test/",
            )
        subsets[subset.slug] = subset_metrics(subset, parts, thresholds[subset])
        progress("metrics", done, len(judged))
    return {"subsets": subsets}


def subset_metrics(subset: Subset, parts: Sequence[Judged], threshold: float) -> dict[str, Any]:
    scores = np.array([part.score for part in parts])
    anomalous = np.array([not part.sample.is_good for part in parts])
    visible = np.array([part.sample.is_good or sees(subset, part.sample) for part in parts])
    groups = [part.sample.group for part in parts]
    figures = {
        "image_auroc": with_interval(auroc, scores, anomalous, groups, visible),
        "image_auroc_any": with_interval(auroc, scores, anomalous, groups, np.ones_like(visible)),
        "frr_at_threshold": with_interval(
            lambda s, _: reject_rate(s, threshold), scores, anomalous, groups, ~anomalous
        ),
        "escape_at_threshold": with_interval(
            lambda s, _: escape_rate(s, threshold), scores, anomalous, groups, anomalous & visible
        ),
    }
    result: dict[str, Any] = {"threshold": threshold, "good": int((~anomalous).sum()), "defects": int(anomalous.sum())}
    for name, (value, interval) in figures.items():
        result |= {name: value, f"{name}_ci": interval}
    return result | overlap(subset, [part for part, shown in zip(parts, visible, strict=True) if shown])


def escape_rate(scores: Scores, threshold: float) -> float | None:
    rejected = reject_rate(scores, threshold)
    return None if rejected is None else 1 - rejected


def with_interval(
    statistic: Callable[[Scores, Flags], float | None],
    scores: Scores,
    anomalous: Flags,
    groups: Sequence[str],
    keep: Flags,
) -> tuple[float | None, tuple[float, float] | None]:
    """The statistic of the kept parts, and its interval over their groups."""
    s, a, g = scores[keep], anomalous[keep], [group for group, kept in zip(groups, keep, strict=True) if kept]
    value = statistic(s, a)
    return value, None if value is None else bootstrap(lambda drawn: statistic(s[drawn], a[drawn]), g)


def overlap(subset: Subset, parts: Sequence[Judged]) -> dict[str, Any]:
    """AUPRO at 0.30 and 0.05 over the parts that are good or have a mask; None without masks."""
    usable = [p for p in parts if p.sample.is_good or p.sample.mask is not None or p.sample.masks]
    maps = [part.heat for part in usable]
    masks = [load_mask(part.sample, subset, MAP_SIDE, MAP_SIDE) for part in usable]
    groups = [part.sample.group for part in usable]
    result: dict[str, Any] = {}
    for name, limit in (("aupro_030", 0.30), ("aupro_005", 0.05)):
        value = aupro(maps, masks, limit)

        def redrawn(drawn: npt.NDArray[np.intp], limit: float = limit) -> float | None:
            return aupro([maps[i] for i in drawn], [masks[i] for i in drawn], limit)

        interval = None if value is None else bootstrap(redrawn, groups, draws=OVERLAP_DRAWS)
        result |= {name: value, f"{name}_ci": interval}
    return result
