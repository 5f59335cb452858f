"""What an adapter says of a foreign data set, before anything is written. Knows no data set.

A part's image is a file that is copied as it is, or a file and the function that makes an image of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import ENDINGS, images
from radar_edge.records import Image

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, steps done, and steps in all."""


@dataclass(frozen=True)
class Source:
    """One file to become one image. Without `convert` its bytes are copied."""

    path: Path
    convert: Callable[[Path], Image] | None = None


@dataclass(frozen=True)
class Part:
    """One part as it will stand in the folder; the fields are those of data.layouts.Sample."""

    split: str
    cls: str
    name: str
    images: Mapping[str, Source]
    mask: Source | None = None
    masks: Mapping[str, Source] = field(default_factory=dict)
    group: str = ""
    visible_in: str = ""
    strata: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.split}/{self.cls}/{self.name}"


@dataclass(frozen=True)
class Options:
    """What the user asks of an adapter. Those of one adapter alone stand in its `Adapter.options`."""

    allow_missing: bool = False
    seed: int = 0
    second_exposure: bool = False
    max_shift_px: float = 5.0


@dataclass(frozen=True)
class Plan:
    """One data set: its modalities in order, its parts, what is wrong, and what was left out and why."""

    modalities: Mapping[str, DeclaredModality]
    parts: tuple[Part, ...]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """`holds` says whether a folder is one data set of this kind; `wanted` is its layout in one line."""

    wanted: str
    holds: Callable[[Path], bool]
    plan: Callable[[Path, Options, Progress], Plan]
    options: frozenset[str] = frozenset()


class Findings:
    """Faults and notes of one data set, as an adapter meets them."""

    def __init__(self, root: Path, options: Options) -> None:
        self.root = root
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._missing = self.notes if options.allow_missing else self.faults

    def missing(self, text: str) -> None:
        """Something that a part should have. A fault, unless the user allows it."""
        self._missing.append(text)

    def images(self, folder: Path) -> dict[str, Path]:
        """Name without ending -> file; none if the folder is absent."""
        self.strangers(folder, ENDINGS)
        return images(self.root, folder, self.faults)

    def strangers(self, folder: Path, endings: Collection[str]) -> None:
        """A fault for each file of another kind. Hidden ones are not looked at."""
        if folder.is_dir():
            self.faults += [
                f"{self.name(path)} is none of {', '.join(sorted(endings))}"
                for path in sorted(folder.iterdir())
                if not path.name.startswith(".") and path.suffix.lower() not in endings
            ]

    def pairs(self, folders: Mapping[str, Path]) -> Iterator[tuple[str, dict[str, Source]]]:
        """Every name that any modality's folder has, with the files behind it; what one lacks is missing."""
        files = {name: self.images(folder) for name, folder in folders.items()}
        for stem in sorted(set().union(*files.values()), key=by_number):
            for name, folder in folders.items():
                if stem not in files[name]:
                    self.missing(f"{self.name(folder)}/{stem} is missing: there is no {name} image of this part")
            yield stem, {name: Source(found[stem]) for name, found in files.items() if stem in found}

    def unused(self, files: Mapping[str, Path], used: set[str]) -> None:
        """Masks that belong to no image."""
        self.faults += [f"{self.name(path)} is a mask without an image" for s, path in files.items() if s not in used]

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def plan(self, modalities: Mapping[str, DeclaredModality], parts: list[Part]) -> Plan:
        return Plan(modalities, tuple(parts), tuple(self.faults), tuple(self.notes))


def by_number(stem: str) -> tuple[int, str]:
    """Numbers in their own order, before other names."""
    return (int(stem), stem) if stem.isdecimal() else (1 << 62, stem)
