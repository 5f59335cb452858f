"""What an estimate is, and when it is not to be trusted. Pure; knows neither targets nor scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.registration.structure import Matrix

Points = npt.NDArray[np.float64]
"""`[N, 2]`, (x, y) in pixels."""
TINY_DETERMINANT = 1e-9
LEAST_COVER = 0.25
"""Of the view that the evidence must span: beyond it a homography only guesses."""


@dataclass(frozen=True)
class Estimate:
    """A homography and how far it can be trusted. Pixels are the reference view's.

    `residual_px` is the RMS distance of evidence that was left out of the fit. `spread_px` is how well the worst corner
    of the moving picture is known: from fits to each half of the evidence, and to parts of it drawn at random.
    """

    homography: Matrix
    model: str
    method: str
    pairs: int
    points: int
    residual_px: float
    spread_px: float
    cover: float

    def faults(self, limit_px: float) -> list[str]:
        """Why it must not be used; nothing if it may."""
        found = []
        if self.spread_px > limit_px:
            found.append(f"a corner is known to {self.spread_px:.1f} px only, of {limit_px:.1f}")
        if self.residual_px > limit_px:
            found.append(f"pictures that were left out disagree by {self.residual_px:.1f} px, of {limit_px:.1f}")
        if self.cover < LEAST_COVER:
            found.append(f"the evidence spans {self.cover:.0%} of the view, of {LEAST_COVER:.0%}")
        return found


def transform(homography: Matrix, points: Points) -> Points:
    put: Points = np.asarray(cv2.perspectiveTransform(np.asarray(points, np.float64)[None], homography), np.float64)[0]
    return put


def corners(height: int, width: int) -> Points:
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)


def fit(source: Points, target: Points, model: str, tolerance_px: float) -> tuple[Matrix, npt.NDArray[np.bool_]] | None:
    """(homography, inliers) of `model` affine or homography; None if the points determine none.

    With an infinite tolerance every point counts, by least squares.
    """
    if len(source) < (3 if model == "affine" else 4):
        return None
    matrix: Any
    inliers: Any = np.ones(len(source))
    if not np.isfinite(tolerance_px):
        matrix = least_squares(source, target, model)
    elif model == "affine":
        matrix, inliers = cv2.estimateAffine2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=tolerance_px)
        matrix = None if matrix is None else np.vstack([matrix, [0.0, 0.0, 1.0]])
    else:
        matrix, inliers = cv2.findHomography(source, target, cv2.RANSAC, tolerance_px)
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < TINY_DETERMINANT:
        return None
    return np.asarray(matrix, np.float64), np.asarray(inliers).ravel() > 0


def least_squares(source: Points, target: Points, model: str) -> Any:
    """The matrix, or None where there is none."""
    if model == "homography":
        matrix, _ = cv2.findHomography(source, target, 0)
        return matrix
    solution, *_ = np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]), target, rcond=None)
    return np.vstack([solution.T, [0.0, 0.0, 1.0]])


def rms(homography: Matrix, source: Points, target: Points) -> float:
    if not len(source):
        return float("inf")
    return float(np.sqrt(((transform(homography, source) - target) ** 2).sum(axis=1).mean()))


def cover_of(points: Points, height: int, width: int) -> float:
    """Share of the view within the hull of `points`."""
    if len(points) < 3:
        return 0.0
    hull = cv2.convexHull(points.astype(np.float32))
    return float(cv2.contourArea(hull)) / (height * width)
