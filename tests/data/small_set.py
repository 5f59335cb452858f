"""A small data set on disk, for tests: RGB and 16-bit thermal images in the design's layout."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from radar_edge.preprocess import write_png

RGB_SIDE, TIR_SIDE = 32, 16


def rgb(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(80, 120, (RGB_SIDE, RGB_SIDE, 3), np.uint8)


def tir(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(29900, 30100, (TIR_SIDE, TIR_SIDE), np.uint16)


def square(side: int = RGB_SIDE) -> np.ndarray:
    """A mask with one defect."""
    mask = np.zeros((side, side), np.uint8)
    mask[side // 4 : side // 2, side // 4 : side // 2] = 255
    return mask


def write_part(root: Path, split: str, cls: str, name: str) -> None:
    """One part in both modalities, unlike every other, with a union mask unless it is good."""
    seed = zlib.crc32(f"{split}/{cls}/{name}".encode())
    folder = root / split / cls
    write_png(folder / "rgb" / f"{name}.png", rgb(seed))
    write_png(folder / "tir" / f"{name}.png", tir(seed))
    if cls != "good":
        write_png(folder / "gt" / f"{name}.png", square())


def write_set(root: Path, train: int = 6) -> Path:
    for i in range(train):
        write_part(root, "train", "good", f"{i:03}")
    for i in range(3):
        write_part(root, "test", "good", f"{i:03}")
        write_part(root, "test", "hole", f"{i:03}")
    return root


def halve_file(path: Path) -> None:
    """Leave the first half, as a copy that was cut off does."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def write_jpg(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
