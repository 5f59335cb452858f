"""Image folders as validated samples. Knows the folder convention, reads no pixels beyond what it must.

The convention is MVTec 3D-AD's: `<split>/<class>/<modality>/<name>.<ext>`, `gt/` = union mask at the first
modality's size, `gt_<modality>/` = mask of what that modality shows. Optional files beside the splits:

    samples.csv    split, cls, name; optional group (never split), visible_in (a slug); other columns are strata
    dataset.yaml   modalities: {tir: {bit_depth: 16, channels: 1, unit: ..., scale: ..., offset: ...}, ...} in order
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from radar_edge.config import Config, load_config
from radar_edge.errors import DatasetError, UsageError
from radar_edge.modality import Subset, check_modalities, subset_from_slug
from radar_edge.preprocess import read_image
from radar_edge.records import Image

SPLITS = ("train", "validation", "test")
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
GOOD = "good"
MASKS = "gt"
COLUMNS = ("split", "cls", "name", "group", "visible_in")
SPEC_IMAGES = 8
"""As many images of train/good are decoded to learn a modality's depth and channels."""


@dataclass(frozen=True)
class ModalitySpec:
    """What one modality's images are. Height and width are the first image's: sizes may differ."""

    channels: int
    bit_depth: int
    height: int
    width: int


@dataclass(frozen=True)
class Sample:
    """One part, seen by one or more cameras."""

    split: str
    cls: str
    name: str
    paths: Mapping[str, Path]
    mask: Path | None = None
    masks: Mapping[str, Path] = field(default_factory=dict)
    group: str = ""
    visible_in: Subset | None = None
    strata: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.split}/{self.cls}/{self.name}"

    @property
    def is_good(self) -> bool:
        return self.cls == GOOD


class DeclaredModality(Config):
    """What dataset.yaml says of one modality. value = raw * scale + offset, in `unit`."""

    channels: int | None = Field(default=None, ge=1, le=4)
    bit_depth: int | None = None
    unit: str | None = None
    scale: float | None = Field(default=None, gt=0)
    offset: float = 0.0


class DatasetFile(Config):
    """dataset.yaml: the modalities in the model's order."""

    modalities: dict[str, DeclaredModality]


@dataclass(frozen=True)
class Dataset:
    """An indexed image folder."""

    root: Path
    modalities: tuple[str, ...]
    specs: Mapping[str, ModalitySpec]
    samples: tuple[Sample, ...]
    declared: Mapping[str, DeclaredModality] = field(default_factory=dict)

    def select(self, split: str, good: bool | None = None) -> tuple[Sample, ...]:
        """The samples of one split: all, the good ones, or the defective ones."""
        return tuple(s for s in self.samples if s.split == split and (good is None or s.is_good is good))


def index(root: Path) -> Dataset:
    """Read the folder's structure. Raises DatasetError with every fault of the structure at once."""
    check_root(root)
    declared = read_declared(root)
    modalities = find_modalities(root, declared)
    faults: list[str] = []
    rows = read_rows(root, modalities, faults)
    samples = [s for folder in class_folders(root) for s in class_samples(folder, modalities, rows)]
    known = {sample.key for sample in samples}
    faults += [f"samples.csv: {key} has no image" for key in rows if key not in known]
    if rows:
        faults += [f"{s.key} has no row in samples.csv" for s in samples if s.key not in rows]
    if faults:
        raise DatasetError(f"{root} has {len(faults)} fault(s)", faults=shortened(faults), next_step="mend them all")
    specs = {name: find_spec(name, samples, declared.get(name)) for name in modalities}
    return Dataset(root, modalities, specs, tuple(samples), declared)


def shortened(faults: list[str], most: int = 20) -> list[str]:
    return faults if len(faults) <= most else [*faults[:most], f"and {len(faults) - most} more"]


def check_root(root: Path) -> None:
    good = root / "train" / GOOD
    if not good.is_dir() or not any(folder.is_dir() for folder in good.iterdir()):
        found = "no such folder" if not root.is_dir() else ", ".join(sorted(p.name for p in root.iterdir())[:8])
        raise DatasetError(
            f"{root} is no data set: it has no train/good with a folder for each modality",
            found=found or "an empty folder",
            wanted="train/good/<modality>/<name>.png",
            next_step="see the README, or make one with `radar-edge synth`",
        )


def read_declared(root: Path) -> dict[str, DeclaredModality]:
    path = root / "dataset.yaml"
    return load_config(DatasetFile, path).modalities if path.exists() else {}


