"""What a camera's process says every period, as bytes of one fixed size. Pure; knows no pipe.

One report is one write of less than PIPE_BUF bytes to a pipe: it arrives whole or not at all, also when
the writer is killed (pipe(7)).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

import numpy as np

from radar_edge.runtime.capture.ring import PixelType
from radar_edge.runtime.capture.seam import FrameKind, Heartbeat

# frame id, stamp, checksum, flags, dropped | mean, clipped, low, high, sharpness | height, width, channels, bytes a
# sample | device clock | slot, trigger id
_LAYOUT = struct.Struct("<HqIBIdddddIIBBqbH")
SIZE = _LAYOUT.size
_OK, _REPEATS, _SHUTTER, _CLOCK = 1, 2, 4, 8
_NO_SLOT = -1


@dataclass(frozen=True, slots=True)
class Look:
    """What a subsample of the pixels shows; see seam.Heartbeat."""

    mean: float = 0.0
    clipped: float = 0.0
    low: float = 0.0
    high: float = 0.0
    sharpness: float | None = None


@dataclass(frozen=True, slots=True)
class SlotFrame:
    """Where in the ring a triggered frame lies."""

    slot: int
    trigger_id: int


@dataclass(frozen=True, slots=True)
class Report:
    """One period: the heartbeat's values, how many asked-for frames were dropped so far, and the frame if asked for.

    `checksum` is the CRC-32 of the pixels, 0 if the driver gave none; `repeats`: equal pixels mean nothing.
    `kind`: None without an image. `channels` in it is 0 for an image of two dimensions.
    """

    frame_id: int
    stamp_ns: int
    checksum: int
    ok: bool
    repeats: bool
    dropped: int
    look: Look = field(default_factory=Look)
    kind: FrameKind | None = None
    device_ns: int | None = None
    shutter: bool = False
    frame: SlotFrame | None = None

    def heartbeat(self, camera_id: str) -> Heartbeat:
        look = self.look
        return Heartbeat(
            camera_id,
            self.frame_id,
            self.stamp_ns,
            None if self.repeats else self.checksum,
            look.mean,
            look.clipped,
            self.ok,
            look.low,
            look.high,
            self.kind,
            look.sharpness,
            self.device_ns,
            self.shutter,
        )


def shape_of(kind: FrameKind) -> tuple[int, ...]:
    return (kind.height, kind.width, kind.channels) if kind.channels else (kind.height, kind.width)


def dtype_of(kind: FrameKind) -> PixelType:
    return np.dtype(np.uint16) if kind.bit_depth == 16 else np.dtype(np.uint8)


def pack(report: Report) -> bytes:
    look, kind, frame = report.look, report.kind, report.frame
    flags = (
        _OK * report.ok
        | _REPEATS * report.repeats
        | _SHUTTER * report.shutter
        | _CLOCK * (report.device_ns is not None)
    )
    sharpness = math.nan if look.sharpness is None else look.sharpness
    return _LAYOUT.pack(
        report.frame_id,
        report.stamp_ns,
        report.checksum,
        flags,
        report.dropped,
        look.mean,
        look.clipped,
        look.low,
        look.high,
        sharpness,
        *((0, 0, 0, 0) if kind is None else (kind.height, kind.width, kind.channels, kind.bit_depth // 8)),
        report.device_ns or 0,
        *((_NO_SLOT, 0) if frame is None else (frame.slot, frame.trigger_id)),
    )


def unpack(data: bytes) -> list[Report]:
    """The whole reports in `data`, in order."""
    return [_report(*values) for values in _LAYOUT.iter_unpack(data)]


def _report(
    frame_id: int,
    stamp_ns: int,
    checksum: int,
    flags: int,
    dropped: int,
    mean: float,
    clipped: float,
    low: float,
    high: float,
    sharpness: float,
    height: int,
    width: int,
    channels: int,
    sample_bytes: int,
    device_ns: int,
    slot: int,
    trigger_id: int,
) -> Report:
    return Report(
        frame_id,
        stamp_ns,
        checksum,
        bool(flags & _OK),
        bool(flags & _REPEATS),
        dropped,
        Look(mean, clipped, low, high, None if math.isnan(sharpness) else sharpness),
        FrameKind(height, width, channels, 8 * sample_bytes) if height else None,
        device_ns if flags & _CLOCK else None,
        bool(flags & _SHUTTER),
        SlotFrame(slot, trigger_id) if slot >= 0 else None,
    )
