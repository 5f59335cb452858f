"""A copy of an image folder in which the brightness of the background tells nothing.

    tools/accuracy_equalised.py SET COPY

Each image is multiplied so that the median of its border (evaluation.scalars) becomes LEVEL, and written as PNG; names,
masks, samples.csv and dataset.yaml stay. One number is taken away, and no more: what else another light leaves
behind, such as noise, is still there. For 8-bit images alone: thermal counts have no exposure.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from radar_edge import files
from radar_edge.data.layouts import Sample, index
from radar_edge.errors import DatasetError
from radar_edge.evaluation.scalars import BACKGROUND, scalars
from radar_edge.preprocess import read_image, write_png
from radar_edge.records import Image

LEVEL = 200
TEXTS = ("samples.csv", "dataset.yaml")


def equalised(image: Image) -> Image:
    """Raises ValueError for an image that is not 8-bit, or whose background is black."""
    background = scalars(image)[BACKGROUND]
    if image.dtype != np.uint8 or background <= 0:
        raise ValueError(f"{image.dtype}, background {background:g}")
    changed: Image = np.clip(np.round(image * (LEVEL / background)), 0, 255).astype(np.uint8)
    return changed


def write_equalised(source: Path, target: Path) -> None:
    """Whole or not at all. Raises DatasetError that names an image which cannot be equalised; UsageError if taken."""
    dataset = index(source)
    with files.new_folder(target) as folder:
        for path in image_paths(dataset.samples):
            place = folder / path.relative_to(source)
            try:
                write_png(place.with_suffix(".png"), equalised(read_image(path)))
            except ValueError as error:
                raise DatasetError(
                    f"{path} cannot be scaled to a background of {LEVEL}",
                    found=str(error),
                    wanted="an 8-bit image whose background is not black",
                ) from error
        for path in [*mask_paths(dataset.samples), *(source / name for name in TEXTS if (source / name).is_file())]:
            place = folder / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def image_paths(samples: Iterable[Sample]) -> list[Path]:
    return [path for sample in samples for path in sample.paths.values()]


def mask_paths(samples: Iterable[Sample]) -> list[Path]:
    return [p for sample in samples for p in (*sample.masks.values(), *([sample.mask] if sample.mask else []))]


if __name__ == "__main__":
    write_equalised(Path(sys.argv[1]), Path(sys.argv[2]))
