"""MVTec 3D-AD: rgb, and depth from the z of the organised point clouds. Knows no other set.

    <category>/{train,validation,test}/<good|defect>/{rgb/000.png, xyz/000.tiff, gt/000.png}

rgb and xyz are of one view, pixel for pixel. gt of a good part is blank and is left out. The layout and the float32
TIFF are those that public loaders read; that z is in metres and below 1.31 m is from memory, not checked on the set
(a value beyond that is refused by name). depth in m = count * SCALE_M, count 0 = the sensor saw nothing.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from radar_edge.data.adapters.depth import xyz_counts
from radar_edge.data.adapters.plan import Adapter, Findings, Options, Part, Plan, Progress, Source
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import GOOD, SPLITS, subfolders

SCALE_M = 2e-5
MODALITIES = {
    "rgb": DeclaredModality(),
    "depth": DeclaredModality(channels=1, bit_depth=16, unit="m", scale=SCALE_M),
}


def holds(folder: Path) -> bool:
    return all((folder / "train" / GOOD / name).is_dir() for name in ("rgb", "xyz"))


def plan(root: Path, options: Options, _: Progress) -> Plan:
    found = Findings(root, options)
    parts: list[Part] = []
    for split in SPLITS:
        folders = subfolders(root / split)
        if not any(folder.name == GOOD for folder in folders):
            found.faults.append(f"{split}/good is missing")
        for folder in folders:
            if split != "test" and folder.name != GOOD:
                found.faults.append(f"{found.name(folder)} is defective: only test may have defects")
            parts += class_parts(folder, found)
    return found.plan(MODALITIES, parts)


def class_parts(folder: Path, found: Findings) -> list[Part]:
    split, cls = folder.parent.name, folder.name
    masks = found.images(folder / "gt")
    parts = []
    for stem, files in found.pairs({"rgb": folder / "rgb", "depth": folder / "xyz"}):
        if cls != GOOD and stem not in masks:
            found.missing(f"{found.name(folder)}/gt/{stem} is missing: the part has no mask")
        if "depth" in files:
            files["depth"] = Source(files["depth"].path, partial(xyz_counts, scale_m=SCALE_M))
        mask = Source(masks[stem]) if cls != GOOD and stem in masks else None
        parts.append(Part(split, cls, stem, files, mask=mask))
    found.unused(masks, {part.name for part in parts})
    return parts


ADAPTER = Adapter("<category>/{train,validation,test}/<class>/{rgb/<n>.png, xyz/<n>.tiff, gt/<n>.png}", holds, plan)
