"""RADAR as a method of a benchmark: trained here, judged by every Subset, each on the scale of its own held-out parts.

As in the product, a part that lost a modality is judged by the engine of what is left (scoring.Calibration.relative).
Knows nothing of tables of losses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import radar_edge
from radar_edge import __version__, files
from radar_edge.benchmark.scored import SHORT, Cost, Digests, Meter, Scored, Task, Verdicts, load, save, sources
from radar_edge.data.dataset import hold_out
from radar_edge.errors import DatasetError
from radar_edge.evaluation.evaluate import Judged, Progress, judge
from radar_edge.export.parts import held_out_parts
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset, all_subsets, subset_from_slug
from radar_edge.scoring import Calibration, calibrate, smallest_frr
from radar_edge.training import train as training
from radar_edge.training.checkpoint import DOCUMENT, STATE, TrainedRun, load_run
from radar_edge.training.torch_runner import TorchRunner

TARGET_FRR = 0.05
PACKAGE = Path(radar_edge.__file__).parent
CODE = (
    *("models", "training", "preprocess.py", "scoring.py", "data/dataset.py", "export/parts.py"),
    *("evaluation/evaluate.py", "evaluation/overlap.py", "benchmark/ablations.py", "benchmark/radar_method.py"),
)
"""What a verdict follows from."""


@dataclass(frozen=True)
class RadarMethod:
    """`variant` is entered for as long as the network is trained, loaded and judged (benchmark.ablations)."""

    name: str
    variant: Callable[[], AbstractContextManager[None]]
    recipe: training.TrainConfig
    work: Path
    digests: Digests

    def digest(self, task: Task) -> str:
        """Of all that the verdicts depend on."""
        fit, held_out = hold_out(task.dataset, seed=task.seed)
        dataset = task.dataset
        return files.sha256_json(
            {
                "method": self.name,
                "code": sources(*(PACKAGE / place for place in CODE)),
                "config": self.config(task).model_dump(mode="json"),
                "modalities": list(dataset.modalities),
                "declared": {name: one.model_dump(mode="json") for name, one in dataset.declared.items()},
                "registration": {name: one.model_dump(mode="json") for name, one in dataset.registration.items()},
                "fit": self.digests.of_images(fit),
                "held_out": [self.digests.of_images(held_out), [sample.group for sample in held_out]],
                "tested": self.digests.of_images(task.tested),
            }
        )

    def config(self, task: Task) -> training.TrainConfig:
        return self.recipe.model_copy(update={"seed": task.seed})

    def verdicts(self, task: Task, progress: Progress) -> Verdicts:
        name = f"{self.name}-{task.condition}-{task.seed}-{self.digest(task)[:SHORT]}"
        path = self.work / "judged" / f"{name}.npz"
        if not path.is_file():
            with self.variant():
                scored, cost = self.run(task, self.work / "runs" / name, progress)
            save(path, {subset.slug: one for subset, one in scored.items()}, cost)
        found, cost = load(path)
        subsets = {subset_from_slug(slug, task.dataset.modalities): one for slug, one in found.items()}
        return Verdicts(subsets, {name: cost})

    def run(self, task: Task, folder: Path, progress: Progress) -> tuple[dict[Subset, Scored], Cost]:
        meter = Meter(folder.with_suffix(".cpu.json"))
        run = self.fitted(task, folder, meter, progress)
        began = time.monotonic()
        with one_thread():
            scored = judged(run, task, self.name, progress)
        cost = Cost(
            cpu_seconds=round(meter.cpu_seconds, 1),
            fit_seconds=run.document["seconds"],
            score_seconds=round(time.monotonic() - began, 1),
            parameters=sum(parameter.numel() for parameter in run.model.parameters()),
            versions={"radar_edge": __version__, "torch": torch.__version__},
        )
        return scored, cost

    def fitted(self, task: Task, folder: Path, meter: Meter, progress: Progress) -> TrainedRun:
        """The finished training; one that was stopped goes on."""

        def report(step: training.Progress) -> None:
            meter.tick()
            progress(f"{self.name} {task.condition} seed {task.seed}: train", step.step, step.steps)

        if not (folder / DOCUMENT).is_file():
            resume = (folder / STATE).is_file()
            training.train(task.dataset, folder, self.config(task), resume=resume, report=report)
        return load_run(folder)


def judged(run: TrainedRun, task: Task, name: str, progress: Progress) -> dict[Subset, Scored]:
    """Every tested part by every Subset."""
    runners: dict[Subset, Runner] = {s: TorchRunner(run.model, s) for s in all_subsets(run.modalities)}
    held_out = held_out_parts(task.dataset.samples, run.held_out)
    goods = judge(runners, held_out, run.preprocess, progress, f"{name}: held-out parts")
    tested = judge(runners, task.tested, run.preprocess, progress, f"{name}: test parts")
    found = {}
    for subset, parts in tested.items():
        scale = calibration_of(subset, goods[subset])
        raw = Scored(
            tuple(part.sample.key for part in parts),
            np.array([part.score for part in parts], np.float64),
            np.stack([part.heat for part in parts]),
        )
        found[subset] = raw.scaled(scale.threshold, scale.spread)
    return found


def calibration_of(subset: Subset, goods: Sequence[Judged]) -> Calibration:
    """The product's: threshold at TARGET_FRR, or the least rate that so few groups can guarantee.

    Raises DatasetError without any part.
    """
    if not goods:
        raise DatasetError(
            f"no held-out good part has {' and '.join(subset)}, which would give its scores their scale",
            next_step="add complete good parts to validation/good",
        )
    groups = [part.sample.group for part in goods]
    target = max(TARGET_FRR, smallest_frr(len(set(groups))))
    return calibrate([part.score for part in goods], target, groups)


@contextmanager
def one_thread() -> Iterator[None]:
    """One part at a time gains little from a second thread, and on a busy machine loses much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
