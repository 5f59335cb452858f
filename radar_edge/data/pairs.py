"""Pictures of the same parts by two cameras, from an image folder. Knows no split's meaning."""

from __future__ import annotations

from pathlib import Path

from radar_edge.data.layouts import ENDINGS
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image
from radar_edge.records import Image


def find_pairs(root: Path, reference: str, moving: str) -> list[tuple[Path, Path]]:
    """Files of one name in `<modality>/` of `root`, or of its <split>/<class> folders, by name. Raises DatasetError."""
    folders = [root, *sorted(path for path in root.glob("*/*") if path.is_dir())]
    pairs = []
    for folder in folders:
        a, b = (by_name(folder / name) for name in (reference, moving))
        pairs += [(a[name], b[name]) for name in sorted(a.keys() & b.keys())]
    if not pairs:
        raise DatasetError(
            f"{root} holds no pairs of {reference} and {moving}",
            wanted=f"{reference}/NAME.png and {moving}/NAME.png there, or a data set's folders",
            next_step="record some with `radar-edge record`, or leave --data out to take them from the line",
        )
    return pairs


def by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in folder.iterdir() if path.suffix.lower() in ENDINGS}


def read_pairs(root: Path, reference: str, moving: str, most: int) -> list[tuple[Image, Image]]:
    """At most so many (reference, moving) pictures, spread over the folder. Raises DatasetError."""
    files = find_pairs(root, reference, moving)
    chosen = files[:: -(-len(files) // most)]
    return [(read_image(a), read_image(b)) for a, b in chosen]
