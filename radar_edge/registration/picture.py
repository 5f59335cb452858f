"""Before and after, for a person's eye: the moving picture's edges in red on the reference. Pure."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.records import Image
from radar_edge.registration.structure import Matrix, grey, moved
from radar_edge.registration.target import eight_bit

STRONGEST = 0.90
"""Edges above this quantile are drawn."""
RED = (255, 40, 40)
SIDE = 640


def before_and_after(reference: Image, moving: Image, homography: Matrix) -> npt.NDArray[np.uint8]:
    """Side by side, RGB: the moving picture merely stretched over the view, and moved by `homography`."""
    height, width = reference.shape[:2]
    stretched = np.diag([width / moving.shape[1], height / moving.shape[0], 1.0])
    zoom = SIDE / max(height, width)
    size = round(width * zoom), round(height * zoom)
    scale = np.diag([zoom, zoom, 1.0])
    ground = np.asarray(cv2.resize(eight_bit(reference), size, interpolation=cv2.INTER_AREA), np.uint8)
    panels = [overlaid(ground, moved(grey(moving), scale @ matrix, size)) for matrix in (stretched, homography)]
    return np.concatenate([panels[0], np.full((size[1], 8, 3), 255, np.uint8), panels[1]], axis=1)


def overlaid(ground: npt.NDArray[np.uint8], plane: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    soft = cv2.GaussianBlur(plane, (0, 0), 2.0)
    strength = np.hypot(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    picture = np.repeat(ground[..., None], 3, axis=2)
    picture[strength > max(float(np.quantile(strength, STRONGEST)), 1e-6)] = RED
    return picture
