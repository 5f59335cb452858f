#!/usr/bin/env python
"""How accurate the recipe is, and what each of its pieces gives: independent trainings, each with one JSON document.

    tools/accuracy.py --data SET=FOLDER ... --work FOLDER [--configuration default ...] [--seed 0 ...] [--steps N]

A job is a set, a configuration and a seed; its document is OUT/SET-CONFIGURATION-SEED.json. A job whose document is
there is not done again, and a training that was stopped goes on. tools/accuracy_results.py makes the tables.

Configurations: the default recipe, and ablations, which change the network or the training from here; the product has
no switch for them. Needs the extras train and report.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from radar_edge import files
from radar_edge.data.dataset import read_input
from radar_edge.data.layouts import Dataset, Sample, index
from radar_edge.evaluation.evaluate import Judged, judge_one, sees
from radar_edge.evaluation.measure import separation, subset_metrics
from radar_edge.evaluation.metrics import auroc
from radar_edge.export.parts import held_out_parts
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset, all_subsets
from radar_edge.models import mrf, radar
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import calibrate, smallest_frr
from radar_edge.training import losses
from radar_edge.training import train as training
from radar_edge.training.checkpoint import DOCUMENT, STATE, TrainedRun, load_run
from radar_edge.training.torch_runner import TorchRunner

FIGURES = ("image_auroc", "image_auroc_any", "aupro_030", "aupro_005", "pixel_auroc")
RATES = ("frr_at_threshold", "escape_at_threshold")
DARK = 0.05
"""Share of the light that is left in the check of a dark RGB camera."""


@contextmanager
def unchanged() -> Iterator[None]:
    yield


@contextmanager
def without_alignment() -> Iterator[None]:
    """A1: modalities do not learn to predict each other."""
    with mock.patch.object(losses, "alignment", return_value=torch.zeros(())):
        yield


@contextmanager
def without_dropout() -> Iterator[None]:
    """A4: only the set of all modalities is trained."""
    with mock.patch.object(training, "all_subsets", lambda names: (Subset(tuple(names)),)):
        yield


@contextmanager
def mean_fusion() -> Iterator[None]:
    """A6: every present modality has the same weight."""
    with mock.patch.object(mrf, "LOGIT_LIMIT", 0.0):
        yield


@contextmanager
def without_discrepancy() -> Iterator[None]:
    """A7: what modalities predict of each other is not part of the map."""

    def nothing(shared: int) -> torch.nn.Module:
        layer = torch.nn.Conv2d(2 * shared, 1, 1)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        return layer.requires_grad_(False)

    with mock.patch.object(radar, "discrepancy", nothing):
        yield


@contextmanager
def without_texture() -> Iterator[None]:
    """T0: the learned map alone."""
    with mock.patch.object(radar, "TEXTURE_WEIGHT", 0.0):
        yield


@contextmanager
def texture_alone() -> Iterator[None]:
    """T1: the texture statistics alone; the learned map counts a hundred-thousandth."""
    with mock.patch.object(radar, "TEXTURE_WEIGHT", 1e5):
        yield


TRAINED = {
    "default": unchanged,
    "a1-no-alignment": without_alignment,
    "a4-no-dropout": without_dropout,
    "a6-mean-fusion": mean_fusion,
    "a7-no-discrepancy": without_discrepancy,
}
"""Each has a training of its own."""
REJUDGED = {"t0-no-texture": without_texture, "t1-texture-alone": texture_alone, "a11-placeholder": unchanged}
"""These judge with the network of the default training."""
LATE = "a0-late-fusion"
"""One training a modality; a part's score is the mean of theirs, each on the scale of its own held-out parts."""


def fit(dataset: Dataset, folder: Path, config: training.TrainConfig) -> TrainedRun:
    if not (folder / DOCUMENT).is_file():
        training.train(dataset, folder, config, resume=(folder / STATE).is_file())
    return load_run(folder)


