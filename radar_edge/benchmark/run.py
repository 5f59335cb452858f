"""The order of a benchmark's work: for each seed and condition of training every method once, then its cells.

Stoppable anywhere: trainings go on, verdicts and cells that are there are not made again. Knows no screen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import Field

from radar_edge.benchmark import peer_call, protocol
from radar_edge.benchmark.ablations import VARIANTS
from radar_edge.benchmark.cells import (
    Cell,
    Setting,
    Tested,
    cell_digest,
    cell_path,
    complete_settings,
    measure,
    read_cell,
    write_cell,
)
from radar_edge.benchmark.kinds import Prepared, complete_parts
from radar_edge.benchmark.peer_method import PeerMethod
from radar_edge.benchmark.plain_images import PlainImages
from radar_edge.benchmark.radar_method import RadarMethod
from radar_edge.benchmark.scored import Digests, Task, Verdicts
from radar_edge.config import Config
from radar_edge.data.layouts import Dataset
from radar_edge.errors import ConfigError, UsageError
from radar_edge.evaluation.evaluate import Progress
from radar_edge.evaluation.missing import RATES, kinds_of_loss
from radar_edge.evaluation.trust import check_unseen
from radar_edge.modality import Subset
from radar_edge.training.train import TrainConfig

COMPLETE = "complete"
TRAIN_RATE = 0.7
"""Of the condition in which parts lose images in training, too: one modality or the other."""
PEER_STRIDE_PX, EFFICIENTAD_PX = 32, 256
"""Of the external detectors' networks: peers.seam and peers.efficientad, which are not importable here."""
QUICK_STEPS, QUICK_PEER_STEPS, QUICK_FIT_PARTS = 240, 60, 200


class Settings(Config):
    """What is trained and asked. `quick` only says that less was: see quickened."""

    recipe: TrainConfig = Field(description="of RADAR; its size_px is every method's")
    quick: bool = False
    peer_steps: int | None = Field(default=None, ge=1, description="of external detectors that train; null: their own")
    fit_parts: int | None = Field(default=None, ge=2, description="most good parts for an external detector")
    seeds: tuple[int, ...] = Field(default=protocol.SEEDS, min_length=1)
    rates: tuple[float, ...] = Field(default=RATES, min_length=1)
    lose_in_training: bool = True


def quickened(settings: Settings) -> Settings:
    """A quarter of an hour on two cores: few steps, one seed, no losses in training."""
    steps = min(settings.recipe.steps, QUICK_STEPS)
    return settings.model_copy(
        update={
            "quick": True,
            "recipe": settings.recipe.model_copy(update={"steps": steps}),
            "peer_steps": min(settings.peer_steps or QUICK_PEER_STEPS, QUICK_PEER_STEPS),
            "fit_parts": QUICK_FIT_PARTS,
            "seeds": settings.seeds[:1],
            "lose_in_training": False,
        }
    )


class Method(Protocol):
    """A detector in whatever form. `digest` is of all that its verdicts depend on, and costs no training."""

    @property
    def name(self) -> str: ...

    def digest(self, task: Task) -> str: ...

    def verdicts(self, task: Task, progress: Progress) -> Verdicts: ...


@dataclass(frozen=True)
class Bench:
    """A prepared set and where things are kept. `say` is told what is done."""

    prepared: Prepared
    settings: Settings
    work: Path
    out: Path
    progress: Progress = lambda *_: None
    say: Callable[[str], None] = lambda _: None


def check_environment(names: Sequence[str], python: Path) -> None:
    """Raises MachineError without the environment of external detectors, where any is asked for."""
    if any(name not in VARIANTS for name in names):
        peer_call.check_python(python)


def check_peers(names: Sequence[str], size_px: int, weights: Collection[str]) -> None:
    """Raises UsageError for what external detectors would refuse hours later, when it is their turn."""
    if size_px % PEER_STRIDE_PX and any(name not in VARIANTS for name in names):
        raise UsageError(
            "the external detectors cannot use this size",
            found=f"{size_px} px",
            wanted=f"a multiple of {PEER_STRIDE_PX}",
            next_step="another size_px in --config, or --method radar",
        )
    if "efficientad" in names and size_px < EFFICIENTAD_PX:
        raise UsageError(
            "the images are too small for EfficientAD",
            found=f"{size_px} px",
            wanted=f"{EFFICIENTAD_PX} px",
            next_step="--preset full, or a larger size_px in --config",
        )
    if "efficientad" in names and "efficientad" not in weights:
        raise UsageError(
            "EfficientAD starts from a teacher, which is a file of yours",
            found="no --weights efficientad=FILE",
            next_step="name the file, or leave EfficientAD out",
        )


