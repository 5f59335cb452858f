"""From a foreign folder to one in the product's layout: find, plan, write, check. Knows no data set.

Nothing is written unless every plan is without a fault, and DST stands only if `dataset check` finds no fault in what
was written. A set of several categories becomes a folder each.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from radar_edge.data.adapters.plan import Adapter, Options, Part, Plan, Progress, Source
from radar_edge.data.adapters.table import adapter
from radar_edge.data.check import check
from radar_edge.data.layouts import GOOD, MASKS, subfolders
from radar_edge.data.rows import FILE, KNOWN
from radar_edge.errors import DatasetError, StorageError
from radar_edge.files import new_folder
from radar_edge.preprocess import encode_png

THREADS = 2
NAME = re.compile(r"[^/\\\x00]+\Z")


def plan_sets(kind: str, src: Path, category: str | None, options: Options, progress: Progress) -> dict[str, Plan]:
    """A plan by category, "" where `src` itself is the set. Raises DatasetError with every fault of all of them."""
    chosen = adapter(kind)
    plans = {name: chosen.plan(root, options, progress) for name, root in find(kind, chosen, src, category).items()}
    faults = [
        f"{name}/{fault}" if name else fault for name, plan in plans.items() for fault in (*plan.faults, *clashes(plan))
    ]
    if faults:
        raise DatasetError(
            f"{src} cannot be imported as {kind}: {len(faults)} fault(s)",
            faults=faults,
            wanted=chosen.wanted,
            next_step="mend them; if parts may lack an image or a mask, say --allow-missing",
        )
    return plans


def find(kind: str, chosen: Adapter, src: Path, category: str | None) -> dict[str, Path]:
    """The data sets in `src`. Raises DatasetError unless it is one or holds only such."""
    if category is None and chosen.holds(src):
        return {"": src}
    below = {folder.name: folder for folder in subfolders(src)}
    held = {name: folder for name, folder in below.items() if chosen.holds(folder)}
    if category is not None and category in held:
        return {"": held[category]}
    others = sorted(set(below) - set(held))
    if category is not None or not held or others:
        problem = f"{src} is no {kind} folder"
        if category is not None:
            problem = f"{src} has no category {category} of {kind}"
        elif held:
            problem = f"{src} holds folders that are no category of {kind}: {', '.join(others)}"
        raise DatasetError(
            problem,
            found=contents(src) if not held else f"the categories {', '.join(held)}",
            wanted=chosen.wanted,
            next_step="name the folder that has this layout, or one category with --category",
        )
    return held


def contents(folder: Path) -> str:
    if not folder.exists():
        return "no such folder"
    if folder.is_file():
        return "a file"
    return ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "an empty folder"


def clashes(plan: Plan) -> list[str]:
    """What no adapter may plan: no good part to learn from, a part twice, a part without an image, an odd name."""
    faults = [] if any(p.split == "train" and p.cls == GOOD for p in plan.parts) else ["there is no part in train/good"]
    keys = Counter(part.key for part in plan.parts)
    faults += [f"{key} is there {count} times" for key, count in keys.items() if count > 1]
    for part in plan.parts:
        if not part.images:
            faults.append(f"{part.key} has no image at all")
        if not NAME.match(part.cls) or not NAME.match(part.name) or part.name.startswith("."):
            faults.append(f"{part.key!r} cannot be a class and a file's name")
    return faults


def write_sets(kind: str, plans: Mapping[str, Plan], out: Path, progress: Progress) -> None:
    """`out`, whole or not at all. Raises DatasetError with every fault of the images, UsageError if `out` is in use."""
    with new_folder(out) as folder:
        for name, plan in plans.items():
            faults = write_set(kind, plan, folder / name, progress)
            faults = faults or list(check(folder / name, progress).faults)
            if faults:
                raise DatasetError(
                    f"the images of {name or kind} have {len(faults)} fault(s); nothing was written",
                    faults=faults,
                    next_step="mend the source, or leave those parts out of it",
                )


def write_set(kind: str, plan: Plan, folder: Path, progress: Progress) -> list[str]:
    """One data set; gives back what is wrong with its files."""
    files = [(source, path) for part in plan.parts for source, path in files_of(part, folder)]
    faults = []
    try:
        for parent in {path.parent for _, path in files}:
            parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(THREADS) as pool:
            for done, fault in enumerate(pool.map(write_file, files), 1):
                faults += [fault] if fault else []
                progress("write", done, len(files))
        (folder / FILE).write_text(samples_csv(plan.parts), encoding="utf-8")
        (folder / "dataset.yaml").write_text(dataset_yaml(kind, plan), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {error.filename or folder}", found=error.strerror) from error
    return faults


def files_of(part: Part, folder: Path) -> list[tuple[Source, Path]]:
    """Where each file of the part goes."""
    home = folder / part.split / part.cls
    wanted = [(name, source) for name, source in part.images.items()]
    wanted += [(MASKS, part.mask)] if part.mask is not None else []
    wanted += [(f"{MASKS}_{name}", source) for name, source in part.masks.items()]
    return [
        (source, home / name / f"{part.name}{source.path.suffix.lower() if source.convert is None else '.png'}")
        for name, source in wanted
    ]


def write_file(task: tuple[Source, Path]) -> str | None:
    """Plain writes: the whole folder is put in place later. A file that cannot be read or converted is a fault."""
    source, path = task
    try:
        data = source.path.read_bytes() if source.convert is None else encode_png(source.convert(source.path))
    except OSError as error:
        return f"{source.path} cannot be read: {error.strerror}"
    except DatasetError as error:
        return f"{error.problem}: found {error.found}, wanted {error.wanted}"
    path.write_bytes(data)
    return None


def samples_csv(parts: Sequence[Part]) -> str:
    strata = sorted({name for part in parts for name in part.strata})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*KNOWN, *strata))
    for part in parts:
        known = (part.split, part.cls, part.name, part.group, part.visible_in)
        writer.writerow((*known, *(part.strata.get(name, "") for name in strata)))
    return text.getvalue()


def dataset_yaml(kind: str, plan: Plan) -> str:
    modalities = {name: one.model_dump(exclude_defaults=True) for name, one in plan.modalities.items()}
    lines = [f"# imported as {kind}; value = raw * scale + offset, in `unit`", *(f"# {note}" for note in plan.notes)]
    return "\n".join(lines) + "\n" + yaml.safe_dump({"modalities": modalities}, sort_keys=False)
