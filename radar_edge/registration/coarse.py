"""The rough position of one camera's pictures on another's: every scale and turn that a mount may have. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from radar_edge.preprocess import shift
from radar_edge.registration.structure import Floats, Matrix, correlation, covered, moved, peak, structure, window

COARSE_SIDE = 96
"""The view is looked at with so many pixels on its longer side."""
FEW_PAIRS, MANY_PAIRS = 16, 80
SHORT_LIST = 16
"""So many guesses that a few pairs find best are held against many pairs."""
SCALES = np.geomspace(0.5, 2.0, 25)
TURNS_DEG = np.arange(-20.0, 21.0, 5.0)


@dataclass(frozen=True)
class Stack:
    """Grey pairs; the reference at the working size."""

    reference: Sequence[Floats]
    moving: Sequence[Floats]

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.reference[0].shape
        return width, height


def coarse(stack: Stack) -> Matrix:
    """The similarity whose correlation stands out most: of all by a few pairs, of the best of those by many."""
    all_guesses = [
        similarity(stack.moving[0].shape, stack.size, scale, turn_deg) for scale in SCALES for turn_deg in TURNS_DEG
    ]
    few = Search(stack, FEW_PAIRS)
    short_list = sorted(all_guesses, key=lambda guess: few.shift_of(guess)[2], reverse=True)[:SHORT_LIST]
    many = Search(stack, MANY_PAIRS)
    found = [(many.shift_of(guess), guess) for guess in short_list]
    (dx, dy, _), guess = max(found, key=lambda one: one[0][2])
    return shift(dx, dy) @ guess


class Search:
    """Whole pictures of `count` pairs, small, held against each other under one guess after another."""

    def __init__(self, stack: Stack, count: int) -> None:
        width, height = stack.size
        self._zoom = min(1.0, COARSE_SIDE / max(width, height))
        self._size = round(width * self._zoom), round(height * self._zoom)
        self._to_small = np.diag([self._size[0] / width, self._size[1] / height, 1.0])
        self._taper = window(self._size[1], self._size[0])
        self._moving = stack.moving[:count]
        small = [cv2.resize(a, self._size, interpolation=cv2.INTER_AREA) for a in stack.reference[:count]]
        self._reference = [np.fft.fft2(structure(np.asarray(a, np.float32), 1.5) * self._taper) for a in small]

    def shift_of(self, guess: Matrix) -> tuple[float, float, float]:
        """(dx, dy, z): the shift that goes best with `guess`, in pixels of the view."""
        there = self._to_small @ guess
        inside = covered(self._moving[0].shape, there, self._size, 3) * self._taper
        spectra = [np.fft.fft2(structure(moved(b, there, self._size), 1.5) * inside) for b in self._moving]
        dx, dy, z = peak(correlation(self._reference, spectra), (self._size[0] // 4, self._size[1] // 4))
        return dx / self._zoom, dy / self._zoom, z


def similarity(shape: tuple[int, ...], size: tuple[int, int], scale: float, turn_deg: float) -> Matrix:
    """The moving picture fitted into the middle of the view, then scaled and turned about it."""
    (height, width), (view_width, view_height) = shape[:2], size
    fill = scale * max(view_width / width, view_height / height)
    cos, sin = fill * np.cos(np.deg2rad(turn_deg)), fill * np.sin(np.deg2rad(turn_deg))
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    to_middle = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    from_middle = np.array([[1, 0, (view_width - 1) / 2], [0, 1, (view_height - 1) / 2], [0, 0, 1]])
    result: Matrix = from_middle @ turn @ to_middle
    return result
