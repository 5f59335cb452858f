"""MulSen-AD: RGB and lock-in infrared (as tir) of one product; the point clouds are left out. Knows no other set.

    <product>/{RGB,Infrared}/train/<n>.png
    <product>/{RGB,Infrared}/test/<good|defect>/<n>.png
    <product>/{RGB,Infrared}/GT/<defect>/<n>.png         a mask where that sensor shows the defect
    <product>/RGB/GT/<defect>/data.csv                   object, RGB, Infrared, Pointcloud: 0 or 1

As the set's own loader and README say; that the table's first column is the file's number is what other loaders
assume. Not checked on the set itself. Equal numbers are one part. The two cameras are not registered, so there is no
union mask: gt_rgb and gt_tir alone. The infrared files are grey, stored in three channels that may differ a little:
the mean is taken, and a file whose channels differ by more than GREY_SPREAD is refused. A defect that the point cloud
alone shows is neither good nor defective to these two cameras: those parts are left out, and named.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from radar_edge.data.adapters.plan import Adapter, Findings, Options, Part, Plan, Progress, Source
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import GOOD, subfolders
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image
from radar_edge.records import Image

SENSORS = {"rgb": "RGB", "tir": "Infrared"}
COLUMNS = ("object", "rgb", "infrared", "pointcloud")
GREY_SPREAD = 20
MODALITIES = {"rgb": DeclaredModality(), "tir": DeclaredModality(channels=1, bit_depth=8)}


def holds(folder: Path) -> bool:
    return all((folder / sensor / "train").is_dir() for sensor in SENSORS.values())


def plan(root: Path, options: Options, _: Progress) -> Plan:
    found = Findings(root, options)
    folders = {name: root / sensor / "train" for name, sensor in SENSORS.items()}
    parts = [Part("train", GOOD, stem, grey(files)) for stem, files in found.pairs(folders)]
    classes = {folder.name for sensor in SENSORS.values() for folder in subfolders(root / sensor / "test")}
    if GOOD not in classes:
        found.faults.append("RGB/test/good is missing")
    for cls in sorted(classes):
        parts += class_parts(root, cls, found)
    if (root / "Pointcloud").is_dir():
        found.notes.append("Pointcloud was left out: point clouds are not images")
    return found.plan(MODALITIES, parts)


def class_parts(root: Path, cls: str, found: Findings) -> list[Part]:
    pairs = list(found.pairs({name: root / sensor / "test" / cls for name, sensor in SENSORS.items()}))
    if cls == GOOD:
        return [Part("test", GOOD, stem, grey(files)) for stem, files in pairs]
    labels = read_labels(root / "RGB" / "GT" / cls / "data.csv", found)
    masks = {name: masks_of(root / sensor / "GT" / cls) for name, sensor in SENSORS.items()}
    parts = []
    for stem, files in pairs:
        if stem not in labels:
            found.faults.append(f"RGB/GT/{cls}/data.csv has no row for {stem}")
            continue
        shown = [name for name in SENSORS if labels[stem][name]]
        if not shown:
            found.notes.append(f"test/{cls}/{stem} was left out: the point cloud alone shows its defect")
            continue
        for name in shown:
            if stem not in masks[name]:
                found.missing(f"{SENSORS[name]}/GT/{cls}/{stem}.png is missing: the part has no {name} mask")
        own = {name: Source(masks[name][stem]) for name in shown if stem in masks[name] and name in files}
        parts.append(Part("test", cls, stem, grey(files), masks=own, visible_in="_".join(shown)))
    for files_by_stem in masks.values():
        found.unused(files_by_stem, {stem for stem, _ in pairs})
    return parts


def masks_of(folder: Path) -> dict[str, Path]:
    """Number -> mask; none if the folder is absent. The table lies in it too."""
    return {path.stem: path for path in sorted(folder.glob("*.png"))}


def read_labels(path: Path, found: Findings) -> dict[str, dict[str, bool]]:
    """Number -> whether rgb and tir show the defect. Every fault goes to `found`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        found.faults.append(f"{found.name(path)} cannot be read: {error}")
        return {}
    head = tuple(cell.strip().lower() for cell in rows[0]) if rows else ()
    if head != COLUMNS:
        found.faults.append(
            f"{found.name(path)} has the columns {', '.join(head) or 'none'}: wanted {', '.join(COLUMNS)}"
        )
        return {}
    labels = {}
    for number, row in enumerate(rows[1:], 2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue  # spreadsheet programs leave such lines at the end
        if len(cells) != len(COLUMNS) or not set(cells[1:]) <= {"0", "1"} or cells[0] in labels:
            found.faults.append(f"{found.name(path)} line {number}: wanted a number of its own and three times 0 or 1")
            continue
        labels[cells[0]] = {"rgb": cells[1] == "1", "tir": cells[2] == "1"}
    return labels


def grey(files: dict[str, Source]) -> dict[str, Source]:
    return {name: Source(s.path, one_channel) if name == "tir" else s for name, s in files.items()}


def one_channel(path: Path) -> Image:
    """`[H, W]` 8 bit. Raises DatasetError if the three channels are not one grey picture."""
    image = read_image(path)
    if image.dtype != np.uint8:
        raise DatasetError(f"{path} is not as the set's infrared images are", found=f"{image.dtype}", wanted="8 bit")
    if image.ndim == 2:
        return image
    spread = int((image.max(axis=2) - image.min(axis=2)).max())
    if spread > GREY_SPREAD:
        raise DatasetError(
            f"{path} is a colour image, not grey infrared",
            found=f"channels that differ by {spread}",
            wanted=f"at most {GREY_SPREAD}",
            next_step="a palette cannot be undone: look for the grey file",
        )
    return np.asarray(np.rint(image.mean(axis=2)), np.uint8)


ADAPTER = Adapter("<product>/{RGB,Infrared}/{train,test/<class>,GT/<defect>}/<n>.png", holds, plan)
