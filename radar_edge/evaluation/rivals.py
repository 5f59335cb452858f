"""What a detector is held against: one-line baselines, controls, and the flag for a set that gives the label away.

A baseline is a number of one image; a control is what should know nothing of defects: the brightness of the
background, and the same network untrained. A baseline or brightness may point either way, so its better direction
counts; that is the labels' choice and favours the rival. Knows no Runner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from radar_edge.data.layouts import Sample
from radar_edge.evaluation.evaluate import Judged, Progress
from radar_edge.evaluation.measure import asked_of, separation
from radar_edge.evaluation.scalars import BACKGROUND, scalars
from radar_edge.modality import Subset
from radar_edge.preprocess import read_image

LEAK_AUROC = 0.9
"""A set leaks if the brightness of the background alone separates its test parts so well, with 95 % confidence."""

Numbers = Mapping[str, Mapping[str, float]]
"""`{part's key: {"<modality>.<name>": number}}`"""


def numbers_of(samples: Sequence[Sample], progress: Progress = lambda *_: None, stage: str = "baselines") -> Numbers:
    """The scalars of every image of every part. Raises DatasetError naming a file that cannot be read."""
    found = {}
    for done, sample in enumerate(samples, 1):
        of_part: dict[str, float] = {}
        for modality, path in sample.paths.items():
            of_part |= {f"{modality}.{name}": value for name, value in scalars(read_image(path)).items()}
        found[sample.key] = of_part
        progress(stage, done, len(samples))
    return found


def rivals_of(
    subset: Subset,
    parts: Sequence[Judged],
    own: Mapping[str, Any],
    numbers: Numbers,
    untrained: Sequence[Judged] | None,
) -> dict[str, Any]:
    """`baselines`, `controls` and `beaten_by`: the names of those that do at least as well as `own` image_auroc.

    `untrained`: the same parts as the untrained network judged them; None where it cannot be built.
    """
    baselines: dict[str, Any] = {}
    controls: dict[str, Any] = {"untrained": None if untrained is None else figures_of(subset, untrained)}
    for name in next(iter(numbers.values())):
        modality, _, scalar = name.partition(".")
        if modality not in subset:
            continue
        figures = oriented(subset, scored(parts, {key: found[name] for key, found in numbers.items() if name in found}))
        if scalar == BACKGROUND:
            controls[f"{BACKGROUND}.{modality}"] = figures
        else:
            baselines[name] = figures
    return {"baselines": baselines, "controls": controls, "beaten_by": beaten_by(own, {**baselines, **controls})}


def scored(parts: Sequence[Judged], values: Mapping[str, float]) -> list[Judged]:
    """The parts with the rival's number for their score."""
    return [replace(part, score=values[part.sample.key]) for part in parts if part.sample.key in values]


def oriented(subset: Subset, parts: Sequence[Judged], by: str = "image_auroc") -> dict[str, Any]:
    """The figures in the direction that gives the higher figure `by`."""
    higher = figures_of(subset, parts)
    value = higher[by]
    if value is None or value >= 0.5:
        return {**higher, "defects_are": "higher"}
    return {**figures_of(subset, [replace(part, score=-part.score) for part in parts]), "defects_are": "lower"}


def figures_of(subset: Subset, parts: Sequence[Judged]) -> dict[str, Any]:
    return {**separation("image_auroc", asked_of(subset, parts)), **separation("image_auroc_any", parts)}


def beaten_by(own: Mapping[str, Any], rivals: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    value = own["image_auroc"]
    known = {name: one["image_auroc"] for name, one in rivals.items() if one is not None}
    return [name for name, rival in known.items() if value is not None and rival is not None and rival >= value]


def leaks(parts: Sequence[Sample], numbers: Numbers) -> list[dict[str, Any]]:
    """A row for each modality whose background's brightness alone tells good from defective test parts.

    Whichever way it points, and only where the interval's lower end reaches LEAK_AUROC: a set of few groups is not
    accused by chance. Defects count whether visible or not, for the background shows none of them.
    """
    found = []
    for modality in dict.fromkeys(name for part in parts for name in part.paths):
        name = f"{modality}.{BACKGROUND}"
        as_judged = [judged(part, numbers[part.key][name]) for part in parts if modality in part.paths]
        figures = oriented(Subset((modality,)), as_judged, "image_auroc_any")
        interval = figures["image_auroc_any_ci"]
        if interval is not None and interval[0] >= LEAK_AUROC:
            way = "brighter" if figures["defects_are"] == "higher" else "darker"
            found.append(
                {
                    "modality": modality,
                    "control": f"{BACKGROUND}.{modality}",
                    "auroc": figures["image_auroc_any"],
                    "auroc_ci": interval,
                    "why": f"The border of the {modality} image, where no defect should be, is {way} in defective "
                    "test parts: they were photographed under another light. No figure of this set says how well "
                    "defects are found.",
                }
            )
    return found


def judged(sample: Sample, score: float) -> Judged:
    """A part with nothing but a number."""
    return Judged(sample, score, np.zeros((0, 0), np.float32), None)
