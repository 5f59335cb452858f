"""MVTec AD: one modality, rgb (some categories are grey). Knows no other set.

<category>/train/good/000.png   <category>/test/<good|defect>/000.png
<category>/ground_truth/<defect>/000_mask.png
"""

from __future__ import annotations

from pathlib import Path

from radar_edge.data.adapters.plan import Adapter, Findings, Options, Part, Plan, Progress, Source
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import GOOD, subfolders

END = "_mask"


def holds(folder: Path) -> bool:
    good = folder / "train" / GOOD
    return good.is_dir() and (folder / "test").is_dir() and not subfolders(good)


def plan(root: Path, options: Options, _: Progress) -> Plan:
    found = Findings(root, options)
    found.faults += [f"{found.name(f)} is not train/good" for f in subfolders(root / "train") if f.name != GOOD]
    parts = [Part("train", GOOD, stem, {"rgb": Source(p)}) for stem, p in found.images(root / "train" / GOOD).items()]
    for folder in subfolders(root / "test"):
        files, masks = found.images(folder), masks_of(root, folder.name, found)
        for stem, path in files.items():
            if folder.name != GOOD and stem not in masks:
                found.missing(f"ground_truth/{folder.name}/{stem}{END}.png is missing: the part has no mask")
            mask = Source(masks[stem]) if stem in masks else None
            parts.append(Part("test", folder.name, stem, {"rgb": Source(path)}, mask=mask))
        found.unused(masks, set(files))
    known = {folder.name for folder in subfolders(root / "test")}
    found.faults += [
        f"{found.name(f)} has no test images" for f in subfolders(root / "ground_truth") if f.name not in known
    ]
    return found.plan({"rgb": DeclaredModality()}, parts)


def masks_of(root: Path, cls: str, found: Findings) -> dict[str, Path]:
    """Name of the image -> its mask."""
    files = found.images(root / "ground_truth" / cls)
    found.faults += [f"{found.name(path)} is not <n>{END}.png" for s, path in files.items() if not s.endswith(END)]
    return {stem.removesuffix(END): path for stem, path in files.items() if stem.endswith(END)}


ADAPTER = Adapter("<category>/{train/good,test/<class>}/<n>.png, ground_truth/<defect>/<n>_mask.png", holds, plan)
