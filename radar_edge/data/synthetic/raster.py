"""From shapes in part units to maps of a camera's pixels. Knows no material and no light.

Shapes are signed distances (negative inside), so that edges are anti-aliased at any size. Free drawings (print, cracks)
are made on a sheet of SHEET_SCALE pixels a part unit and sampled through the pose. Distances: I. Quilez,
"2D distance functions" (rounded box).
"""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.data.synthetic.part import UNITS, Pose

Map: TypeAlias = npt.NDArray[np.float32]
"""[H, W], or [H, W, 3] for colour."""
Window: TypeAlias = tuple[slice, slice]

SHEET_SCALE = 4
WHOLE: Window = (slice(None), slice(None))


class Grid:
    """The pixels of a square view of `size` and where each lies on the part: `x`, `y` `[size, size]` in part units."""

    def __init__(self, size: int, pose: Pose, offset: tuple[float, float] = (0.0, 0.0)) -> None:
        self.size = size
        self.unit = UNITS / size
        """Part units a pixel."""
        turn = math.radians(pose.turn_deg)
        self._cos, self._sin = math.cos(turn), math.sin(turn)
        self._dx, self._dy = pose.dx + offset[0], pose.dy + offset[1]
        axis = (np.arange(size, dtype=np.float32) + 0.5) * self.unit
        u, v = np.meshgrid(axis - UNITS / 2 - self._dx, axis - UNITS / 2 - self._dy)
        self.x: Map = (self._cos * u + self._sin * v + UNITS / 2).astype(np.float32)
        self.y: Map = (self._cos * v - self._sin * u + UNITS / 2).astype(np.float32)

    def window(self, x: float, y: float, reach: float) -> Window:
        """The pixels within `reach` part units of a point of the part, as slices."""
        u, v = x - UNITS / 2, y - UNITS / 2
        column = (self._cos * u - self._sin * v + UNITS / 2 + self._dx) / self.unit
        row = (self._sin * u + self._cos * v + UNITS / 2 + self._dy) / self.unit
        span = reach / self.unit + 1
        low_row, low_column = max(int(row - span), 0), max(int(column - span), 0)
        return slice(low_row, max(int(row + span) + 1, 0)), slice(low_column, max(int(column + span) + 1, 0))

    def box(
        self, x: float, y: float, width: float, height: float, corner: float, turn_deg: float = 0.0, at: Window = WHOLE
    ) -> Map:
        """Signed distance in part units to a rounded box; a disc if `corner` is half of width and height."""
        u, v = self.x[at] - np.float32(x), self.y[at] - np.float32(y)
        if turn_deg:
            turn = math.radians(turn_deg)
            cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
            u, v = cos * u + sin * v, cos * v - sin * u
        qx, qy = np.abs(u) - np.float32(width / 2 - corner), np.abs(v) - np.float32(height / 2 - corner)
        outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
        distance: Map = outside + np.minimum(np.maximum(qx, qy), 0) - np.float32(corner)
        return distance

    def coverage(self, distance: Map) -> Map:
        """Share of each pixel inside the shape, 0 to 1."""
        covered: Map = np.clip(0.5 - distance / np.float32(self.unit), 0, 1)
        return covered

    def along(self, distance: Map, half_width: float) -> Map:
        """Share of each pixel within `half_width` of the shape's edge."""
        return self.coverage(np.asarray(np.abs(distance) - half_width, np.float32))

    def sample(self, sheet: Map) -> Map:
        """What this view sees of a sheet (see `blank_sheet`); `soften` it first."""
        x, y = self.x * SHEET_SCALE - 0.5, self.y * SHEET_SCALE - 0.5
        return np.asarray(cv2.remap(sheet, x, y, cv2.INTER_LINEAR, borderValue=0.0), np.float32)


def soften(sheet: Map, unit: float) -> Map:
    """A sheet smoothed over a pixel of `unit` part units, so that sampling it does not alias."""
    return np.asarray(cv2.GaussianBlur(sheet, (0, 0), 0.45 * unit * SHEET_SCALE), np.float32)


def blank_sheet() -> Map:
    """`[1024, 1024]` zeros to draw on in part units times SHEET_SCALE."""
    return np.zeros((UNITS * SHEET_SCALE, UNITS * SHEET_SCALE), np.float32)


def draw_curve(sheet: Map, points: npt.NDArray[np.floating], width: float, value: float = 1.0) -> None:
    """A line through `points` `[N, 2]` (x, y), all in part units, drawn in place."""
    fixed = np.round(points * SHEET_SCALE * 16).astype(np.int32)
    thickness = max(round(width * SHEET_SCALE), 1)
    cv2.polylines(sheet, [fixed.reshape(-1, 1, 2)], False, value, thickness, cv2.LINE_AA, 4)


def smooth_noise(rng: np.random.Generator, size: int, sigma_x: float, sigma_y: float) -> Map:
    """`[size, size]` Gaussian noise smoothed over sigma pixels, mean about 0 and deviation 1."""
    white = rng.standard_normal((size, size), np.float32)
    smooth = cv2.GaussianBlur(white, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth / smooth.std(), np.float32)


def draw_blob(sheet: Map, rng: np.random.Generator, x: float, y: float, radius: float, roughness: float) -> None:
    """A lobed blob of 1, drawn in place: radius `r(a) = radius (1 + roughness * a few harmonics)`."""
    angle = np.linspace(0, 2 * math.pi, 120, endpoint=False)
    edge = np.ones_like(angle)
    for order in (2, 3, 4, 5):
        edge += roughness / order * rng.normal() * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
    reach = radius * np.maximum(edge, 0.3)
    points = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], axis=1)
    fixed = np.round(points * SHEET_SCALE * 16).astype(np.int32)
    cv2.fillPoly(sheet, [fixed.reshape(-1, 1, 2)], (1.0,), cv2.LINE_AA, 4)
