"""A GigE Vision or USB3 Vision camera through Aravis. Knows no process.

Only whole buffers count: lost packets make a bad frame. The library itself notices a dead camera after five seconds;
our own deadline is what is trusted. Frame ids of the camera wrap from 65535 to 1 and are not used.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import numpy as np

from radar_edge.clock import NS_PER_S
from radar_edge.config import AravisCamera
from radar_edge.errors import CameraError
from radar_edge.records import Image
from radar_edge.runtime.capture.backend import Backend
from radar_edge.runtime.capture.introspection import load

FORMATS = {"Mono8": (np.uint8, 1), "Mono16": (np.uint16, 1), "RGB8": (np.uint8, 3)}
BUFFERS = 4
MICROSECONDS = 1_000_000
WAIT_PERIODS = 2


class AravisDevice(Backend):
    """Raises MachineError without Aravis, CameraError if there is no such camera or it refuses a setting."""

    def __init__(self, camera: AravisCamera) -> None:
        self._aravis = load("Aravis", "0.8", "gir1.2-aravis-0.8")
        self._software = camera.trigger == "software"
        self.waits = not self._software
        self._kind = FORMATS[camera.pixel_format]
        self._wait_us = round(WAIT_PERIODS * MICROSECONDS / camera.fps)
        try:
            self._camera = self._aravis.Camera.new(camera.device)
            self._take_control()
            self._settle(camera)
            self._stream = self._open_stream()
            self._camera.start_acquisition()
        except Exception as error:  # GLib.Error, whose class comes with gi
            raise CameraError(
                f"camera {camera.camera_id}: Aravis cannot run {camera.device or 'the first camera it finds'}",
                found=str(error),
                next_step="arv-tool-0.8 lists the cameras; check cable, address and that no one else has it",
            ) from error

    def _take_control(self) -> None:
        """Without control a GigE camera opens and sends nothing: better an error, and another try after a back-off.

        A process that was killed keeps control until the camera has missed its heartbeats, 3 s for most.
        """
        if self._camera.is_gv_device() and not self._camera.get_device().is_controller():
            raise PermissionError("another process controls it, or one that died a moment ago did")

    def _settle(self, camera: AravisCamera) -> None:
        device = self._camera
        device.set_pixel_format_from_string(camera.pixel_format)
        if camera.packet_bytes is not None and device.is_gv_device():
            device.gv_set_packet_size(camera.packet_bytes)
        if camera.trigger == "free":
            device.clear_triggers()
            device.set_frame_rate(camera.fps)
        else:
            device.set_trigger("Software" if self._software else "Line0")
        device.set_acquisition_mode(self._aravis.AcquisitionMode.CONTINUOUS)

    def _open_stream(self) -> Any:
        """With a socket buffer as large as all buffers: the kernel's default holds less than one large frame.

        Packet sockets need privileges, and hear nothing on loopback.
        """
        payload = self._camera.get_payload()
        if self._camera.is_gv_device():
            self._camera.gv_set_stream_options(self._aravis.GvStreamOption.PACKET_SOCKET_DISABLED)
        stream = self._camera.create_stream(None, None)
        if self._camera.is_gv_device():
            stream.set_property("socket-buffer", self._aravis.GvStreamSocketBuffer.FIXED)
            stream.set_property("socket-buffer-size", BUFFERS * payload)
        for _ in range(BUFFERS):
            stream.push_buffer(self._aravis.Buffer.new_allocate(payload))
        return stream

    def grab(self, trigger_id: int) -> Image | None:  # noqa: ARG002 - every part looks alike
        if self._software:
            self._camera.software_trigger()
        buffer = self._newest()
        if buffer is None:
            return None
        try:
            self.device_ns = buffer.get_timestamp() or None
            self.stamp_ns = self._monotonic_ns(buffer)
            if buffer.get_status() != self._aravis.BufferStatus.SUCCESS:
                return None
            return image_of(buffer, *self._kind)
        finally:
            self._stream.push_buffer(buffer)

    def close(self) -> None:
        """A GigE camera that nobody took leave of keeps its control for 3 s, and refuses the next process."""
        camera, self._camera, self._stream = self._camera, None, None
        with suppress(Exception):  # GLib.Error: it may be gone already
            camera.stop_acquisition()

    def _newest(self) -> Any:
        """The last of the buffers that arrived; waits for one. None if none comes in two periods."""
        buffer = self._stream.timeout_pop_buffer(self._wait_us)
        while buffer is not None and (later := self._stream.try_pop_buffer()) is not None:
            self._stream.push_buffer(buffer)
            buffer = later
        return buffer

    @staticmethod
    def _monotonic_ns(buffer: Any) -> int | None:
        """When its first packet came: Aravis stamps that by the time of day, which is brought to our clock."""
        came_ns = buffer.get_system_timestamp()
        if not came_ns:
            return None
        age_ns = time.time_ns() - came_ns
        return time.monotonic_ns() - age_ns if 0 <= age_ns < 10 * NS_PER_S else None


def image_of(buffer: Any, dtype: type, channels: int) -> Image | None:
    height, width = buffer.get_image_height(), buffer.get_image_width()
    data = np.frombuffer(buffer.get_data(), np.uint8)
    if len(data) < height * width * channels * np.dtype(dtype).itemsize:
        return None
    pixels: Image = data[: height * width * channels * np.dtype(dtype).itemsize].view(dtype)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return pixels.reshape(shape).copy()