def find_modalities(root: Path, declared: Mapping[str, DeclaredModality]) -> tuple[str, ...]:
    """Those of train/good: as dataset.yaml orders them, else rgb first and then by name."""
    found = {folder.name for folder in (root / "train" / GOOD).iterdir() if folder.is_dir()}
    if declared and set(declared) != found:
        raise DatasetError(
            "dataset.yaml names other modalities than train/good has",
            found=", ".join(sorted(found)),
            wanted=", ".join(declared),
        )
    return check_modalities(declared or sorted(found, key=lambda name: (name != "rgb", name)))


def class_folders(root: Path) -> Iterable[Path]:
    for split in SPLITS:
        if (root / split).is_dir():
            yield from sorted(folder for folder in (root / split).iterdir() if folder.is_dir())


def images(folder: Path) -> dict[str, Path]:
    """Name without ending -> file. Raises DatasetError if two files share a name."""
    if not folder.is_dir():
        return {}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    twice = [stem for stem, count in Counter(path.stem for path in files).items() if count > 1]
    if twice:
        raise DatasetError(f"{folder} holds files that differ only in their ending", found=", ".join(twice[:5]))
    return {path.stem: path for path in files}


def class_samples(folder: Path, modalities: tuple[str, ...], rows: Mapping[str, Mapping[str, str]]) -> Iterable[Sample]:
    split, cls = folder.parent.name, folder.name
    files = {name: images(folder / name) for name in modalities}
    union = images(folder / MASKS)
    masks = {name: images(folder / f"{MASKS}_{name}") for name in modalities}
    for stem in sorted(set().union(*files.values())):
        row = rows.get(f"{split}/{cls}/{stem}", {})
        yield Sample(
            split=split,
            cls=cls,
            name=stem,
            paths={name: by_stem[stem] for name, by_stem in files.items() if stem in by_stem},
            mask=union.get(stem),
            masks={name: by_stem[stem] for name, by_stem in masks.items() if stem in by_stem},
            # Group names are unique in the whole set, so a group may be checked for lying in two splits.
            group=row.get("group") or f"{split}/{cls}/{stem}",
            visible_in=subset_from_slug(row["visible_in"], modalities) if row.get("visible_in") else None,
            strata={column: value for column, value in row.items() if column not in COLUMNS},
        )


def read_rows(root: Path, modalities: tuple[str, ...], faults: list[str]) -> dict[str, dict[str, str]]:
    """Rows of samples.csv by sample key; what is wrong with them is added to `faults`."""
    path = root / "samples.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = {"split", "cls", "name"} - set(reader.fieldnames or ())
        if missing:
            raise DatasetError(f"{path} lacks the column(s) {', '.join(sorted(missing))}")
        rows: dict[str, dict[str, str]] = {}
        for number, row in enumerate(reader, 2):
            key = f"{row['split']}/{row['cls']}/{row['name']}"
            if key in rows:
                faults.append(f"samples.csv line {number}: {key} a second time")
            try:
                if row.get("visible_in"):
                    subset_from_slug(row["visible_in"], modalities)
            except UsageError:
                faults.append(f"samples.csv line {number}: visible_in {row['visible_in']!r} is no subset")
                row["visible_in"] = ""
            rows[key] = row
    return rows


def describe(image: Image) -> ModalitySpec:
    channels = 1 if image.ndim == 2 else image.shape[2]
    return ModalitySpec(channels, image.dtype.itemsize * 8, image.shape[0], image.shape[1])


def find_spec(name: str, samples: list[Sample], declared: DeclaredModality | None) -> ModalitySpec:
    """From a few images of train/good, which must agree with each other and with dataset.yaml."""
    paths = [s.paths[name] for s in samples if s.split == "train" and s.is_good and name in s.paths]
    if not paths:
        raise DatasetError(f"train/good/{name} holds no image", wanted=", ".join(sorted(ENDINGS)))
    specs = {path: describe(read_image(path)) for path in paths[:: max(1, len(paths) // SPEC_IMAGES)]}
    first = next(iter(specs.values()))
    faults = [fault for path, spec in specs.items() if (fault := disagreement(path, spec, first, declared))]
    if faults:
        raise DatasetError(f"the {name} images of train/good do not agree", faults=faults)
    return first


def disagreement(path: Path, spec: ModalitySpec, wanted: ModalitySpec, declared: DeclaredModality | None) -> str | None:
    """What is wrong with an image's kind, or None."""
    channels = (declared and declared.channels) or wanted.channels
    bit_depth = (declared and declared.bit_depth) or wanted.bit_depth
    if (spec.channels, spec.bit_depth) == (channels, bit_depth):
        return None
    return f"{path}: {spec.channels} channel(s) of {spec.bit_depth} bit, wanted {channels} of {bit_depth} bit"
