"""A heat map as something to lay over a picture. Pure."""

from __future__ import annotations

import cv2
import numpy as np

THRESHOLD = 128
"""Of the 8-bit map: see runtime.pictures.heat_png."""
HIDDEN = 64
"""Half-way from the median good part to the threshold; below it nothing is laid over."""


def overlay(heat: bytes) -> bytes:
    """8-bit map as PNG -> PNG with transparency: clear where it is usual, orange, then magenta with a white edge
    where a pixel alone lies above the threshold."""
    level = cv2.imdecode(np.frombuffer(heat, np.uint8), cv2.IMREAD_GRAYSCALE)
    if level is None:
        raise ValueError("the heat map is no PNG")
    over = (level >= THRESHOLD).astype(np.uint8)
    strength = np.clip((level.astype(np.float32) - HIDDEN) / (THRESHOLD - HIDDEN), 0, 1)
    pixels = np.zeros((*level.shape, 4), np.uint8)
    pixels[..., :3] = np.where(over[..., None] == 1, (200, 0, 230), (0, 140, 255))
    pixels[..., 3] = strength * 150
    edge = cv2.morphologyEx(over, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) == 1
    pixels[edge] = (255, 255, 255, 230)
    ok, data = cv2.imencode(".png", pixels)
    if not ok:
        raise ValueError("no PNG can be made of the heat map")
    return data.tobytes()
