"""Pictures of the same parts by several cameras, from an image folder. Knows no split's meaning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radar_edge.data.layouts import ENDINGS
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image
from radar_edge.records import Image


def find_parts(root: Path, modalities: Sequence[str]) -> dict[str, dict[str, Path]]:
    """Part -> its files by modality, by name: `<modality>/NAME.png` in `root`, or in its <split>/<class> folders."""
    parts: dict[str, dict[str, Path]] = {}
    for folder in (root, *sorted(path for path in root.glob("*/*") if path.is_dir())):
        for modality in modalities:
            for path in pictures_in(folder / modality):
                parts.setdefault(str((folder / path.stem).relative_to(root)), {})[modality] = path
    return dict(sorted(parts.items()))


def pictures_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS] if folder.is_dir() else []


def find_pairs(root: Path, reference: str, moving: str) -> list[tuple[Path, Path]]:
    """The files of every part that both cameras saw. Raises DatasetError if there is none."""
    parts = find_parts(root, (reference, moving)).values()
    pairs = [(part[reference], part[moving]) for part in parts if len(part) == 2]
    if not pairs:
        raise DatasetError(
            f"{root} holds no pairs of {reference} and {moving}",
            wanted=f"{reference}/NAME.png and {moving}/NAME.png there, or a data set's folders",
            next_step="record some with `radar-edge record`, or leave --data out to take them from the line",
        )
    return pairs


def read_pairs(root: Path, reference: str, moving: str, most: int) -> list[tuple[Image, Image]]:
    """At most so many (reference, moving) pictures, spread over the folder. Raises DatasetError."""
    files = find_pairs(root, reference, moving)
    chosen = files[:: -(-len(files) // most)]
    return [(read_image(a), read_image(b)) for a, b in chosen]
