"""A camera's process on a rehearsed line: the real back end, whose frames go wrong on demand. Knows no line.

kill      cannot be opened (its process is killed from outside)      stop        held from outside
freeze    the last frame again and again                             black       all pixels 0
garbage   half of the rows only                                      drop        every second frame is lost
reorder   two frames change places                                   delay       every frame comes one period late
ffc       the driver says that the shutter is closed                 clock_jump  its clock leaps with every frame
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from radar_edge.clock import NS_PER_S
from radar_edge.config import Camera
from radar_edge.errors import CameraError
from radar_edge.records import Image
from radar_edge.runtime.capture import child
from radar_edge.runtime.capture.backend import Backend, open_backend
from radar_edge.simulation.control import Control

LEAP_NS = 1 * NS_PER_S


class Grab(NamedTuple):
    """One frame and what the driver said of it."""

    image: Image | None
    stamp_ns: int
    device_ns: int | None


class FaultyCamera(Backend):
    """Raises CameraError while the camera is away, and what the real back end raises."""

    def __init__(self, camera: Camera, control: Control) -> None:
        self._camera = camera
        self._control = control
        if self._fault() == "kill":
            raise CameraError(f"camera {camera.camera_id} is away, as rehearsed")
        self._inner = open_backend(camera)
        self.waits, self.repeats = self._inner.waits, self._inner.repeats
        self._last: Grab | None = None
        self._kept: Grab | None = None
        self._even = False
        self._leap_ns = 0

    def _fault(self) -> str:
        return self._control.fault(self._camera.camera_id)

    def grab(self, trigger_id: int) -> Image | None:
        fault = self._fault()
        found = self._through(fault, trigger_id)
        self.shutter = fault == "ffc" or self._inner.shutter
        self.stamp_ns, self.device_ns = found.stamp_ns, found.device_ns
        return found.image

    def _through(self, fault: str, trigger_id: int) -> Grab:
        self._even = not self._even
        if fault == "drop" and self._even:
            self._one(trigger_id)
            if not self.waits:
                time.sleep(1 / self._camera.fps)
        now = self._one(trigger_id)
        before, self._last = self._last, (self._last if fault == "freeze" and self._last is not None else now)
        if fault == "freeze" and before is not None:
            # Where equal pixels say nothing, it is the stamp that shows a dead pipeline.
            return before if self.repeats else now._replace(image=before.image)
        if fault in ("delay", "reorder") and before is not None:
            return self._late(fault, before, now)
        if now.image is None:
            return now
        if fault == "black":
            return now._replace(image=np.zeros_like(now.image))
        if fault == "garbage":
            return now._replace(image=now.image[: len(now.image) // 2])
        if fault == "clock_jump":
            self._leap_ns += LEAP_NS
            return now._replace(device_ns=(now.device_ns or now.stamp_ns) + self._leap_ns)
        return now

    def _late(self, fault: str, before: Grab, now: Grab) -> Grab:
        """delay: the frame before this one. reorder: this one, then with the next call the one before it."""
        if fault == "delay":
            return before
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        self._kept = before
        return now

    def close(self) -> None:
        self._inner.close()

    def _one(self, trigger_id: int) -> Grab:
        begun_ns = time.monotonic_ns()
        image = self._inner.grab(trigger_id)
        stamp_ns = begun_ns if self._inner.stamp_ns is None else self._inner.stamp_ns
        return Grab(image, stamp_ns, self._inner.device_ns)


def main(triggers_fd: int, returns_fd: int, reports_fd: int, ring_fd: int) -> None:
    """Run as a camera's process."""
    control = Control.of_environment()
    child.main(triggers_fd, returns_fd, reports_fd, ring_fd, lambda camera: FaultyCamera(camera, control))