def runners_of(run: TrainedRun) -> dict[Subset, Runner]:
    return {subset: TorchRunner(run.model, subset) for subset in all_subsets(run.modalities)}


def judged_by(
    runners: Mapping[Subset, Runner], samples: Sequence[Sample], preprocess: Preprocess, dark: bool = False
) -> dict[Subset, list[Judged]]:
    """Every sample by every engine. `dark`: the RGB pictures have DARK of their counts."""
    found: dict[Subset, list[Judged]] = {subset: [] for subset in runners}
    for sample in samples:
        inputs = {
            name: read_input(path, preprocess.modalities[name], name)[None] for name, path in sample.paths.items()
        }
        if dark:
            inputs["rgb"] = darkened(inputs["rgb"], preprocess)
        for subset, runner in runners.items():
            if all(name in inputs for name in subset):
                found[subset].append(judge_one(runner, sample, {name: inputs[name] for name in subset}))
    return found


def darkened(x: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    spec = preprocess.modalities["rgb"]
    black = (-np.asarray(spec.offset, np.float32) / np.asarray(spec.scale, np.float32)).reshape(1, -1, 1, 1)
    return black + np.float32(DARK) * (x - black)


def placeholders(run: TrainedRun) -> dict[Subset, Runner]:
    """A11: what is absent is told to be there, and zeros stand for it."""
    full = TorchRunner(run.model, Subset(run.modalities))

    class Filled(TorchRunner):
        def _infer(self, inputs: Mapping[str, np.ndarray]) -> Any:
            shape = run.model.config
            zeros = {n: np.zeros((1, c, shape.height, shape.width), np.float32) for n, c in shape.channels.items()}
            return full.infer({**zeros, **inputs})

    return {subset: Filled(run.model, subset) for subset in all_subsets(run.modalities)}


def thresholds(held_out: Mapping[Subset, Sequence[Judged]]) -> dict[Subset, float]:
    found = {}
    for subset, parts in held_out.items():
        groups = [part.sample.group for part in parts]
        target = max(0.05, smallest_frr(len(set(groups))))
        found[subset] = calibrate([part.score for part in parts], target, groups).threshold
    return found


def figures(dataset: Dataset, run: TrainedRun, runners: Mapping[Subset, Runner]) -> dict[str, Any]:
    """slug -> the test parts' figures, and the AUROC of the validation parts, which alone may choose a recipe."""
    held_out = held_out_parts(dataset.samples, run.held_out)
    limits = thresholds(judged_by(runners, held_out, run.preprocess))
    tested = judged_by(runners, dataset.select("test"), run.preprocess)
    known = judged_by(runners, dataset.select("validation"), run.preprocess)
    found = {}
    for subset, parts in tested.items():
        measured = subset_metrics(subset, parts, limits[subset])
        found[subset.slug] = {
            **{key: measured[key] for name in FIGURES + RATES for key in (name, f"{name}_ci")},
            **{key: measured[key] for key in ("good", "defects", "groups")},
            "classes": {name: one["image_auroc"] for name, one in measured["strata"]["class"].items()},
            "validation_image_auroc": auroc_of(subset, known[subset]),
        }
    return found


def auroc_of(subset: Subset, parts: Sequence[Judged]) -> float | None:
    asked = [part for part in parts if part.sample.is_good or sees(subset, part.sample)]
    return auroc(np.array([part.score for part in asked]), np.array([not part.sample.is_good for part in asked]))


def in_the_dark(dataset: Dataset, run: TrainedRun, runners: Mapping[Subset, Runner]) -> dict[str, Any] | None:
    """AUROC with every test RGB picture dark, beside the others alone; None for a set without RGB and another."""
    if "rgb" not in run.modalities or len(run.modalities) == 1:
        return None
    rest = Subset(tuple(name for name in run.modalities if name != "rgb"))
    chosen = {subset: runners[subset] for subset in (Subset(run.modalities), rest)}
    parts = judged_by(chosen, dataset.select("test"), run.preprocess, dark=True)
    return {subset.slug: separation("image_auroc_any", found)["image_auroc_any"] for subset, found in parts.items()}


def late_fusion(dataset: Dataset, folder: Path, config: training.TrainConfig) -> dict[str, Any]:
    """Figures of the fused scores; a modality alone is a detector of its own, whose map is its own too."""
    tested: list[list[Judged]] = []
    found = {}
    for name in dataset.modalities:
        alone = only(dataset, name)
        run = fit(alone, folder / name, config)
        subset, runners = Subset((name,)), runners_of(run)
        found |= figures(alone, run, runners)
        scores = [
            p.score for p in judged_by(runners, held_out_parts(alone.samples, run.held_out), run.preprocess)[subset]
        ]
        judged = judged_by(runners, alone.select("test"), run.preprocess)[subset]
        tested.append([replace(p, score=(p.score - np.mean(scores)) / np.std(scores)) for p in judged])
    fused = [replace(parts[0], score=float(np.mean([p.score for p in parts]))) for parts in zip(*tested, strict=True)]
    subset = Subset(dataset.modalities)
    return {**found, subset.slug: {**separation("image_auroc", fused), "validation_image_auroc": None}}


def only(dataset: Dataset, name: str) -> Dataset:
    """The same parts, seen by one camera."""
    samples = tuple(
        replace(s, paths={name: s.paths[name]}, masks={k: m for k, m in s.masks.items() if k == name})
        for s in dataset.samples
        if name in s.paths
    )
    declared = {key: value for key, value in dataset.declared.items() if key == name}
    return replace(dataset, modalities=(name,), specs={name: dataset.specs[name]}, samples=samples, declared=declared)


def measure(dataset: Dataset, work: Path, configuration: str, config: training.TrainConfig) -> dict[str, Any]:
    """Train as far as needed, and judge."""
    if configuration == LATE:
        return {"subsets": late_fusion(dataset, work / LATE, config)}
    own = configuration in TRAINED
    with TRAINED[configuration]() if own else unchanged():
        run = fit(dataset, work / (configuration if own else "default"), config)
    with ExitStack() as stack:
        stack.enter_context((TRAINED | REJUDGED)[configuration]())
        torch.set_num_threads(1)
        runners = placeholders(run) if configuration == "a11-placeholder" else runners_of(run)
        return {
            "subsets": figures(dataset, run, runners),
            "dark_rgb": in_the_dark(dataset, run, runners),
            "weights_sha256": run.weights_sha256,
            "train_seconds": run.document["seconds"],
            "train_machine": run.document["machine"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", action="append", required=True, metavar="SET=FOLDER")
    parser.add_argument("--work", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results/accuracy"))
    names = [*TRAINED, *REJUDGED, LATE]
    parser.add_argument("--configuration", nargs="+", choices=names, default=["default"])
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, help="fewer than the preset's, to try the tool")
    chosen = parser.parse_args()
    threads = torch.get_num_threads()
    for seed in chosen.seed:
        for configuration in chosen.configuration:
            for name, _, folder in (pair.partition("=") for pair in chosen.data):
                target = chosen.out / f"{name}-{configuration}-{seed}.json"
                if target.exists():
                    continue
                torch.set_num_threads(threads)
                config = training.TrainConfig(seed=seed, **({"steps": chosen.steps} if chosen.steps else {}))
                dataset = index(Path(folder))
                print(f"{name} {configuration} seed {seed}", flush=True)
                found = measure(dataset, chosen.work / f"{name}-{seed}", configuration, config)
                files.write_json(target, {**head(name, configuration, config), **found})


def head(name: str, configuration: str, config: training.TrainConfig) -> dict[str, Any]:
    return {
        "set": name,
        "configuration": configuration,
        "seed": config.seed,
        "steps": config.steps,
        "size_px": config.size_px,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
    }


if __name__ == "__main__":
    main()
