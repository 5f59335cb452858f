"""What a camera's process says every period, as bytes of one fixed size. Pure; knows no pipe.

One report is one write of less than PIPE_BUF bytes to a pipe: it arrives whole or not at all, also when
the writer is killed (pipe(7)).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from radar_edge.runtime.capture.ring import PixelType
from radar_edge.runtime.capture.seam import Heartbeat

# frame id, stamp, checksum, mean, clipped, flags, dropped | slot, trigger id, height, width, channels, bytes a sample
_LAYOUT = struct.Struct("<HqIddBIbHIIBB")
SIZE = _LAYOUT.size
_OK, _REPEATS = 1, 2
_NO_FRAME = (-1, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class SlotFrame:
    """Where in the ring a triggered frame lies. `channels` is 0 for an image of two dimensions."""

    slot: int
    trigger_id: int
    height: int
    width: int
    channels: int
    sample_bytes: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, self.channels) if self.channels else (self.height, self.width)

    @property
    def dtype(self) -> PixelType:
        return np.dtype(np.uint16) if self.sample_bytes == 2 else np.dtype(np.uint8)


@dataclass(frozen=True, slots=True)
class Report:
    """One period: the heartbeat's values, how many asked-for frames were dropped so far, and the frame if asked for.

    `checksum` is the CRC-32 of the pixels, 0 if the driver gave none; `repeats`: equal pixels mean nothing.
    """

    frame_id: int
    stamp_ns: int
    checksum: int
    mean: float
    clipped: float
    ok: bool
    repeats: bool
    dropped: int
    frame: SlotFrame | None = None

    def heartbeat(self, camera_id: str) -> Heartbeat:
        content_hash = None if self.repeats else self.checksum
        return Heartbeat(camera_id, self.frame_id, self.stamp_ns, content_hash, self.mean, self.clipped, self.ok)


def pack(report: Report) -> bytes:
    frame = report.frame
    place = _NO_FRAME
    if frame is not None:
        place = (frame.slot, frame.trigger_id, frame.height, frame.width, frame.channels, frame.sample_bytes)
    flags = _OK * report.ok | _REPEATS * report.repeats
    head = (report.frame_id, report.stamp_ns, report.checksum, report.mean, report.clipped, flags, report.dropped)
    return _LAYOUT.pack(*head, *place)


def unpack(data: bytes) -> list[Report]:
    """The whole reports in `data`, in order."""
    reports = []
    for frame_id, stamp_ns, crc, mean, clipped, flags, dropped, *place in _LAYOUT.iter_unpack(data):
        frame = SlotFrame(*place) if place[0] >= 0 else None
        ok, repeats = bool(flags & _OK), bool(flags & _REPEATS)
        reports.append(Report(frame_id, stamp_ns, crc, mean, clipped, ok, repeats, dropped, frame))
    return reports
