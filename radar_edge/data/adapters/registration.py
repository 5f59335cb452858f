"""How far two pictures of one thing are shifted against each other: phase correlation. Knows no folder.

Kuglin and Hines, "The phase correlation image alignment method" (1975), as OpenCV's phaseCorrelate with a Hann window.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from radar_edge.records import Image


def shift_of(first: Image, second: Image) -> tuple[float, float]:
    """(shift in px of `first`, height of the peak from 0 to 1), after scaling `second` to the size of `first`."""
    a, b = (image.mean(axis=2) if image.ndim == 3 else image for image in (first, second))
    height, width = a.shape
    scaled = cv2.resize(b.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (dx, dy), peak = cv2.phaseCorrelate(a.astype(np.float32), scaled, window)
    return math.hypot(dx, dy), peak
