"""External detectors: one a modality, fitted and asked in an environment of their own, fused late.

A part's score is the mean of what the detectors of its present modalities say, each standardised on held-out good
parts: a lost modality has no say. Knows no detector (see peer_call) and nothing of tables of losses.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radar_edge import files
from radar_edge.benchmark.peer_call import call, read_answer, read_maps
from radar_edge.benchmark.plain_images import PlainImages
from radar_edge.benchmark.scored import SHORT, Cost, Digests, Scored, Task, Verdicts, load, save, sources
from radar_edge.data.dataset import hold_out
from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError
from radar_edge.evaluation.evaluate import Progress
from radar_edge.modality import all_subsets

PEERS = ("patchcore", "padim", "stpm", "cutpaste")
MORE_PEERS = ("draem", "efficientad")
"""Only on request: hours without a GPU."""
LEAST_SPREAD = 1e-9
LEAST_PARTS = 2


@dataclass(frozen=True)
class PeerMethod:
    """`fit_parts`: at most so many good parts, evenly spread; `steps` of detectors that train, None for their own."""

    name: str
    images: PlainImages
    work: Path
    digests: Digests
    python: Path
    script: Path
    steps: int | None = None
    fit_parts: int | None = None
    weights: Path | None = None

    def digest(self, task: Task) -> str:
        """Of all that the verdicts depend on."""
        return files.sha256_json({name: self.plan(task, name)[1] for name in task.dataset.modalities})

    def verdicts(self, task: Task, progress: Progress) -> Verdicts:
        alone: dict[str, Scored] = {}
        costs: dict[str, Cost] = {}
        keys = [sample.key for sample in task.tested]
        for modality in task.dataset.modalities:
            (fit, held_out), digest = self.plan(task, modality)
            name = f"{self.name}-{modality}-{task.condition}-{task.seed}-{digest[:SHORT]}"
            path = self.work / "judged" / f"{name}.npz"
            if not path.is_file():
                asked = [*held_out, *task.tested]
                scored, cost = self.run(task, modality, fit, asked, self.work / "jobs" / name, progress)
                save(path, {modality: scored}, cost)
                shutil.rmtree(self.work / "jobs" / name)
            found, costs[name] = load(path)
            alone[modality] = standardised(found[modality], [sample.key for sample in held_out], keys)
        return Verdicts({s: fused([alone[n] for n in s]) for s in all_subsets(task.dataset.modalities)}, costs)

    def plan(self, task: Task, modality: str) -> tuple[tuple[list[Sample], list[Sample]], str]:
        """((parts to fit, held-out parts) that have the modality, digest of the job)."""
        fit, held_out = (
            [sample for sample in parts if modality in sample.paths] for parts in hold_out(task.dataset, seed=task.seed)
        )
        fit = fit[:: max(1, -(-len(fit) // self.fit_parts))] if self.fit_parts else fit
        if min(len(fit), len(held_out)) < LEAST_PARTS:
            raise DatasetError(
                f"too few good parts with {modality}",
                found=f"{len(fit)} to fit, {len(held_out)} held out",
                wanted=f"at least {LEAST_PARTS} of each",
            )
        asked = [*held_out, *task.tested]
        document = {
            "code": sources(self.script.parent),
            "method": self.name,
            "steps": self.steps,
            "size_px": self.images.size_px,
            "seed": task.seed,
            "spec": self.images.specs[modality].model_dump(mode="json"),
            "weights": None if self.weights is None else self.digests.of(self.weights),
            "fit": [self.digests.of(sample.paths[modality]) for sample in fit],
            "asked": [[sample.key, self.digests.of(sample.paths[modality])] for sample in asked],
        }
        return (fit, held_out), files.sha256_json(document)

    def run(
        self,
        task: Task,
        modality: str,
        fit: Sequence[Sample],
        asked: Sequence[Sample],
        folder: Path,
        progress: Progress,
    ) -> tuple[Scored, Cost]:
        """Fit and ask one detector, or take up what a run that was stopped left."""
        out = (folder / "scores.json").absolute()
        if not out.is_file():
            document = {
                "method": self.name,
                "size_px": self.images.size_px,
                "steps": self.steps,
                "seed": task.seed,
                "train": [str(path) for path in self.images.of(fit, modality, progress)],
                "score": [str(path) for path in self.images.of(asked, modality, progress)],
                "weights": None if self.weights is None else str(self.weights.absolute()),
                "model": str((folder / "model").absolute()),
                "out": str(out),
            }
            files.write_json(folder / "job.json", document)
            stage = f"{self.name} {modality} {task.condition} seed {task.seed}"
            call(self.python, self.script, folder / "job.json", stage, progress)
        answer = read_answer(out, len(asked))
        maps = None if answer.maps is None else read_maps(out.parent / answer.maps, len(asked))
        scored = Scored(tuple(sample.key for sample in asked), np.array(answer.scores, np.float64), maps)
        return scored, Cost(**answer.model_dump(exclude={"scores", "maps"}))


def standardised(scored: Scored, held_out: Sequence[str], keys: Sequence[str]) -> Scored:
    """Scores and maps in standard deviations of the held-out good parts' scores (pixels), from their mean."""
    good, tested = scored.of(held_out), scored.of(keys)
    scores = tested.scaled(float(good.scores.mean()), max(float(good.scores.std()), LEAST_SPREAD)).scores
    if good.maps is None or tested.maps is None:
        return Scored(tested.keys, scores, None)
    spread = max(float(good.maps.std(dtype=np.float64)), LEAST_SPREAD)
    return Scored(tested.keys, scores, tested.scaled(float(good.maps.mean(dtype=np.float64)), spread).maps)


def fused(alone: Sequence[Scored]) -> Scored:
    """The mean of the detectors that see the part."""
    maps = [one.maps for one in alone if one.maps is not None]
    scores = np.mean([one.scores for one in alone], axis=0)
    return Scored(alone[0].keys, scores, np.stack(maps).mean(axis=0) if len(maps) == len(alone) else None)
