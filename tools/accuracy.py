#!/usr/bin/env python
"""How accurate the recipe is, and what each of its pieces gives: independent trainings, each with one JSON document.

    tools/accuracy.py --data SET=FOLDER ... --work FOLDER [--configuration default ...] [--seed 0 ...]
                      [--preset quick|full] [--equalise SET ...] [--steps N]

A job is a set, a configuration, a preset and a seed; its document is OUT/SET-CONFIGURATION[-full]-SEED.json. A job
whose document is there is not done again, unless that is of an older form. A training that was kept is not done
again, only judged; one that was stopped goes on. OUT/SET[-full]-seeds.json is what a set's trainings say together.
Sets of --equalise are trained and judged a second time, as SET_equalised, with every image scaled to one brightness
of the background. tools/accuracy_results.py makes the tables.

Configurations: the default recipe, and ablations, which change network or training from outside; the product has
no switch for them. Needs the extras train and report.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accuracy_equalised import LEVEL, write_equalised
from accuracy_job import Job
from accuracy_jobs import Changes, do, sum_up
from accuracy_seeds import LATE, RECIPE

from radar_edge.benchmark.ablations import (
    mean_fusion,
    texture_alone,
    unchanged,
    without_alignment,
    without_discrepancy,
    without_dropout,
    without_texture,
)
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.config import validate
from radar_edge.data.layouts import Dataset, index
from radar_edge.errors import RadarEdgeError, UsageError
from radar_edge.training import train as training

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
LEAKING = ("mvtec_screw",)
"""Sets whose brightness tells the label: equalised where --equalise says nothing."""


def changes(configuration: str) -> Changes:
    own = configuration in TRAINED
    judging = unchanged if configuration == LATE else (TRAINED | REJUDGED)[configuration]
    return Changes(TRAINED.get(configuration, unchanged), judging, configuration if own else RECIPE)


@dataclass(frozen=True)
class Set:
    """An image folder under a name; `equalised_to` as in accuracy_jobs.Job."""

    name: str
    folder: Path
    equalised_to: int | None = None


def named_folders(pairs: Sequence[str]) -> dict[str, str]:
    """Raises UsageError unless each is SET=FOLDER, with a name that files can have and that stands once."""
    found: dict[str, str] = {}
    for name, _, folder in (pair.partition("=") for pair in pairs):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name) or not folder or name in found:
            raise UsageError(
                "a set needs a name of its own and a folder",
                found=" ".join(pairs),
                wanted="--data SET=FOLDER, each SET once, of letters, digits, _ and -",
            )
        found[name] = folder
    return found


def sets_of(pairs: Sequence[str], equalise: Sequence[str] | None, work: Path) -> list[Set]:
    """The named folders, and after each of `equalise` (None: LEAKING) its equalised copy, which need not exist yet."""
    folders = named_folders(pairs)
    if unknown := sorted(set(equalise or ()) - folders.keys()):
        raise UsageError("--equalise names no set of --data", found=", ".join(unknown), wanted=", ".join(folders))
    found = []
    for name, folder in folders.items():
        found.append(Set(name, Path(folder)))
        if name in (LEAKING if equalise is None else equalise):
            found.append(Set(f"{name}_equalised", work / f"{name}_equalised", LEVEL))
    return found


def opened(chosen: Set, all_sets: Sequence[Set]) -> Dataset:
    """The set's index; an equalised copy is made first where it is not there."""
    if chosen.equalised_to is not None and not chosen.folder.exists():
        (source,) = (one for one in all_sets if f"{one.name}_equalised" == chosen.name)
        write_equalised(source.folder, chosen.folder)
    return index(chosen.folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", action="append", required=True, metavar="SET=FOLDER")
    parser.add_argument("--work", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results/accuracy"))
    names = [*TRAINED, *REJUDGED, LATE]
    parser.add_argument("--configuration", nargs="+", choices=names, default=[RECIPE])
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--preset", choices=list(training.PRESETS), default="quick")
    parser.add_argument(
        "--equalise", nargs="*", metavar="SET", help=f"sets that leak the label; if not given: {' '.join(LEAKING)}"
    )
    parser.add_argument("--steps", type=int, help="fewer than the preset's, to try the tool")
    return parser.parse_args()


def jobs_of(chosen: argparse.Namespace, one: Set, dataset: Dataset) -> list[Job]:
    preset = training.preset_for(chosen.preset, dataset)
    steps = {} if chosen.steps is None else {"steps": chosen.steps}

    def config(seed: int) -> training.TrainConfig:
        return validate(training.TrainConfig, {**preset, **steps, "seed": seed}, "the command")

    return [
        Job(one.name, configuration, config(seed), chosen.work, chosen.out, one.equalised_to)
        for seed in chosen.seed
        for configuration in chosen.configuration
    ]


def do_all(jobs: Sequence[Job], dataset: Dataset) -> None:
    """Those that are not done yet."""
    threads = torch.get_num_threads()
    for job in jobs:
        if not job.is_done:
            print(f"{job.document.stem}", flush=True)
            torch.set_num_threads(threads)
            with progress_bar() as bar:
                do(job, dataset, changes(job.configuration), shower(bar))
    torch.set_num_threads(threads)


def main() -> None:
    chosen = arguments()
    try:
        sets = sets_of(chosen.data, chosen.equalise, chosen.work)
        datasets = [opened(one, sets) for one in sets]
        planned = [jobs_of(chosen, one, dataset) for one, dataset in zip(sets, datasets, strict=True)]
        for jobs, dataset in zip(planned, datasets, strict=True):
            do_all(jobs, dataset)
            sum_up(jobs[0])
    except RadarEdgeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
