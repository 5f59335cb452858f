"""Any Runner on any Subset: what each engine says of each part. Runners arrive as arguments; knows no figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from radar_edge.data.dataset import read_input
from radar_edge.data.layouts import Sample
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.inference.runner import Runner, Tensor
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import image_score

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


def groups(parts: Sequence[Judged]) -> list[str]:
    return [part.sample.group for part in parts]
