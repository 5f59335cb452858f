"""Image folders as validated samples. Knows the folder convention, reads no pixels beyond what it must.

The convention is MVTec 3D-AD's: `<split>/<class>/<modality>/<name>.<ext>`, `gt/` = union mask at the first
modality's size, `gt_<modality>/` = mask of what that modality shows. A part may lack a modality. Optional files
beside the splits:

    samples.csv    see data.rows; a group never lies in two splits
    dataset.yaml   modalities: {tir: {bit_depth: 16, channels: 1, unit: ..., scale: ..., offset: ...}, ...} in order;
                   registration: {tir: ...} of the mount that took the images, see config.registration
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from radar_edge.config import Registration, load_config, registration_faults
from radar_edge.data.kinds import DatasetFile, DeclaredModality, ModalitySpec, describe, kind_of
from radar_edge.data.rows import FILE, KNOWN, Row, read_rows
from radar_edge.errors import ConfigError, DatasetError, UsageError
from radar_edge.modality import Subset, check_modalities, subset_from_slug
from radar_edge.preprocess import read_image

SPLITS = ("train", "validation", "test")
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
GOOD = "good"
MASKS = "gt"
SPEC_IMAGES = 8
"""As many images of train/good are decoded to learn a modality's depth and channels."""


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


@dataclass(frozen=True)
class Dataset:
    """An indexed image folder."""

    root: Path
    modalities: tuple[str, ...]
    specs: Mapping[str, ModalitySpec]
    samples: tuple[Sample, ...]
    declared: Mapping[str, DeclaredModality] = field(default_factory=dict)
    registration: Mapping[str, Registration] = field(default_factory=dict)

    def select(self, split: str, good: bool | None = None) -> tuple[Sample, ...]:
        """The samples of one split: all, the good ones, or the defective ones."""
        return tuple(s for s in self.samples if s.split == split and (good is None or s.is_good is good))


@dataclass(frozen=True)
class Layout:
    """What names and text files say, before any image is opened; every fault in one sentence."""

    root: Path
    modalities: tuple[str, ...]
    declared: Mapping[str, DeclaredModality]
    samples: tuple[Sample, ...]
    faults: tuple[str, ...]
    registration: Mapping[str, Registration] = field(default_factory=dict)


def index(root: Path) -> Dataset:
    """Read the folder's structure, and a few images for their kind. Raises DatasetError with every fault at once."""
    check_root(root)
    layout = survey(root)
    faults = list(layout.faults)
    specs: dict[str, ModalitySpec] = {}
    for name in layout.modalities:
        if (spec := find_spec(layout, name, faults)) is not None:
            specs[name] = spec
    if faults:
        raise DatasetError(
            f"{root} has {len(faults)} fault(s)",
            faults=shortened(faults),
            next_step=f"mend them; `radar-edge dataset check {root}` lists every one",
        )
    return Dataset(root, layout.modalities, specs, layout.samples, layout.declared, layout.registration)


def new_good_parts(root: Path, modalities: tuple[str, ...]) -> tuple[Sample, ...]:
    """The parts of validation/good alone: a folder of new parts for thresholds has no train/good.

    Raises DatasetError without any, and with every fault of names and samples.csv at once.
    """
    folder = root / "validation" / GOOD
    faults: list[str] = []
    rows = read_rows(root, modalities, faults)
    samples = tuple(class_samples(root, folder, modalities, rows, faults))
    faults += [f"{s.key} has no row in {FILE}" for s in samples if rows and s.key not in rows]
    if faults:
        raise DatasetError(f"{folder} has {len(faults)} fault(s)", faults=shortened(faults), next_step="mend them")
    if not samples:
        raise DatasetError(
            f"{root} has no good parts to set thresholds with",
            found="no image in validation/good",
            wanted=f"validation/good/<modality>/<name>.png with {' or '.join(modalities)} as the modality",
            next_step="put good parts there that the network was not trained on: trained ones score too low",
        )
    return samples


def shortened(faults: Sequence[str], most: int = 20) -> list[str]:
    return list(faults) if len(faults) <= most else [*faults[:most], f"and {len(faults) - most} more"]


def check_root(root: Path) -> None:
    """Raises DatasetError unless there is train/good with a folder in it."""
    good = root / "train" / GOOD
    if not good.is_dir() or not modality_folders(good):
        found = "no such folder" if not root.is_dir() else ", ".join(sorted(p.name for p in root.iterdir())[:8])
        raise DatasetError(
            f"{root} is no data set: it has no train/good with a folder for each modality",
            found=found or "an empty folder",
            wanted="train/good/<modality>/<name>.png",
            next_step="see the README, or make one with `radar-edge synth`",
        )


def survey(root: Path) -> Layout:
    """Read names, dataset.yaml and samples.csv. Raises DatasetError only if there is nothing at all to survey."""
    folders = class_folders(root)
    if not any(modality_folders(folder) for folder in folders):
        check_root(root)
    faults: list[str] = []
    said = read_dataset_file(root, faults)
    modalities = find_modalities(root, said.modalities, folders, faults)
    faults += [f"dataset.yaml: {fault}" for fault in registration_faults(said.registration, modalities)]
    rows = read_rows(root, modalities, faults)
    samples = tuple(s for folder in folders for s in class_samples(root, folder, modalities, rows, faults))
    known = {sample.key for sample in samples}
    faults += [f"{FILE}: {key} has no image" for key in rows if key not in known]
    if rows:
        faults += [f"{s.key} has no row in {FILE}" for s in samples if s.key not in rows]
    faults += moved_masks(samples, modalities, said.registration)
    faults += split_groups(samples)
    return Layout(root, modalities, said.modalities, samples, tuple(faults), said.registration)


