"""One job of tools/accuracy.py: train as far as needed, judge, and say what was found in one document.

Knows where a job's files are. How a configuration changes the network or the training comes as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy_controls import add_controls
from accuracy_job import SCHEMA_VERSION, Job, documents_of, head, with_seed
from accuracy_judging import STRATA, AllJudged, Verdicts, figures, in_the_dark, judge_run, placeholders, runners_of
from accuracy_seeds import LATE, RECIPE, Scores, over_seeds, read_scores, write_scores

from radar_edge import files
from radar_edge.data.dataset import hold_out
from radar_edge.data.layouts import Dataset
from radar_edge.errors import UsageError
from radar_edge.evaluation.evaluate import Judged, Progress
from radar_edge.evaluation.measure import separation
from radar_edge.modality import Subset
from radar_edge.training import train as training
from radar_edge.training.checkpoint import DOCUMENT, STATE, TrainedRun, load_run

PLACEHOLDER = "a11-placeholder"
Change = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Changes:
    """What a configuration changes while it trains and while it judges, and whose training it judges with."""

    training: Change
    judging: Change
    trained_as: str


def fit(dataset: Dataset, folder: Path, config: training.TrainConfig, progress: Progress) -> TrainedRun:
    """The training that is kept in `folder`, made or finished as needed.

    Raises UsageError if it is one of another configuration, or of other images.
    """
    if not (folder / DOCUMENT).is_file():

        def report(now: training.Progress) -> None:
            progress("train", now.step, now.steps)

        training.train(dataset, folder, config, resume=(folder / STATE).is_file(), report=report)
    run = load_run(folder)
    # What a training of before has no key for, it did as the default does now.
    said = {**training.TrainConfig().model_dump(mode="json"), **run.document["config"]}
    wanted = config.model_dump(mode="json")
    other = {key: said[key] for key in wanted if said[key] != wanted[key]}
    if other:
        raise UsageError(
            f"{folder} holds a training with another configuration",
            found=", ".join(f"{key} {value}" for key, value in sorted(other.items())),
            wanted=", ".join(f"{key} {wanted[key]}" for key in sorted(other)),
            next_step="name another folder with --work, or remove it",
        )
    if run.document["data_sha256"] != training.data_digest(*hold_out(dataset, seed=config.seed)):
        raise UsageError(
            f"{folder} holds a training on other good parts than {dataset.root} has",
            next_step="name another folder with --work, or remove it",
        )
    return run


def late_fusion(dataset: Dataset, job: Job, progress: Progress) -> tuple[dict[str, Any], AllJudged]:
    """Figures of the fused scores; a modality alone is a detector of its own, whose map is its own too.

    Raises UsageError, before any training, if a test part lacks a modality: its scores could not be fused.
    """
    if lacking := [s.key for s in dataset.select("test") if len(s.paths) < len(dataset.modalities)]:
        raise UsageError(
            f"late fusion needs test parts with every modality of {dataset.root}",
            found=f"{len(lacking)} without, among them {lacking[0]}",
            next_step=f"leave out {LATE}",
        )
    standard: list[list[Judged]] = []
    found: dict[str, Any] = {}
    tested: dict[Subset, list[Judged]] = {}
    for name in dataset.modalities:
        alone, subset = only(dataset, name), Subset((name,))
        run = fit(alone, job.run(LATE) / name, job.config, progress)
        torch.set_num_threads(1)
        verdicts = judge_run(alone, run, runners_of(run), progress)
        found |= figures(verdicts, progress)
        scores = [part.score for part in verdicts.held_out[subset]]
        tested[subset] = list(verdicts.tested[subset])
        standard.append([replace(p, score=float((p.score - np.mean(scores)) / np.std(scores))) for p in tested[subset]])
    fused = [replace(parts[0], score=float(np.mean([p.score for p in parts]))) for parts in zip(*standard, strict=True)]
    subset = Subset(dataset.modalities)
    found[subset.slug] = {**separation("image_auroc", fused), "validation_image_auroc": None}
    return {"subsets": found}, {**tested, subset: fused}


def only(dataset: Dataset, name: str) -> Dataset:
    """The same parts, seen by one camera."""
    samples = tuple(
        replace(s, paths={name: s.paths[name]}, masks={k: m for k, m in s.masks.items() if k == name})
        for s in dataset.samples
        if name in s.paths
    )
    declared = {key: value for key, value in dataset.declared.items() if key == name}
    return replace(dataset, modalities=(name,), specs={name: dataset.specs[name]}, samples=samples, declared=declared)


def do(job: Job, dataset: Dataset, changes: Changes, progress: Progress) -> None:
    """Write the job's document, and before it the scores of the test parts."""
    if job.configuration == LATE:
        found, tested = late_fusion(dataset, job, progress)
    else:
        found, tested = measure(dataset, job, changes, progress)
    write_scores(job.scores, tested, STRATA)
    files.write_json(job.document, {**head(job), **found})


def measure(dataset: Dataset, job: Job, changes: Changes, progress: Progress) -> tuple[dict[str, Any], AllJudged]:
    """Train as far as needed, and judge: what the document says, and the test parts."""
    with changes.training():
        run = fit(dataset, job.run(changes.trained_as), job.config, progress)
    torch.set_num_threads(1)
    with changes.judging():
        runners = placeholders(run) if job.configuration == PLACEHOLDER else runners_of(run)
        verdicts = judge_run(dataset, run, runners, progress)
        return described(job, verdicts, progress), verdicts.tested


def described(job: Job, verdicts: Verdicts, progress: Progress) -> dict[str, Any]:
    run = verdicts.run
    document = {
        "subsets": figures(verdicts, progress),
        **in_the_dark(verdicts, progress),
        "weights_sha256": run.weights_sha256,
        "train_seconds": run.document["seconds"],
        "train_machine": run.document["machine"],
    }
    if job.configuration == RECIPE:
        add_controls(document, verdicts, progress)
    return document


def sum_up(job: Job) -> None:
    """The document over the seeds of the job's set and preset, from the scores that are kept in the work folder.

    Left as it is, which is then said, where a document of a training has no scores there: figures of some of the
    trainings must not stand for all.
    """
    found: dict[str, dict[int, dict[str, Scores]]] = {}
    lacking = []
    for document in documents_of(job):
        one = replace(job, configuration=document["configuration"], config=with_seed(job.config, document["seed"]))
        scores = read_scores(one.scores)
        if scores is None:
            lacking.append(one.document.stem)
        else:
            found.setdefault(one.configuration, {})[one.config.seed] = scores
    if lacking:
        print(f"{job.over_seeds.name} stays as it is: no scores in {job.work} of {', '.join(lacking)}")
    elif found:
        about = {"schema_version": SCHEMA_VERSION, "kind": "seeds", "set": job.set, "preset": job.config.preset}
        files.write_json(job.over_seeds, {**about, **over_seeds(found)})
