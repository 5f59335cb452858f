"""The missing-modality protocol: test parts lose modalities at random, and all are ranked together.

As in the MIIAD benchmark (Miao et al., ACM MM 2025) a rate of the parts loses one modality, or one or the other in
equal shares; no part loses all. The image AUROC is pooled over all parts, whichever engine judged them, so an engine
whose scores lie higher than its sisters' costs as much as one that sees less. Three ways to score a part that lost one:

    calibrated    the engine of what is left, on the scale that its own calibration gives (Calibration.relative)
    raw           the same engine's score as it is
    placeholder   the engine of all modalities with zeros, the mean of good parts, for what is lost
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from radar_edge.data.dataset import read_input
from radar_edge.data.layouts import Sample
from radar_edge.evaluation.evaluate import Judged, Progress, groups, judge_one
from radar_edge.evaluation.measure import named
from radar_edge.evaluation.metrics import Figure, Flags, Scores, auroc_figure, bootstrap, once
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import Calibration

RATES = (0.3, 0.5, 0.7)
DRAWS = 5
"""Which parts lose what is drawn so often, from fixed seeds; a figure is the mean over the draws."""

Losses = Mapping[str, Subset]
"""`{part's key: what is left of it}`"""


def judge_filled(
    runner: Runner,
    samples: Sequence[Sample],
    preprocess: Preprocess,
    progress: Progress = lambda *_: None,
    stage: str = "judge with placeholders",
) -> dict[Subset, list[Judged]]:
    """`{what is left: parts}` as the engine of all modalities judges them with zeros for what is lost."""
    names = runner.subset.modalities
    partial = [subset for subset in all_subsets(names) if subset != runner.subset]
    judged: dict[Subset, list[Judged]] = {subset: [] for subset in partial}
    for done, sample in enumerate(samples, 1):
        inputs = {name: read_input(sample.paths[name], preprocess.modalities[name], name)[None] for name in names}
        for subset in partial:
            filled = {name: x if name in subset else np.zeros_like(x) for name, x in inputs.items()}
            judged[subset].append(judge_one(runner, sample, filled))
        progress(stage, done, len(samples))
    return judged


def protocol(
    judged: Mapping[Subset, Sequence[Judged]],
    filled: Mapping[Subset, Sequence[Judged]],
    calibrations: Mapping[Subset, Calibration],
) -> dict[str, Any]:
    """`rows` of `{rate, missing, calibrated, raw, placeholder, gain}`, each figure with its `_ci`.

    `gain` is calibrated less placeholder, paired: the same parts are drawn and lose the same for both.

    `judged`: test parts through every Subset's engine; those that have every modality count. `filled`: the same
    parts from judge_filled. `missing` is a modality, or `both` (`any` of more than two).
    """
    complete = max(judged, key=len)
    parts = judged[complete]
    ways = {
        "calibrated": scores_of(judged, calibrations),
        "raw": scores_of(judged, None),
        "placeholder": scores_of({**filled, complete: parts}, None),
    }
    labels = np.array([not part.sample.is_good for part in parts])
    rows = []
    for rate in RATES:
        for missing, which in kinds_of_loss(complete.modalities):
            draws = [draw_losses(parts, complete, which, rate, seed) for seed in range(DRAWS)]
            figures = {
                way: pooled([np.array([scores[left][key] for key, left in d.items()]) for d in draws], labels)
                for way, scores in ways.items()
            }
            figures["gain"] = less(figures["calibrated"], figures["placeholder"])
            row: dict[str, Any] = {"rate": rate, "missing": missing}
            for name, figure in figures.items():
                row |= named(name, once(figure, len(parts)), bootstrap(figure, groups(parts)))
            rows.append(row)
    return {"rows": rows, "parts": len(parts), "draws": DRAWS}


def scores_of(
    judged: Mapping[Subset, Sequence[Judged]], calibrations: Mapping[Subset, Calibration] | None
) -> dict[Subset, dict[str, float]]:
    return {
        subset: {p.sample.key: calibrations[subset].relative(p.score) if calibrations else p.score for p in parts}
        for subset, parts in judged.items()
    }


def kinds_of_loss(modalities: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(name, modalities that may be lost)"""
    yield from ((name, (name,)) for name in modalities)
    yield "both" if len(modalities) == 2 else "any", tuple(modalities)


def draw_losses(parts: Sequence[Judged], complete: Subset, which: Sequence[str], rate: float, seed: int) -> Losses:
    """Round(rate x parts) parts lose one modality of `which`, in equal shares. A higher rate only adds parts."""
    order = np.random.default_rng(seed).permutation(len(parts))
    left = {part.sample.key: complete for part in parts}
    for turn, place in enumerate(order[: round(rate * len(parts))]):
        lost = which[turn % len(which)]
        left[parts[place].sample.key] = Subset(tuple(name for name in complete if name != lost))
    return left


def pooled(scores: Sequence[Scores], anomalous: Flags) -> Figure:
    """The mean AUROC over the draws."""
    figures = [auroc_figure(one, anomalous) for one in scores]
    return lambda weights: np.mean([figure(weights) for figure in figures], axis=0)


def less(a: Figure, b: Figure) -> Figure:
    return lambda weights: a(weights) - b(weights)
