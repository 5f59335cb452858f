"""Ordinary 8-bit images for methods that know no thermal camera: the same window for every part and every method.

An image of 8 bit that no registration moves is read where it is. Any other becomes an 8-bit PNG: a 16-bit image through
the fixed window that RADAR's preprocessing learned from train/good, WINDOW times its scale to each side of its offset,
which holds some 98 % of the counts of good parts. Nothing is scaled by the image itself. 256 levels show less of a
faint contrast than the raw counts that RADAR reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radar_edge import files
from radar_edge.benchmark.scored import SHORT, Digests
from radar_edge.data.dataset import fit_preprocess
from radar_edge.data.layouts import Dataset, Sample
from radar_edge.evaluation.evaluate import Progress
from radar_edge.preprocess import ModalityPreprocess, placed, read_image, write_png
from radar_edge.records import Image

WINDOW = 2.0
"""The preprocessing's scale of a thermal image is a quarter of its 1 to 99 % range."""


@dataclass
class PlainImages:
    """`work` keeps the copies."""

    dataset: Dataset
    size_px: int
    work: Path
    digests: Digests

    def __post_init__(self) -> None:
        self.specs = fit_preprocess(self.dataset, self.size_px).modalities

    def of(self, samples: Sequence[Sample], name: str, progress: Progress) -> list[Path]:
        """A file for the image `name` of each sample, absolute."""
        spec = self.specs[name]
        if spec.bit_depth == 8 and spec.homography is None:
            return [sample.paths[name].absolute() for sample in samples]
        rule = files.sha256_json([spec.model_dump(mode="json"), WINDOW])
        folder = (self.work / "images" / f"{name}-{rule[:SHORT]}").absolute()
        found = []
        for done, sample in enumerate(samples, 1):
            source = sample.paths[name]
            target = folder / sample.split / sample.cls / f"{sample.name}-{self.digests.of(source)[:SHORT]}.png"
            if not target.is_file():
                write_png(target, plain(spec, read_image(source)))
            progress(f"8-bit copies of {name}", done, len(samples))
            found.append(target)
        return found


def plain(spec: ModalityPreprocess, image: Image) -> Image:
    """8 bit, at the size of the camera's image (or of the reference view)."""
    pixels = placed(spec, image)
    if spec.bit_depth == 8:
        return pixels
    scaled = (pixels.astype(np.float64) - np.asarray(spec.offset)) / np.asarray(spec.scale)
    return np.asarray(np.rint(np.clip((scaled + WINDOW) / (2 * WINDOW), 0, 1) * 255), np.uint8)
