"""What a kept training says of a set's parts, and the figures of it. Trains nothing, compares with nothing.

Of the test parts everything is measured; of the validation parts the AUROC alone, which may choose a recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radar_edge.data.layouts import Dataset
from radar_edge.evaluation.compare import pairs_of, separation
from radar_edge.evaluation.evaluate import Judged, Progress, judge
from radar_edge.evaluation.measure import asked_of, scores_and_labels, subset_metrics
from radar_edge.evaluation.metrics import auroc
from radar_edge.export.parts import held_out_parts
from radar_edge.inference.runner import Inference, Runner, Tensor
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import Calibration, calibrate, smallest_frr
from radar_edge.training.checkpoint import TrainedRun
from radar_edge.training.torch_runner import TorchRunner

FIGURES = ("image_auroc", "image_auroc_any", "aupro_030", "aupro_005", "pixel_auroc")
RATES = ("frr_at_threshold", "escape_at_threshold")
TARGET_FRR = 0.05
DARK = 0.05
"""Share of the light that is left in the check of a dark RGB camera."""
STRATA = ("dark",)
"""Columns of samples.csv whose parts are measured apart: what a camera was given to see, not which lot it was."""

AllJudged = Mapping[Subset, Sequence[Judged]]


@dataclass(frozen=True)
class Verdicts:
    """One training's engines, and the parts as they judged them."""

    dataset: Dataset
    run: TrainedRun
    runners: Mapping[Subset, Runner]
    held_out: AllJudged
    tested: AllJudged

    @property
    def calibrations(self) -> dict[Subset, Calibration]:
        return calibrations_of(self.held_out)

    @property
    def complete(self) -> Subset:
        return Subset(self.run.modalities)


def judge_run(dataset: Dataset, run: TrainedRun, runners: Mapping[Subset, Runner], progress: Progress) -> Verdicts:
    parts = held_out_parts(dataset.samples, run.held_out)
    held_out = judge(runners, parts, run.preprocess, progress, "judge held-out parts")
    tested = judge(runners, dataset.select("test"), run.preprocess, progress)
    return Verdicts(dataset, run, runners, held_out, tested)


def runners_of(run: TrainedRun) -> dict[Subset, Runner]:
    return {subset: TorchRunner(run.model, subset) for subset in all_subsets(run.modalities)}


def placeholders(run: TrainedRun) -> dict[Subset, Runner]:
    """A11: what is absent is told to be there, and zeros stand for it."""
    full = TorchRunner(run.model, Subset(run.modalities))

    class Filled(TorchRunner):
        def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
            shape = run.model.config
            zeros = {n: np.zeros((1, c, shape.height, shape.width), np.float32) for n, c in shape.channels.items()}
            return full.infer({**zeros, **inputs})

    return {subset: Filled(run.model, subset) for subset in all_subsets(run.modalities)}


def calibrations_of(held_out: AllJudged) -> dict[Subset, Calibration]:
    found = {}
    for subset, parts in held_out.items():
        groups = [part.sample.group for part in parts]
        target = max(TARGET_FRR, smallest_frr(len(set(groups))))
        found[subset] = calibrate([part.score for part in parts], target, groups)
    return found


def figures(verdicts: Verdicts, progress: Progress) -> dict[str, dict[str, Any]]:
    """slug -> the test parts' figures, and the AUROC of the validation parts."""
    validation = verdicts.dataset.select("validation")
    known = judge(verdicts.runners, validation, verdicts.run.preprocess, progress, "judge validation parts")
    calibrations = verdicts.calibrations
    found = {}
    for subset, parts in verdicts.tested.items():
        measured = subset_metrics(subset, parts, calibrations[subset].threshold)
        found[subset.slug] = {
            **{key: measured[key] for name in FIGURES + RATES for key in (name, f"{name}_ci")},
            **{key: measured[key] for key in ("good", "defects", "groups")},
            "classes": {name: one["image_auroc"] for name, one in measured["strata"]["class"].items()},
            "strata": {
                column: {value: stratum(one) for value, one in measured["strata"][column].items()}
                for column in STRATA
                if column in measured["strata"]
            },
            "validation_image_auroc": auroc_of(subset, known[subset]),
        }
    return found


def stratum(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {key: measured[key] for key in ("good", "defects", "image_auroc", "image_auroc_ci")}


def auroc_of(subset: Subset, parts: Sequence[Judged]) -> float | None:
    return auroc(*scores_and_labels(asked_of(subset, parts)))


class InTheDark(Runner):
    """Another engine, whose RGB pictures have DARK of their counts."""

    def __init__(self, runner: Runner, preprocess: Preprocess) -> None:
        super().__init__(runner.subset, runner.precision, runner.shapes)
        self._runner, self._preprocess = runner, preprocess

    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        return self._runner.infer({**inputs, "rgb": darkened(inputs["rgb"], self._preprocess)})

    def close(self) -> None:
        """The engine belongs to the caller."""


def darkened(x: Tensor, preprocess: Preprocess) -> Tensor:
    spec = preprocess.modalities["rgb"]
    offset, scale = (np.asarray(values, np.float32).reshape(1, -1, 1, 1) for values in (spec.offset, spec.scale))
    black: Tensor = np.divide(-offset, scale)  # for `/` numpy's types say complex
    return black + np.float32(DARK) * (x - black)


def in_the_dark(verdicts: Verdicts, progress: Progress) -> dict[str, Any]:
    """AUROC of all defects with every test RGB picture dark, beside the other cameras alone, and the difference.

    All None for a set without RGB, or with nothing else.
    """
    whole = verdicts.complete
    if "rgb" not in whole or len(whole) == 1:
        return {"dark_rgb": None, "dark_rgb_difference": None, "dark_rgb_difference_ci": None}
    rest = Subset(tuple(name for name in whole if name != "rgb"))
    found = separation(pairs_of(verdicts.tested[rest], judged_in_the_dark(verdicts, verdicts.runners[whole], progress)))
    return {
        "dark_rgb": {whole.slug: found["b"], rest.slug: found["a"]},
        "dark_rgb_difference": found["difference"],
        "dark_rgb_difference_ci": found["difference_ci"],
    }


def judged_in_the_dark(verdicts: Verdicts, runner: Runner, progress: Progress) -> list[Judged]:
    dim = {runner.subset: InTheDark(runner, verdicts.run.preprocess)}
    return judge(dim, verdicts.dataset.select("test"), verdicts.run.preprocess, progress, "judge in the dark")[
        runner.subset
    ]
