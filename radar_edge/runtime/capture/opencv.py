"""A camera that OpenCV opens: V4L2, RTSP, a video file, a sequence of images. Knows no process.

`pip install opencv-python` has no GStreamer; a Jetson's own OpenCV has (CSI cameras), and the back end `gstreamer` does
without OpenCV. V4L2 stamps its buffers with the monotonic clock, and those stamps are used.
"""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np

from radar_edge.clock import NS_PER_MS, NS_PER_S
from radar_edge.config import OpencvCamera
from radar_edge.errors import CameraError
from radar_edge.records import Image
from radar_edge.runtime.capture.backend import Backend

APIS = {
    "any": cv2.CAP_ANY,
    "v4l2": cv2.CAP_V4L2,
    "ffmpeg": cv2.CAP_FFMPEG,
    "gstreamer": cv2.CAP_GSTREAMER,
    "images": cv2.CAP_IMAGES,
}


class Opencv(Backend):
    """Raises CameraError if the source cannot be opened or gives another size than was asked for."""

    def __init__(self, camera: OpencvCamera) -> None:
        source = int(camera.source) if camera.source.isdigit() else camera.source
        self._capture = cv2.VideoCapture(source, APIS[camera.api])
        self._live = self.waits = camera.api == "v4l2"
        self._raw = camera.raw
        if not self._capture.isOpened():
            raise CameraError(
                f"camera {camera.camera_id}: OpenCV cannot open {camera.source}",
                found=f"api {camera.api}, OpenCV {cv2.__version__}",
                next_step="is it there, not in use, and does this OpenCV know the api (cv2.getBuildInformation)?",
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # no frame older than one period
        if self._raw:
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self._ask_size(camera)

    def _ask_size(self, camera: OpencvCamera) -> None:
        sides = ((cv2.CAP_PROP_FRAME_WIDTH, camera.width_px), (cv2.CAP_PROP_FRAME_HEIGHT, camera.height_px))
        for name, wanted in sides:
            if wanted is None:
                continue
            self._capture.set(name, wanted)
            found = round(self._capture.get(name))
            if found != wanted:
                raise CameraError(
                    f"camera {camera.camera_id} does not give the size that line.yaml asks for",
                    found=found,
                    wanted=wanted,
                )

    def grab(self, trigger_id: int) -> Image | None:  # noqa: ARG002 - every part looks alike
        good, image = self._capture.read()
        self.stamp_ns = self._buffer_stamp_ns() if self._live else None
        if not good or image is None:
            return None
        pixels: Any = np.squeeze(image) if self._raw or image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
        found: Image = pixels
        return found

    def _buffer_stamp_ns(self) -> int | None:
        """V4L2's own; None if it lies outside the last ten seconds, so that it is no monotonic stamp."""
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS)
        return stamp_ns if 0 <= time.monotonic_ns() - stamp_ns < 10 * NS_PER_S else None
