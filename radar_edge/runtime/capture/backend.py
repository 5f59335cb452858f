"""The camera back ends by name. Imports a back end only when it is asked for.

A back end lives in the camera's own process: it may hang or crash there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any

from radar_edge.config import Camera
from radar_edge.records import Image

BACKENDS = {
    "replay": ("radar_edge.runtime.capture.replay", "Replay"),
    "synthetic": ("radar_edge.runtime.capture.synthetic", "Synthetic"),
    "opencv": ("radar_edge.runtime.capture.opencv", "Opencv"),
    "gstreamer": ("radar_edge.runtime.capture.gstreamer", "Gstreamer"),
    "aravis": ("radar_edge.runtime.capture.aravis", "AravisDevice"),
}


class Backend(ABC):
    """One open camera of one configuration."""

    repeats = False
    """Whether its source gives equal pixels by nature, so that equal frames do not mean frozen."""
    waits = False
    """Whether `grab` itself waits for the camera's next frame: then nothing else paces it."""
    device_ns: int | None = None
    """The camera's own clock at the last grab, where it has one."""
    stamp_ns: int | None = None
    """When the last frame was grabbed, by our monotonic clock, where the driver tells: it may have waited since."""
    shutter = False
    """Whether the driver says that the last grab shows a thermal camera's closed shutter."""

    @classmethod
    def check(cls, camera: Any) -> None:  # noqa: ARG003
        """Raises ConfigError for what can be told to be wrong without opening the device: here nothing."""
        return

    @abstractmethod
    def grab(self, trigger_id: int) -> Image | None:
        """The next frame, for the part `trigger_id` (0: for none); None if the driver calls it bad."""

    def close(self) -> None:  # noqa: B027 - most drivers hold nothing beyond their process
        """Give the device back, where it would otherwise be held after the end of the process."""


def backend_class(name: str) -> type[Backend]:
    module, attribute = BACKENDS[name]
    found: type[Backend] = getattr(import_module(module), attribute)
    return found


def open_backend(camera: Camera) -> Backend:
    """Open the camera. Raises RadarEdgeError if that fails."""
    factory: Any = backend_class(camera.backend)
    backend: Backend = factory(camera)
    return backend
