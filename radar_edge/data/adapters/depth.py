"""Depth as 16-bit counts on one fixed scale for a whole set. Knows no folder.

depth in m = count * scale; count 0 says that there is no measurement. One scale for the set, never one an image: a
scale of each image's own would hide how far the part is away.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image
from radar_edge.records import Image

MOST = 65535

Metres = npt.NDArray[np.floating]


def counts(depth_m: Metres, scale_m: float, path: Path) -> npt.NDArray[np.uint16]:
    """`[H, W]` in m, 0 where there is no measurement -> counts. Raises DatasetError if a value has no count."""
    low, high = float(depth_m.min()), float(depth_m.max())
    if not (math.isfinite(low) and math.isfinite(high)) or low < 0 or round(high / scale_m) > MOST:
        raise DatasetError(
            f"{path} has depths that 16 bit cannot hold",
            found=f"{low:g} to {high:g} m",
            wanted=f"0 (no measurement) to {MOST * scale_m:g} m",
            next_step="is it in metres? leave the file out if it is damaged",
        )
    return np.asarray(np.rint(depth_m / scale_m), np.uint16)


def xyz_counts(path: Path, scale_m: float) -> Image:
    """The z channel of an organised point cloud: a TIFF of three float32 channels x, y, z in m."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DatasetError(f"cannot read {path}", found=error.strerror) from error
    points = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if points is None or points.dtype != np.float32 or points.ndim != 3 or points.shape[2] != 3:
        found = "no image" if points is None else f"{points.dtype} {points.shape}"
        raise DatasetError(f"{path} is no point cloud", found=found, wanted="a TIFF of three float32 channels x, y, z")
    # OpenCV gives the channels of a file in the opposite order: z, y, x.
    return counts(np.asarray(points[:, :, 0], np.float32), scale_m, path)


def spread_counts(path: Path, low_m: float, high_m: float, scale_m: float) -> Image:
    """A 16-bit image that was spread over its own range: depth in m = raw / 65535 * (high - low) + low."""
    image = read_image(path)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise DatasetError(
            f"{path} is no depth image", found=f"{image.dtype} {image.shape}", wanted="one channel of 16 bit"
        )
    depth_m = image / MOST * (high_m - low_m) + low_m
    return counts(depth_m, scale_m, path)


def scale_for(most_m: float) -> float:
    """The smallest scale of two significant digits that holds `most_m`, in m a count."""
    least = most_m / MOST
    step = 10.0 ** (math.floor(math.log10(least)) - 1)
    return float(f"{math.ceil(least / step) * step:.1e}")
