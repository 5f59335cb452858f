"""Pairs of pictures of one scene by two cameras, whose homography is known. Shapes have the same edges in both,
and nothing else in common: contrast and sign are drawn for each camera alone."""

from __future__ import annotations

import cv2
import numpy as np

VIEW = 160
MOVING = 80
NOMINAL = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])


def mount(seed: int, shift_px: float = 6.0, bend_px: float = 0.0) -> np.ndarray:
    """A homography near the nominal one: moving pixel -> reference pixel."""
    rng = np.random.default_rng(seed)
    edge = np.float32([[0, 0], [MOVING - 1, 0], [MOVING - 1, MOVING - 1], [0, MOVING - 1]])
    turn = np.deg2rad(rng.uniform(-4, 4))
    scale = 2 * rng.uniform(0.9, 1.1)
    middle = (MOVING - 1) / 2
    turned = (edge - middle) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * scale
    there = turned + (VIEW - 1) / 2 + rng.uniform(-shift_px, shift_px, 2) + rng.uniform(-bend_px, bend_px, (4, 2))
    return cv2.getPerspectiveTransform(edge, np.float32(there)).astype(np.float64)


def pair(rng: np.random.Generator, homography: np.ndarray, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """RGB of 8 bit in the view, thermal of 16 bit and low contrast through `homography`; twenty shapes."""
    big = VIEW + 120
    rgb, tir = np.full((big, big, 3), 90.0), np.full((big, big), 30000.0)
    for _ in range(40):
        corners = (rng.uniform(0, big, 2) + rng.uniform(-28, 28, (4, 2))).astype(np.int32)
        shape = cv2.convexHull(corners)
        cv2.fillConvexPoly(rgb, shape, rng.uniform(20, 230, 3).tolist(), cv2.LINE_AA)
        cv2.fillConvexPoly(tir, shape, 30000 + rng.uniform(-150, 150), cv2.LINE_AA)
    tir = cv2.GaussianBlur(tir, (0, 0), 1.5)
    inner = np.array([[1, 0, -60], [0, 1, -60], [0, 0, 1.0]])
    seen = cv2.warpPerspective(tir, np.linalg.inv(homography) @ inner, (MOVING, MOVING), flags=cv2.INTER_AREA)
    view = rgb[60 : 60 + VIEW, 60 : 60 + VIEW]
    return (
        np.clip(view + rng.normal(0, 4 * noise, view.shape), 0, 255).astype(np.uint8),
        np.clip(seen + rng.normal(0, 8 * noise, seen.shape), 0, 65535).astype(np.uint16),
    )


def pairs(count: int, homography: np.ndarray, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [pair(rng, homography) for _ in range(count)]


def corner_error_px(found: np.ndarray, true: np.ndarray, inset: float = 0.0) -> float:
    """The worst corner of the moving picture, in reference pixels; `inset` moves the corners inwards."""
    low, high = inset * (MOVING - 1), (1 - inset) * (MOVING - 1)
    edge = np.float64([[low, low], [high, low], [high, high], [low, high]])[None]
    apart = cv2.perspectiveTransform(edge, found) - cv2.perspectiveTransform(edge, true)
    return float(np.linalg.norm(apart, axis=2).max())
