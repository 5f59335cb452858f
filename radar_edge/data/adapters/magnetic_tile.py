"""Magnetic tile defects (Huang, Qiu, Yuan 2020): rgb, and on request a second exposure as exp2. Knows no other set.

    MT_{Blowhole,Break,Crack,Fray,Uneven,Free}/Imgs/exp<k>_num_<n>.{jpg,png}      png = the mask

n is not a tile's number: it runs through all 1344 pictures, each once. What it tells: the camera took a tile under
exposures exp1 to exp6 in a row, n rising by 10 to 50 from one to the next, and the next tile mostly follows hundreds
later. So pictures closer than GROUP_GAP in n are one group: they stay in one split. Groups with a defect are test;
of the others 60 % are train, 20 % validation, 20 % test, by their names and the seed alone. Some look-alikes further
apart remain in two splits: tiles of one kind.

With `second_exposure` two neighbours of a row are one part. A row ends where k does not rise or n jumps by more than
TILE_GAP; every crop is of its own size, so each pair is scaled alike and registered (phase correlation): a pair that
is shifted by more than `max_shift_px` or has no clear peak is refused. LEAST_PEAK: on copies of at most 384 px,
neighbours of one tile have a median peak of 0.53, pictures of different tiles one of 0.04 (95 % stay below 0.09).
Of one good and one defective label the defect counts, visible in its own exposure alone; two different defects are
refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from radar_edge.data.adapters.plan import Adapter, Findings, Options, Part, Plan, Progress, Source
from radar_edge.data.adapters.registration import shift_of
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import GOOD, subfolders
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image

FREE = "MT_Free"
NAME = re.compile(r"exp(\d)_num_(\d+)\Z")
GROUP_GAP, TILE_GAP = 500, 150
LEAST_PEAK = 0.15
SHARES = {"train": 0.6, "validation": 0.8, "test": 1.0}
"""Of the groups without a defect, summed up."""
BOTH = ("rgb", "exp2")


@dataclass(frozen=True)
class Shot:
    """One picture of a tile, and its mask where the tile is defective."""

    number: int
    exposure: int
    cls: str
    path: Path
    mask: Path | None


def holds(folder: Path) -> bool:
    return (folder / FREE / "Imgs").is_dir()


def plan(root: Path, options: Options, progress: Progress) -> Plan:
    found = Findings(root, options)
    shots = sorted(read_shots(root, found), key=lambda shot: shot.number)
    groups = list(runs(shots, lambda a, b: b.number - a.number <= GROUP_GAP))
    splits = splits_of(groups, options.seed)
    parts = []
    shifts: list[float] = []
    for done, (group, split) in enumerate(zip(groups, splits, strict=True), 1):
        tiles = paired(group, options, found, shifts) if options.second_exposure else [(shot,) for shot in group]
        parts += [part(tile, split, name_of(group)) for tile in tiles]
        progress("plan", done, len(groups))
    if shifts:
        middle, high = np.percentile(shifts, [50, 95])
        found.notes.append(
            f"registration of {len(shifts)} pairs: shift of {middle:.1f} px in the middle, {high:.1f} px at 95 %, "
            f"{max(shifts):.1f} px at most"
        )
    names = BOTH if options.second_exposure else BOTH[:1]
    return found.plan({name: DeclaredModality() for name in names}, parts)


def read_shots(root: Path, found: Findings) -> Iterator[Shot]:
    for folder in subfolders(root):
        if not folder.name.startswith("MT_") or not (folder / "Imgs").is_dir():
            found.notes.append(f"{folder.name} was left out: it is no MT_<class>/Imgs")
            continue
        cls = GOOD if folder.name == FREE else folder.name.removeprefix("MT_").lower()
        found.strangers(folder / "Imgs", (".jpg", ".png"))
        files = sorted((folder / "Imgs").iterdir())
        masks = {path.stem: path for path in files if path.suffix.lower() == ".png"}
        pictures = {path.stem: path for path in files if path.suffix.lower() == ".jpg"}
        found.unused(masks, set(pictures))
        for stem, path in pictures.items():
            match = NAME.match(stem)
            if match is None:
                found.faults.append(f"{found.name(path)} is not exp<k>_num_<n>.jpg")
                continue
            if stem not in masks and cls != GOOD:
                found.missing(f"{found.name(path)[:-4]}.png is missing: the part has no mask")
            yield Shot(int(match[2]), int(match[1]), cls, path, masks.get(stem) if cls != GOOD else None)


def runs(shots: Sequence[Shot], goes_on: Callable[[Shot, Shot], bool]) -> Iterator[list[Shot]]:
    """Neighbours as long as `goes_on(earlier, later)`."""
    run = list(shots[:1])
    for earlier, later in pairwise(shots):
        if not goes_on(earlier, later):
            yield run
            run = []
        run.append(later)
    if run:
        yield run


def name_of(group: Sequence[Shot]) -> str:
    return f"n{group[0].number}"


def splits_of(groups: Sequence[Sequence[Shot]], seed: int) -> list[str]:
    """The split of each group."""
    good = [name_of(group) for group in groups if all(shot.cls == GOOD for shot in group)]
    order = sorted(good, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    split = {
        name: next(split for split, share in SHARES.items() if place < share * len(order))
        for place, name in enumerate(order)
    }
    return [split.get(name_of(group), "test") for group in groups]


def paired(group: Sequence[Shot], options: Options, found: Findings, shifts: list[float]) -> Iterator[tuple[Shot, ...]]:
    """Pairs of exposures; a picture that stays alone is missing its second exposure."""
    for row in runs(group, lambda a, b: b.exposure > a.exposure and b.number - a.number <= TILE_GAP):
        for first, second in zip(row[::2], [*row[1::2], None], strict=False):
            refusal = refused(first, second, options.max_shift_px, shifts)
            if refusal is None and second is not None:
                yield first, second
                continue
            for shot in (first, second):
                if shot is not None:
                    found.missing(f"{found.name(shot.path)} has no second exposure: {refusal}")
                    yield (shot,)


def refused(first: Shot, second: Shot | None, most_px: float, shifts: list[float]) -> str | None:
    """Why these are no pair; None if they are one."""
    if second is None:
        return "no neighbour is of the same tile"
    if first.cls != second.cls and GOOD not in (first.cls, second.cls):
        return f"one picture is labelled {first.cls}, the other {second.cls}"
    try:
        shift_px, peak = shift_of(read_image(first.path), read_image(second.path))
    except DatasetError as error:
        return f"{error.problem} ({error.found})"
    if peak < LEAST_PEAK:
        return f"{second.path.stem} does not look like the same tile (peak {peak:.2f}, wanted {LEAST_PEAK})"
    if shift_px > most_px:
        return f"{second.path.stem} is shifted by {shift_px:.1f} px (at most {most_px:g})"
    shifts.append(shift_px)
    return None


def part(tile: tuple[Shot, ...], split: str, group: str) -> Part:
    bad = [(name, shot) for name, shot in zip(BOTH, tile, strict=False) if shot.cls != GOOD]
    masks = {name: Source(shot.mask) for name, shot in bad if shot.mask is not None}
    return Part(
        split,
        bad[0][1].cls if bad else GOOD,
        tile[0].path.stem,
        {name: Source(shot.path) for name, shot in zip(BOTH, tile, strict=False)},
        # The two crops differ in size, so there is no union mask of a pair.
        mask=masks["rgb"] if len(tile) == 1 and masks else None,
        masks=masks if len(tile) == 2 else {},
        group=group,
        visible_in="_".join(name for name, _ in bad) if len(tile) == 2 else "",
    )


ADAPTER = Adapter(
    "MT_Free/Imgs/exp<k>_num_<n>.jpg and MT_<defect>/Imgs/exp<k>_num_<n>.{jpg,png}",
    holds,
    plan,
    frozenset({"seed", "second_exposure", "max_shift_px"}),
)