def read_dataset_file(root: Path, faults: list[str]) -> DatasetFile:
    path = root / "dataset.yaml"
    try:
        return load_config(DatasetFile, path) if path.exists() else DatasetFile()
    except ConfigError as error:
        faults += [f"dataset.yaml: {fault}" for fault in error.faults or [f"{error.problem}: {error.found}"]]
        return DatasetFile()


def moved_masks(
    samples: Iterable[Sample], modalities: Sequence[str], registration: Mapping[str, Registration]
) -> list[str]:
    """A fault for each modality whose masks would not lie on its images once these are moved onto the reference's."""
    masked = {name for sample in samples for name in sample.masks}
    if any(sample.mask is not None for sample in samples):
        masked.add(modalities[0])  # gt is drawn on the first modality's image
    return [
        f"{name} is registered, and there are masks drawn on its images: draw them in gt/ on {modalities[0]}'s, "
        f"which must be the reference"
        for name in modalities
        if name in masked and name in registration
    ]


def find_modalities(
    root: Path, declared: Mapping[str, DeclaredModality], folders: Sequence[Path], faults: list[str]
) -> tuple[str, ...]:
    """As dataset.yaml orders them, else the folders of train/good, rgb first and then by name."""
    good = root / "train" / GOOD
    trained = {folder.name for folder in modality_folders(good)} if good.is_dir() else set()
    if not trained:
        faults.append("train/good has no folder of images: there are no good parts to learn from")
        trained = {modality.name for folder in folders for modality in modality_folders(folder)}
    names = declared or sorted(trained, key=lambda name: (name != "rgb", name))
    return tuple(name for name in names if is_modality(name, faults))


def is_modality(name: str, faults: list[str]) -> bool:
    try:
        check_modalities([name])
    except UsageError as error:
        faults.append(f"the name {name!r} cannot be a modality's: wanted {error.wanted}")
        return False
    return True


def class_folders(root: Path) -> list[Path]:
    return [folder for split in SPLITS for folder in subfolders(root / split)]


def subfolders(folder: Path) -> list[Path]:
    """Visible folders in `folder`, by name; none if it is absent."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def modality_folders(folder: Path) -> list[Path]:
    return [sub for sub in subfolders(folder) if sub.name != MASKS and not sub.name.startswith(f"{MASKS}_")]


def images(root: Path, folder: Path, faults: list[str]) -> dict[str, Path]:
    """Name without ending -> file; none if the folder is absent."""
    if not folder.is_dir():
        return {}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    twice = [stem for stem, count in Counter(path.stem for path in files).items() if count > 1]
    faults += [f"{folder.relative_to(root)}/{stem} is there with more than one ending" for stem in twice]
    return {path.stem: path for path in files}


def class_samples(
    root: Path, folder: Path, modalities: tuple[str, ...], rows: Mapping[str, Row], faults: list[str]
) -> Iterable[Sample]:
    split, cls = folder.parent.name, folder.name
    files = {name: images(root, folder / name, faults) for name in modalities}
    union = images(root, folder / MASKS, faults)
    masks = {name: images(root, folder / f"{MASKS}_{name}", faults) for name in modalities}
    known = {*modalities, MASKS, *(f"{MASKS}_{name}" for name in modalities)}
    faults += [
        f"{sub.relative_to(root)} is no modality: those are {', '.join(modalities)}"
        for sub in subfolders(folder)
        if sub.name not in known
    ]
    stems = set().union(*files.values())
    for masked in (union, *masks.values()):
        faults += [
            f"{path.relative_to(root)} is a mask without an image" for s, path in masked.items() if s not in stems
        ]
    for stem in sorted(stems):
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
            strata={column: value for column, value in row.items() if column not in KNOWN},
        )


def split_groups(samples: Iterable[Sample]) -> list[str]:
    """A fault for each group whose parts lie in more than one split."""
    splits: dict[str, set[str]] = {}
    for sample in samples:
        splits.setdefault(sample.group, set()).add(sample.split)
    return [
        f"the group {group!r} lies in {' and '.join(name for name in SPLITS if name in found)}"
        for group, found in splits.items()
        if len(found) > 1
    ]


def find_spec(layout: Layout, name: str, faults: list[str]) -> ModalitySpec | None:
    """From a few images of train/good, which must agree with each other and with dataset.yaml; None if it has none."""
    paths = [s.paths[name] for s in layout.samples if s.split == "train" and s.is_good and name in s.paths]
    if not paths:
        faults.append(no_images(name))
        return None
    chosen = paths[:: max(1, len(paths) // SPEC_IMAGES)]
    specs = {path: spec for path in chosen if (spec := read_spec(layout.root, path, faults)) is not None}
    if not specs:
        return None
    kind = kind_of(list(specs.values()), layout.declared.get(name))
    faults += [f"{path.relative_to(layout.root)}: {fault}" for path, s in specs.items() for fault in kind.faults(s)]
    return max(specs.values(), key=lambda spec: max(spec.height, spec.width))


def read_spec(root: Path, path: Path, faults: list[str]) -> ModalitySpec | None:
    try:
        return describe(read_image(path))
    except DatasetError as error:
        faults.append(f"{path.relative_to(root)} cannot be read: {error.found}")
        return None


def no_images(name: str) -> str:
    return f"train/good/{name} holds no image (one of {', '.join(sorted(ENDINGS))})"
