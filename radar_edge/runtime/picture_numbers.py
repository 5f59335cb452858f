"""Focus, exposure and noise of one picture, as numbers for whoever sets up a camera. Pure; knows no camera.

Focus is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR
2000), in squared counts: it means nothing alone and everything beside the best that the same view has shown. Noise is
Immerkaer's estimate ("Fast noise variance estimation", Computer Vision and Image Understanding 64(2), 1996), in
counts; times the kelvin that a count stands for it is what a thermal camera's data sheet calls NETD, as far as the
picture is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from radar_edge.records import Image

NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)

CLIPPED_SHARE = 0.01
BLACK_SHARE = 0.2
DARK_LEVEL = 0.25
"""Of full scale: an 8-bit picture whose 99 % level lies below it wastes two bits."""
FLAT_NOISES = 6.0
"""A thermal picture whose 1 % and 99 % levels are no further apart, in sigmas, shows nothing but noise."""
BLURRED = 0.6
"""Of the best focus seen."""


@dataclass(frozen=True)
class PictureNumbers:
    """Levels and noise in raw counts, shares 0 to 1, `focus` in squared counts."""

    height: int
    width: int
    channels: int
    bit_depth: int
    p1: float
    p50: float
    p99: float
    saturated: float
    black: float
    noise: float
    focus: float

    @property
    def thermal(self) -> bool:
        """Counts of 16 bit in one channel are taken for temperatures: full scale is no exposure there."""
        return self.bit_depth == 16 and self.channels == 1


def numbers_of(image: Image) -> PictureNumbers:
    """Of `[H, W]` or `[H, W, C]` raw counts, at least 3 x 3."""
    full = np.iinfo(image.dtype).max
    plane = image.astype(np.float64) if image.ndim == 2 else image.mean(axis=2)
    p1, p50, p99 = (float(level) for level in np.percentile(plane, [1, 50, 99]))
    return PictureNumbers(
        height=image.shape[0],
        width=image.shape[1],
        channels=1 if image.ndim == 2 else image.shape[2],
        bit_depth=image.dtype.itemsize * 8,
        p1=p1,
        p50=p50,
        p99=p99,
        saturated=float((image == full).mean()),
        black=float((image == 0).mean()),
        noise=noise_of(plane),
        focus=float(cv2.Laplacian(plane, cv2.CV_64F).var()),
    )


def noise_of(plane: np.ndarray) -> float:
    """Standard deviation of the noise of a grey picture."""
    inner = cv2.filter2D(plane, cv2.CV_64F, NOISE_KERNEL)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(inner).mean())


def hints_of(numbers: PictureNumbers, best_focus: float) -> list[str]:
    """What to do about it; nothing if all is well."""
    found = []
    if numbers.saturated > CLIPPED_SHARE:
        found.append(f"clipped: {numbers.saturated:.1%} of the samples at full scale; less light or exposure")
    if numbers.thermal:
        if numbers.p99 - numbers.p1 < FLAT_NOISES * numbers.noise:
            found.append("no contrast above the noise: warm the part, or take the cap off")
    elif numbers.p99 < DARK_LEVEL * (2**numbers.bit_depth - 1):
        found.append("too dark: more light or exposure")
    elif numbers.black > BLACK_SHARE:
        found.append(f"{numbers.black:.0%} of the samples are black")
    if numbers.focus < BLURRED * best_focus:
        found.append(f"out of focus: {numbers.focus / best_focus:.0%} of the best seen")
    return found