def methods_of(names: Sequence[str], bench: Bench, python: Path, weights: Mapping[str, Path]) -> list[Method]:
    """RADAR, its variants and external detectors by name; of the latter some start from `weights`."""
    settings, digests = bench.settings, Digests()
    images = PlainImages(bench.prepared.dataset, settings.recipe.size_px, bench.work, digests)
    own = {name: RadarMethod(name, VARIANTS[name], settings.recipe, bench.work, digests) for name in VARIANTS}

    def peer(name: str) -> PeerMethod:
        return PeerMethod(
            name,
            images,
            bench.work,
            digests,
            python,
            script=peer_call.JUDGE,
            steps=settings.peer_steps,
            fit_parts=settings.fit_parts,
            weights=weights.get(name),
        )

    return [own[name] if name in own else peer(name) for name in names]


def conditions(bench: Bench, seed: int) -> Iterator[tuple[str, Dataset, list[Setting]]]:
    """(condition of training, what is left to learn from, what is asked of the detectors)."""
    dataset, settings = bench.prepared.dataset, bench.settings
    whole = Subset(dataset.modalities)
    kinds = [missing for missing, _ in kinds_of_loss(dataset.modalities)]
    lost = [
        Setting(whole, drawn(bench, protocol.Case(rate=rate, missing=missing, splits=("test",), seed=seed)))
        for missing in kinds
        for rate in settings.rates
    ]
    yield COMPLETE, dataset, [*complete_settings(dataset.modalities), *lost]
    if settings.lose_in_training:
        case = protocol.Case(rate=TRAIN_RATE, missing=kinds[-1], splits=("train", "test"), seed=seed)
        table = drawn(bench, case)
        left = replace(dataset, samples=protocol.lose(dataset.samples, table))
        yield case.slug.rpartition("-")[0], left, [Setting(whole, table)]


def drawn(bench: Bench, case: protocol.Case) -> protocol.Assignment:
    """The case's table, kept beside the results. Raises ConfigError if the one that is there is of another set."""
    dataset, path = bench.prepared.dataset, bench.out / "losses" / f"{case.slug}.json"
    table = protocol.assign(dataset.samples, dataset.modalities, case)
    if not path.is_file():
        protocol.write(table, path)
    elif protocol.read(path) != table:
        raise ConfigError(
            f"{path} is the table of another data set",
            next_step="name another folder with --out, or remove that one",
        )
    return table


def run(bench: Bench, methods: Sequence[Method]) -> list[Cell]:
    """Every cell, those of earlier runs too. Raises DatasetError if test images were trained on."""
    dataset = bench.prepared.dataset
    check_unseen(dataset)
    tested = Tested(tuple(complete_parts(dataset.select("test"), dataset.modalities)), dataset.modalities)
    cells: list[Cell] = []
    for seed in bench.settings.seeds:
        for condition, left, settings in conditions(bench, seed):
            task = Task(condition, seed, left, tested.parts)
            for method in methods:
                cells += cells_of(bench, method, task, tested, settings)
    return cells


def cells_of(bench: Bench, method: Method, task: Task, tested: Tested, settings: Sequence[Setting]) -> list[Cell]:
    """Of one method in one condition; it is asked only if a cell is not there yet."""
    known = method.digest(task)
    cells = []
    verdicts: Verdicts | None = None
    name = f"{method.name}, {task.condition}, seed {task.seed}"
    for done, setting in enumerate(settings, 1):
        digest = cell_digest(method.name, setting, task, tested, known)
        path = cell_path(bench.work, method.name, setting, task.seed, digest)
        cell = read_cell(path, digest)
        if cell is None:
            if verdicts is None:
                verdicts = method.verdicts(task, bench.progress)
            cell = measure(method.name, setting, task, tested, verdicts, digest)
            write_cell(path, cell)
        bench.progress(f"figures of {name}", done, len(settings))
        cells.append(cell)
    hours = sum(cost.cpu_seconds for cost in cells[0].costs.values()) / 3600
    bench.say(f"{name}: {len(cells)} cells, {hours:.2f} CPU hours" + ("" if verdicts else ", all known before"))
    return cells
