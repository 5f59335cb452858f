"""Eyecandies: rgb and depth of rendered sweets. Knows no other set.

    <category>/{train,val,test_public,test_private}/data/<n>_{image_0..5,depth,normals,mask,...}.png
    <n>_info_depth.yaml: normalization: {min, max} in m      <n>_metadata.yaml: anomalous: 0 or 1

As its download page and the published converter say. rgb is image_4, the light from the left, as the other methods
take it; the other lights and the normals are left out. Each depth image is spread over its own range, which is undone:
depth in m = count * scale of dataset.yaml, one scale a category. val becomes validation/good. test_private has no
labels and is left out. A defect's class is the one of its masks (bumps, dents, colors, normals) that is not blank,
`combined` for several; colors do not show in depth, for the others visible_in stays open.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from radar_edge.config import Config, load_config
from radar_edge.data.adapters.depth import scale_for, spread_counts
from radar_edge.data.adapters.plan import Adapter, Findings, Options, Part, Plan, Progress, Source, by_number
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import GOOD
from radar_edge.errors import ConfigError, DatasetError
from radar_edge.preprocess import read_image

SPLITS = {"train": "train", "val": "validation", "test_public": "test"}
DEFECTS = ("bumps", "dents", "colors", "normals")
IMAGE, DEPTH, RANGE = "_image_4.png", "_depth.png", "_info_depth.yaml"

Model = TypeVar("Model", bound=Config)


class Range(Config, extra="ignore"):
    min: float = Field(ge=0)
    max: float = Field(gt=0)


class DepthInfo(Config, extra="ignore"):
    normalization: Range


class Metadata(Config, extra="ignore"):
    anomalous: bool


def holds(folder: Path) -> bool:
    return (folder / "train" / "data").is_dir()


def plan(root: Path, options: Options, progress: Progress) -> Plan:
    found = Findings(root, options)
    stems = {split: stems_of(root / split / "data", found) for split in SPLITS}
    ranges = {
        (split, stem): info.normalization
        for split, names in stems.items()
        for stem in names
        if (info := read(DepthInfo, root / split / "data" / f"{stem}{RANGE}", found)) is not None
    }
    scale_m = scale_for(max((r.max for r in ranges.values()), default=1.0))
    parts = []
    for split, names in stems.items():
        for done, stem in enumerate(names, 1):
            start = root / split / "data" / stem
            files = files_of(start, ranges.get((split, stem)), scale_m, found)
            parts.append(
                labelled(start, files, found) if split == "test_public" else Part(SPLITS[split], GOOD, stem, files)
            )
            progress("plan", done, len(names))
    if (root / "test_private").is_dir():
        found.notes.append("test_private has no labels and was left out")
    depth = DeclaredModality(channels=1, bit_depth=16, unit="m", scale=scale_m)
    return found.plan({"rgb": DeclaredModality(), "depth": depth}, parts)


def stems_of(folder: Path, found: Findings) -> list[str]:
    """The numbers of a split, from either modality's images."""
    if not folder.is_dir():
        found.faults.append(f"{found.name(folder)} is missing")
        return []
    names = [path.name for path in folder.iterdir()]
    stems = {name.removesuffix(end) for end in (IMAGE, DEPTH) for name in names if name.endswith(end)}
    return sorted(stems, key=by_number)


def files_of(start: Path, depth: Range | None, scale_m: float, found: Findings) -> dict[str, Source]:
    files = {}
    for name, end in (("rgb", IMAGE), ("depth", DEPTH)):
        path = start.with_name(start.name + end)
        if path.is_file():
            files[name] = Source(path)
        else:
            found.missing(f"{found.name(path)} is missing: there is no {name} image of this part")
    if "depth" in files and depth is not None:
        convert = partial(spread_counts, low_m=depth.min, high_m=depth.max, scale_m=scale_m)
        files["depth"] = Source(files["depth"].path, convert)
    return files


def labelled(start: Path, files: dict[str, Source], found: Findings) -> Part:
    """A part of test_public, its class from the masks; they must agree with its metadata."""
    said = read(Metadata, start.with_name(f"{start.name}_metadata.yaml"), found)
    kinds = [kind for kind in DEFECTS if marks(start.with_name(f"{start.name}_{kind}_mask.png"), found)]
    if said is not None and said.anomalous != bool(kinds):
        what = f"mark {', '.join(kinds)}" if kinds else "mark nothing"
        found.faults.append(f"{found.name(start)}: its metadata say anomalous {said.anomalous}, its masks {what}")
    if not kinds:
        return Part("test", GOOD, start.name, files)
    mask = start.with_name(f"{start.name}_mask.png")
    if not mask.is_file():
        found.missing(f"{found.name(mask)} is missing: the part has no mask")
    return Part(
        "test",
        kinds[0] if len(kinds) == 1 else "combined",
        start.name,
        files,
        mask=Source(mask) if mask.is_file() else None,
        visible_in="rgb" if kinds == ["colors"] else "",
    )


def marks(mask: Path, found: Findings) -> bool:
    """Whether any pixel is set; without the file the class is not known, which is a fault."""
    try:
        return bool(read_image(mask).any())
    except DatasetError as error:
        found.faults.append(f"{found.name(mask)} cannot be read: {error.found}")
        return False


def read(model: type[Model], path: Path, found: Findings) -> Model | None:
    try:
        return load_config(model, path)
    except ConfigError as error:
        found.faults += [f"{found.name(path)}: {fault}" for fault in error.faults or [error.found]]
        return None


ADAPTER = Adapter(
    "<category>/{train,val,test_public}/data/<n>_{image_4.png,depth.png,info_depth.yaml,...}", holds, plan
)
