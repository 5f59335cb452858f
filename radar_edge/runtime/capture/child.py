"""The process of one camera: grabs a frame every period and reports it. Knows no health rule and no PLC.

    stdin: the camera's configuration (JSON)      pipes, by file descriptor:
    triggers  <- ids, two bytes each              returns  <- slots that are free again
    reports   -> one report every period          ring     -- the frames' memory

Nothing it writes to can block it. It ends with the runtime: by a signal, and by the end of `triggers`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from pydantic import TypeAdapter

from radar_edge.clock import NS_PER_S
from radar_edge.config import Camera
from radar_edge.errors import RadarEdgeError
from radar_edge.records import Image
from radar_edge.runtime.capture.backend import Backend, open_backend
from radar_edge.runtime.capture.report import Look, Report, SlotFrame, pack
from radar_edge.runtime.capture.ring import SLOT_BYTES, Ring, RingWriter, checksum
from radar_edge.runtime.capture.seam import FrameKind

LAST_ID = 65535
_STEP = 8
GIVE_UP_NS = 2 * NS_PER_S
SHARPNESS_NS = NS_PER_S // 2
"""Between two measurements: it costs ten times what the rest does, and fouling takes days."""
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Reporter:
    """From grabbed images to reports and ring slots. `pending` is the trigger that the next good frame is for."""

    ring: RingWriter
    reports_fd: int
    repeats: bool
    pending: int = 0
    dropped: int = 0
    _frame_id: int = field(default=0, init=False)
    _asked_ns: int = field(default=0, init=False)
    _seen: int | None = field(default=None, init=False)
    _sharpness_due_ns: int = field(default=0, init=False)

    def ask(self, trigger_id: int, now_ns: int) -> None:
        """The next good frame that is grabbed from `now_ns` on is for this trigger."""
        if trigger_id != self.pending:
            self.pending, self._asked_ns = trigger_id, now_ns

    def report(self, image: Image | None, stamp_ns: int, device_ns: int | None = None, shutter: bool = False) -> None:
        """Send this period's report, with the frame if it is asked for, whole and new.

        A buffer seen before is no frame of this part: the trigger stays pending. With no free slot, or with
        a full pipe, the frame is dropped: a later one would show the part at another place.
        """
        self._frame_id = self._frame_id % LAST_ID + 1
        crc = 0 if image is None else checksum(image)
        frame = None
        fresh = image is None or self.repeats or crc != self._seen
        if self.pending and fresh and stamp_ns >= self._asked_ns:
            frame = None if image is None else self._store(image)
            self.dropped += frame is None
            self.pending = 0
        if image is not None:
            self._seen = crc
        report = Report(
            self._frame_id,
            stamp_ns,
            crc,
            image is not None,
            self.repeats,
            self.dropped,
            Look() if image is None else self._look(image, stamp_ns),
            None if image is None else kind_of(image),
            device_ns,
            shutter,
            frame,
        )
        try:
            os.write(self.reports_fd, pack(report))
        except BlockingIOError:
            if frame is not None:
                self.dropped += 1
                self.ring.take_back(frame.slot)

    def _store(self, image: Image) -> SlotFrame | None:
        slot = self.ring.put(image)
        return None if slot is None else SlotFrame(slot, self.pending)

    def _look(self, image: Image, stamp_ns: int) -> Look:
        due = stamp_ns >= self._sharpness_due_ns
        if due:
            self._sharpness_due_ns = stamp_ns + SHARPNESS_NS
        return look_at(image, with_sharpness=due)


def kind_of(image: Image) -> FrameKind:
    height, width, *channels = image.shape
    return FrameKind(height, width, channels[0] if channels else 0, 8 * image.itemsize)


def look_at(image: Image, *, with_sharpness: bool) -> Look:
    """Brightness of every eighth row and column; sharpness of every fourth, as the variance of its Laplacian."""
    part = image[::_STEP, ::_STEP]
    full = int(np.iinfo(image.dtype).max)
    flat = part.reshape(-1)
    ends = (len(flat) // 100, len(flat) - 1 - len(flat) // 100)
    low, high = np.partition(flat, ends)[list(ends)]
    sharpness = laplacian_variance(image[:: _STEP // 2, :: _STEP // 2], full) if with_sharpness else None
    return Look(float(part.mean()) / full, float((part == full).mean()), int(low) / full, int(high) / full, sharpness)


def laplacian_variance(image: Image, full: int) -> float | None:
    """Of the first channel, in squared fractions of full scale; None for an image of less than 3 x 3."""
    x = (image if image.ndim == 2 else image[..., 0]).astype(np.float32) / full
    if min(x.shape) < 3:
        return None
    laplacian = 4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]
    return float(laplacian.var())


def newest_trigger(triggers_fd: int, pending: int) -> int | None:
    """The last id that came, else `pending`; None when the runtime has gone.

    Only the last: one frame cannot show two parts, and what waited while this process was stopped is history.
    """
    while True:
        try:
            data = os.read(triggers_fd, 4096)
        except BlockingIOError:
            return pending
        if not data:
            return None
        (pending,) = struct.unpack("<H", data[-2:])


def usable(image: Image | None) -> Image | None:
    """The image unless it is of a kind that no driver should give: other depths, or more than a slot holds."""
    if image is None or image.dtype not in (np.uint8, np.uint16) or image.nbytes > SLOT_BYTES:
        return None
    return image


def run(backend: Backend, reporter: Reporter, triggers_fd: int, period_ns: int) -> None:
    """Grab on an absolute schedule, so that errors do not add up, until the runtime has gone.

    Also ends, to be started anew, when a device has given nothing good for GIVE_UP_NS: its driver's session is dead,
    and a device that comes back is another one to it.
    """
    due_ns = good_ns = time.monotonic_ns()
    while (trigger := newest_trigger(triggers_fd, reporter.pending)) is not None:
        begun_ns = time.monotonic_ns()
        reporter.ask(trigger, begun_ns)
        image = usable(backend.grab(trigger))
        stamp_ns = begun_ns if backend.stamp_ns is None else backend.stamp_ns
        reporter.report(image, stamp_ns, backend.device_ns, backend.shutter)
        if backend.waits:
            if image is not None:
                good_ns = begun_ns
                continue  # the camera itself is the pace; a bad frame may have come at once
            if begun_ns - good_ns > GIVE_UP_NS:
                return
        # Periods that were missed are skipped, not made up for in a burst.
        due_ns += period_ns * max(1, (time.monotonic_ns() - due_ns) // period_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)


def die_with_parent() -> None:
    """Also while a driver hangs (prctl(2)). The thread that starts the process must live as long as it is wanted."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(
    triggers_fd: int,
    returns_fd: int,
    reports_fd: int,
    ring_fd: int,
    opened: Callable[[Camera], Backend] = open_backend,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runtime, which then ends us
    die_with_parent()
    adapter: TypeAdapter[Camera] = TypeAdapter(Camera)
    camera = adapter.validate_json(sys.stdin.read())
    try:
        backend = opened(camera)
    except RadarEdgeError as error:
        sys.exit(str(error))
    reporter = Reporter(RingWriter(Ring(ring_fd), returns_fd), reports_fd, backend.repeats)
    try:
        run(backend, reporter, triggers_fd, round(NS_PER_S / camera.fps))
    except BrokenPipeError:
        return
    finally:
        backend.close()
