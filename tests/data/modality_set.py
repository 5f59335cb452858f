"""Image folders of any modalities for tests: good parts of noise, and a tiny recipe to train on them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from radar_edge.preprocess import write_png

SMALL: dict[str, Any] = {
    "size_px": 32, "features": 8, "shared": 8, "batch_size": 4, "steps": 12, "warm_up_steps": 2,
}  # fmt: skip


def picture(key: str, channels: int, dtype: type, side: int = 40) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    shape = (side, side) if channels == 1 else (side, side, channels)
    low, high = (0, 255) if dtype is np.uint8 else (30000, 30500)
    return rng.integers(low, high, shape, dtype)


def write_good(
    root: Path,
    kinds: Mapping[str, tuple[int, type]],
    lacking: Mapping[str, tuple[int, ...]] | None = None,
    side: int = 40,
) -> Path:
    """24 parts of train/good. `kinds`: channels and type of a modality; `lacking`: the parts that lack it."""
    for name, (channels, dtype) in kinds.items():
        for n in range(24):
            if n not in (lacking or {}).get(name, ()):
                path = root / "train" / "good" / name / f"{n:03}.png"
                write_png(path, picture(f"{name}/{n}", channels, dtype, side))
    return root
