"""The kinds of benchmark: which second modality each has, and the image folder that every method reads.

    miiad        a set of two modalities or more as it is
    mi-mvtec     MVTec AD with a high-passed copy of each picture (derived), MVTec 3D-AD with its depth
    mi-mt        magnetic tiles: the next exposure of the same tile (see second_modality)
    mi-toycar    recordings with several channels, a modality each (data.adapters.toyadmos)

A folder in the product's layout keeps its splits, groups and masks; a published layout is read by its adapter. What
is made of either is written once into the work folder. Knows no method and no figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radar_edge import files
from radar_edge.benchmark.second_modality import BLUR_SHARE, DERIVED, with_high_passed, with_next_exposure
from radar_edge.data.adapters.importing import plan_sets, write_sets
from radar_edge.data.adapters.plan import Options, Part, Plan, Progress, Source
from radar_edge.data.adapters.table import adapter
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import Dataset, Sample, index
from radar_edge.errors import DatasetError, UsageError


@dataclass(frozen=True)
class Prepared:
    """The parts of a benchmark. `derived`: modalities that are another view of the first, not a sensor of their own."""

    dataset: Dataset
    derived: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """`published`: adapters whose layouts are understood. `second` makes a second modality of a plan with one."""

    published: tuple[str, ...]
    second: Callable[[Path, Plan, Progress], Plan] | None
    """(the plan's folder, the plan, progress) -> a plan with two modalities."""
    wanted: str


KINDS = {
    "miiad": Kind(("mulsen-ad", "eyecandies", "mvtec-3d-ad"), None, "a folder with two modalities or more"),
    "mi-mvtec": Kind(("mvtec-3d-ad", "mvtec-ad"), with_high_passed, "MVTec AD, MVTec 3D-AD or a folder with rgb"),
    "mi-mt": Kind(
        ("magnetic-tile",), with_next_exposure, "magnetic tiles named exp<k>_num_<n>, or a folder with two modalities"
    ),
    "mi-toycar": Kind(("toyadmos",), None, "recordings with several channels, or a folder with two modalities"),
}


def kind_of(name: str) -> Kind:
    """Raises UsageError that lists the kinds."""
    if name not in KINDS:
        raise UsageError("there is no such kind of benchmark", found=name, wanted=", ".join(KINDS))
    return KINDS[name]


def prepare(name: str, data: Path, work: Path, progress: Progress = lambda *_: None) -> Prepared:
    """The set of benchmark `name` in `data`; made in `work` unless the folder can be used as it is.

    Raises DatasetError with what is wrong with the folder, or that there is no second modality.
    """
    kind = kind_of(name)
    if not data.is_dir():
        raise DatasetError(f"{data} is no folder", wanted=kind.wanted)
    layout = next((one for one in kind.published if adapter(one).holds(data)), None)
    if layout is None:
        dataset = index(data)
        if len(dataset.modalities) > 1:
            return checked(Prepared(dataset, (), ()))
        if kind.second is None:
            raise no_second(data, dataset.modalities, kind)
    target = work / f"set-{listing(name, data)[:12]}"
    about = target.with_suffix(".json")
    if not about.is_file():
        plan = planned(kind, layout, data, progress)
        write_sets(name, {"": plan}, target, progress)
        files.write_json(about, {"notes": list(plan.notes)})
    dataset = index(target)
    notes = json.loads(about.read_text(encoding="utf-8"))["notes"]
    return checked(Prepared(dataset, tuple(one for one in dataset.modalities if one == DERIVED), tuple(notes)))


def planned(kind: Kind, layout: str | None, data: Path, progress: Progress) -> Plan:
    """Complete parts alone, in two modalities or more."""
    if layout is None:
        plan = plan_of(index(data))
    else:
        options = Options(allow_missing=True, second_exposure=layout == "magnetic-tile")
        plans = plan_sets(layout, data, None, options, progress)
        plan = plans[""]
    if len(plan.modalities) == 1:
        if kind.second is None:
            raise no_second(data, tuple(plan.modalities), kind)
        plan = kind.second(data, plan, progress)
    if plan.faults:
        raise DatasetError(f"{data} has {len(plan.faults)} fault(s)", faults=plan.faults[:20], wanted=kind.wanted)
    complete = tuple(part for part in plan.parts if len(part.images) == len(plan.modalities))
    left_out = len(plan.parts) - len(complete)
    note = f"{left_out} of {len(plan.parts)} parts were left out: a modality of theirs is missing"
    # What is missing of which picture is in the adapter's notes, a line a picture: too long for a table.
    kept = tuple(one for one in plan.notes if " has no second exposure: " not in one)
    return replace(plan, parts=complete, notes=(*kept, note) if left_out else kept)


def plan_of(dataset: Dataset) -> Plan:
    """The parts of a folder in the product's own layout."""
    modalities = {name: dataset.declared.get(name, DeclaredModality()) for name in dataset.modalities}
    return Plan(modalities, tuple(part_of(sample) for sample in dataset.samples))


def part_of(sample: Sample) -> Part:
    return Part(
        sample.split,
        sample.cls,
        sample.name,
        {name: Source(path) for name, path in sample.paths.items()},
        mask=Source(sample.mask) if sample.mask is not None else None,
        masks={name: Source(path) for name, path in sample.masks.items()},
        group=sample.group,
        visible_in=sample.visible_in.slug if sample.visible_in is not None else "",
        strata=sample.strata,
    )


def listing(name: str, data: Path) -> str:
    """Digest of what is in a folder: names, sizes and times. Pixels would take minutes of a set of point clouds."""
    rows = sorted((path.relative_to(data).as_posix(), *facts(path)) for path in data.rglob("*") if path.is_file())
    return files.sha256_json([name, BLUR_SHARE, rows])


def facts(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def no_second(data: Path, modalities: Sequence[str], kind: Kind) -> DatasetError:
    return DatasetError(
        f"{data} has no second modality, so none can be missing",
        found=", ".join(modalities),
        wanted=kind.wanted,
        next_step="name another folder or another kind: mi-mvtec derives a second view, mi-mt pairs exposures",
    )


def checked(prepared: Prepared) -> Prepared:
    """Raises DatasetError unless test parts with every modality are there, good and defective."""
    complete = list(complete_parts(prepared.dataset.select("test"), prepared.dataset.modalities))
    good = sum(sample.is_good for sample in complete)
    if not 0 < good < len(complete):
        raise DatasetError(
            f"the test parts of {prepared.dataset.root} cannot rank detectors",
            found=f"{good} good and {len(complete) - good} defective parts with all of "
            + ", ".join(prepared.dataset.modalities),
            wanted="at least one of each in test/",
        )
    return prepared


def complete_parts(samples: Sequence[Sample], modalities: Sequence[str]) -> Iterator[Sample]:
    return (sample for sample in samples if all(name in sample.paths for name in modalities))
