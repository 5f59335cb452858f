"""What a picture shows in every spectrum: the direction of its edges, not their sign or strength. Pure.

A hot part may be dark in RGB and its edge be strong in one picture and faint in the other; its direction is the same.
So a picture becomes a complex map z = (gx + i gy)^2 / (|g|^2 + median |g|^2): the square makes both signs of an edge
equal (Bigun and Granlund, "Optimal orientation detection of linear symmetry", ICCV 1987), the divisor takes away the
strength and keeps what is no more than noise small. Correlation of such maps is the orientation correlation of Fitch
et al. (BMVC 2002) with the sign taken out, summed over many pairs before its peak is looked for: one thermal picture
of a part without contrast says little, sixty of them through one mount say enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.records import Image

Matrix = npt.NDArray[np.float64]
"""3x3, pixel (x, y) to pixel."""
Floats = npt.NDArray[np.floating[Any]]
Complex = npt.NDArray[np.complexfloating[Any, Any]]
TINY = 1e-9


def grey(image: Image) -> npt.NDArray[np.float32]:
    """`[H, W]` in raw counts."""
    return image.astype(np.float32) if image.ndim == 2 else image.mean(axis=2, dtype=np.float32)


def structure(plane: Floats, sigma_px: float) -> Complex:
    """The map z of a grey picture, its gradient taken at the scale `sigma_px`."""
    soft = cv2.GaussianBlur(np.asarray(plane, np.float32), (0, 0), sigma_px)
    gx, gy = (cv2.Sobel(soft, cv2.CV_32F, dx, 1 - dx, ksize=3) for dx in (1, 0))
    squared = (np.asarray(gx) + 1j * np.asarray(gy)) ** 2
    strength = np.abs(squared)
    z: Complex = (squared / (strength + np.median(strength) + TINY)).astype(np.complex64)
    return z


def moved(plane: Floats, homography: Matrix, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """`plane` in a view of (width, height)."""
    return np.asarray(cv2.warpPerspective(np.asarray(plane, np.float32), homography, size), np.float32)


def covered(shape: tuple[int, ...], homography: Matrix, size: tuple[int, int], margin_px: int) -> npt.NDArray[np.bool_]:
    """Where a picture of `shape` covers the view, less a margin that its own edge disturbs."""
    ones = moved(np.ones(shape[:2], np.float32), homography, size)
    kernel = np.ones((2 * margin_px + 1,) * 2, np.uint8)
    inside: npt.NDArray[np.bool_] = (
        np.asarray(cv2.erode(ones, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)) > 0.99
    )
    return inside


def window(height: int, width: int) -> npt.NDArray[np.float32]:
    return np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)


def correlation(a: Sequence[Complex], b: Sequence[Complex]) -> Floats:
    """The cross-correlation of spectra, summed over pairs; its middle is no shift, and right of it b must go right."""
    total = sum((np.asarray(x * np.conj(y)) for x, y in zip(a, b, strict=True)), start=np.zeros(a[0].shape, complex))
    surface: Floats = np.fft.fftshift(np.fft.ifft2(total).real)
    return surface


def peak(surface: Floats, reach_px: tuple[int, int]) -> tuple[float, float, float]:
    """(dx, dy, z): the highest point within `reach_px` (x, y) of the middle, to parts of a pixel by a parabola.

    z is its height in standard deviations of the surface; 0 where it lies on the border of the reach.
    """
    middle_y, middle_x = surface.shape[0] // 2, surface.shape[1] // 2
    rx, ry = reach_px
    near = surface[middle_y - ry : middle_y + ry + 1, middle_x - rx : middle_x + rx + 1]
    y, x = np.unravel_index(near.argmax(), near.shape)
    z = float((near.max() - surface.mean()) / (surface.std() + TINY))
    if not (0 < y < 2 * ry and 0 < x < 2 * rx):
        return float(x - rx), float(y - ry), 0.0
    dx = _vertex(near[y, x - 1], near[y, x], near[y, x + 1])
    dy = _vertex(near[y - 1, x], near[y, x], near[y + 1, x])
    return x - rx + dx, y - ry + dy, z


def _vertex(left: float, middle: float, right: float) -> float:
    bend = left + right - 2 * middle
    return float((left - right) / 2 / bend) if bend else 0.0
