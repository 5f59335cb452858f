"""A camera that draws noise of a given size, never the same twice in a row. Knows no process."""

from __future__ import annotations

import numpy as np

from radar_edge.config import SyntheticCamera
from radar_edge.records import Image
from radar_edge.runtime.capture.backend import Backend

_SHIFTS = 64


class Synthetic(Backend):
    """Mid-grey noise. Frames are shifted views of one block: fresh noise would cost a large camera its period."""

    def __init__(self, camera: SyntheticCamera) -> None:
        shape: tuple[int, ...] = (camera.height + _SHIFTS, camera.width)
        if camera.channels > 1:
            shape = (*shape, camera.channels)
        dtype = np.uint16 if camera.bit_depth == 16 else np.uint8
        full = 1 << camera.bit_depth
        generator = np.random.default_rng(camera.seed)
        self._noise: Image = generator.integers(full // 4, 3 * full // 4, shape, dtype)
        self._height = camera.height
        self._shift = 0

    def grab(self, trigger_id: int) -> Image | None:  # noqa: ARG002 - every part looks alike
        self._shift = (self._shift + 1) % _SHIFTS
        return self._noise[self._shift : self._shift + self._height]
