"""What people may look at, sent to a process of their own. Nothing of the line ever waits for it.

    state()   five times a second      the line's state as JSON
    offer()   parts, now and then      a small picture a camera, and the heat map, made by a thread of low priority

One datagram a message on a local socket: a header of JSON, a line feed, and bytes. Whoever reads may be slow, stopped
or gone: a datagram that has no room is dropped and counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from radar_edge.clock import NS_PER_S, Clock
from radar_edge.records import Frame, Verdict
from radar_edge.runtime.crew import Crew
from radar_edge.runtime.pictures import heat_png, jpeg
from radar_edge.runtime.products import Product

PICTURE_EVERY_NS = NS_PER_S // 3
MOST_BYTES = 180_000
"""A larger datagram might not fit the socket's buffer of 208 kB, Linux' default."""
LOW_PRIORITY = 10
CLOSE_S = 1.0


@dataclass(frozen=True, eq=False)
class _Glimpse:
    part: int
    verdict: Verdict
    frames: Mapping[str, Frame]
    anomaly_map: Any
    product: Product


class Feed:
    """The line's end. Its methods may be called from any thread and never block."""

    def __init__(self, address: Path, clock: Clock) -> None:
        """`address` is the socket that the reader has bound, or will."""
        self._address = str(address)
        self._clock = clock
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._wanted = threading.Condition()
        self._glimpse: _Glimpse | None = None
        self._last_ns = -PICTURE_EVERY_NS
        self.dropped = 0
        self._crew = Crew()
        self._crew.start("feed", self._loop)

    def state(self, document: Mapping[str, Any]) -> None:
        self._send({"kind": "state", "state": document})

    def offer(
        self, part: int, verdict: Verdict, frames: Mapping[str, Frame], anomaly_map: Any, product: Product
    ) -> None:
        """Show this part, unless another was shown a moment ago. `anomaly_map`: `[..., H, W]`, None without one."""
        now_ns = self._clock.now_ns()
        if now_ns - self._last_ns < PICTURE_EVERY_NS or not frames:
            return
        self._last_ns = now_ns
        with self._wanted:
            self._glimpse = _Glimpse(part, verdict, frames, anomaly_map, product)
            self._wanted.notify()

    def _loop(self) -> None:
        with contextlib.suppress(OSError):  # a system may refuse it; then it runs like the rest
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
        while not self._crew.stopping.is_set():
            with self._wanted:
                if self._glimpse is None:
                    self._wanted.wait(0.1)
                glimpse, self._glimpse = self._glimpse, None
            if glimpse is not None:
                self._show(glimpse)

    def _show(self, glimpse: _Glimpse) -> None:
        head = {"part": glimpse.part, "code": glimpse.verdict.code.name}
        try:
            for name, frame in glimpse.frames.items():
                data = jpeg(frame.image, glimpse.product.preprocess.modalities[name])
                self._send({**head, "kind": "image", "modality": name, "camera": frame.camera_id}, data)
            subset = glimpse.verdict.subset
            if glimpse.anomaly_map is not None and subset is not None:
                heat = heat_png(glimpse.anomaly_map, glimpse.product.calibrations[subset])
                self._send({**head, "kind": "heat", "subset": subset.slug, "modalities": list(subset)}, heat)
        except (ValueError, cv2.error):  # a picture of an odd kind costs the picture
            self.dropped += 1

    def _send(self, header: Mapping[str, Any], data: bytes = b"") -> None:
        message = json.dumps(header).encode() + b"\n" + data
        try:
            if len(message) > MOST_BYTES:
                raise OSError("too large")
            self._socket.sendto(message, self._address)
        except OSError:  # nobody there, or no room
            self.dropped += 1

    def close(self) -> None:
        self._crew.stop(CLOSE_S)
        self._socket.close()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
