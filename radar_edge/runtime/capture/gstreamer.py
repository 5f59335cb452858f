"""A camera at the end of a GStreamer pipeline (CSI, V4L2, RTSP), through an appsink. Knows no process.

The appsink keeps the newest frame alone. Its buffers carry the pipeline's running time; with the pipeline's clock that
makes a monotonic stamp of the grab.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from radar_edge.clock import NS_PER_S
from radar_edge.config import GstreamerCamera
from radar_edge.errors import CameraError
from radar_edge.records import Image
from radar_edge.runtime.capture.backend import Backend
from radar_edge.runtime.capture.introspection import load

FORMATS = {"RGB": (np.uint8, 3), "GRAY8": (np.uint8, 1), "GRAY16_LE": (np.uint16, 1)}
PULL_NS = NS_PER_S
"""Within this a living camera gives a frame; the supervisor kills a process that hangs for longer."""


class Gstreamer(Backend):
    """Raises MachineError without GStreamer, CameraError if the pipeline does not run."""

    waits = True

    def __init__(self, camera: GstreamerCamera) -> None:
        self._gst = load("Gst", "1.0", "gir1.2-gst-plugins-base-1.0")
        self._camera_id = camera.camera_id
        self._gst.init(None)
        try:
            self._pipeline = self._gst.parse_launch(camera.pipeline)
        except Exception as error:  # GLib.Error, whose class comes with gi
            raise CameraError(f"camera {camera.camera_id}: this is no pipeline", found=str(error)) from error
        self._sink = self._pipeline.get_by_name("sink")
        for name, value in (("drop", True), ("max-buffers", 1), ("sync", False), ("emit-signals", False)):
            self._sink.set_property(name, value)
        if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            raise CameraError(f"camera {camera.camera_id}: the pipeline does not start", found=self._trouble())

    def grab(self, trigger_id: int) -> Image | None:  # noqa: ARG002 - every part looks alike
        sample = self._sink.emit("try-pull-sample", PULL_NS)
        if sample is None:
            return None
        caps = sample.get_caps().get_structure(0)
        buffer = sample.get_buffer()
        self.stamp_ns = self._stamp_ns(buffer)
        return image_of(buffer, caps.get_string("format"), caps.get_value("height"), caps.get_value("width"))

    def _stamp_ns(self, buffer: Any) -> int | None:
        """GStreamer's system clock is CLOCK_MONOTONIC."""
        if buffer.pts == self._gst.CLOCK_TIME_NONE:
            return None
        return int(self._pipeline.get_base_time() + buffer.pts)

    def _trouble(self) -> str:
        message = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        return "no reason given" if message is None else str(message.parse_error()[0])


def image_of(buffer: Any, pixel_format: str, height: int, width: int) -> Image | None:
    """A copy of the buffer's pixels; rows are padded to four bytes. None for another format."""
    if pixel_format not in FORMATS:
        return None
    dtype, channels = FORMATS[pixel_format]
    data = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
    row = width * channels * np.dtype(dtype).itemsize
    if len(data) < height * row or len(data) % height:
        return None
    pixels = np.ascontiguousarray(data.reshape(height, -1)[:, :row]).view(dtype)
    return pixels.reshape((height, width, channels) if channels > 1 else (height, width))
