"""One number an image, without any learning: what a detector must beat, and what must not give the label away.

Numbers are of the raw image, in raw counts, channels averaged. Knows images, nothing of parts or labels.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.records import Image

BACKGROUND = "background_brightness"
HIGH_PASS_SIGMA_PX = 2.0
BORDER_SHARE = 16
"""The background is taken to be the outer sixteenth at each side: parts are photographed whole."""


def scalars(image: Image) -> dict[str, float]:
    """`[H, W]` or `[H, W, C]` -> mean, std, highpass_std, p999_minus_p99 and background_brightness."""
    pixels = np.atleast_3d(image).astype(np.float32).mean(axis=2)
    smooth = cv2.GaussianBlur(pixels, (0, 0), HIGH_PASS_SIGMA_PX)
    high, highest = np.percentile(pixels, (99, 99.9))
    return {
        "mean": float(pixels.mean(dtype=np.float64)),
        "std": float(pixels.std(dtype=np.float64)),
        "highpass_std": float((pixels - smooth).std(dtype=np.float64)),
        "p999_minus_p99": float(highest - high),
        BACKGROUND: float(np.median(pixels[is_border(pixels.shape)])),
    }


def is_border(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    border = np.ones(shape, bool)
    rows, columns = (max(side // BORDER_SHARE, 1) for side in shape)
    border[rows:-rows, columns:-columns] = False
    return border
