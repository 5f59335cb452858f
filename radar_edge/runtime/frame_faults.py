"""What is wrong with a frame, and for how many in a row. Pure; knows no time, no state of a camera, no policy.

A fault is fleeting (the frame is not judged, and one or two are like drops) or lasting (the camera fails).
"""

from __future__ import annotations

from dataclasses import dataclass

from radar_edge.clock import NS_PER_MS
from radar_edge.config import Band, HealthConfig
from radar_edge.records import Cause
from radar_edge.runtime.capture.seam import FrameKind, Heartbeat

BLACK_MEAN = 1 / 255
"""Below one count of 8 bit on average. Dark parts on black ground lie ten times higher."""
SATURATED_SHARE = 0.9
"""Above this share of pixels at full scale nothing of the part can be seen; white ground alone stays below."""
FULL_SCALE = {8: 255, 16: 65535}


@dataclass(frozen=True)
class Fault:
    """`lasting`: it fails the camera now."""

    cause: Cause
    lasting: bool = False


NONE = Fault(Cause.NONE)


@dataclass(frozen=True)
class Expected:
    """What is known of a camera's frames beforehand: samples and bits as the model was trained with, the band of a
    thermal process in raw counts, how long a thermal shutter may stay closed. None: not known."""

    channels: int | None = None
    bit_depth: int | None = None
    band: Band | None = None
    ffc_max_ns: int = 0


class FrameFaults:
    """Looks at the heartbeats of one camera in order of arrival."""

    def __init__(self, config: HealthConfig, expected: Expected) -> None:
        self._config = config
        self._expected = expected
        self._size: tuple[int, int] | None = None
        self._before: Heartbeat | None = None
        self._in_row: dict[Cause, int] = {}
        self._equal = 1
        self._equal_since_ns = 0

    def look(self, beat: Heartbeat) -> Fault:
        """The worst of what is wrong with this frame."""
        for cause, wrong, most in (
            (Cause.CORRUPT, not beat.ok, self._config.tolerated_drops),
            (Cause.WRONG_KIND, beat.ok and not self._fits(beat.kind), self._config.tolerated_drops),
        ):
            if self._count(cause, wrong) > most:
                return Fault(cause, lasting=True)
            if wrong:
                return Fault(cause)
        if beat.shutter:
            return Fault(Cause.CALIBRATING)
        if beat.mean < BLACK_MEAN:
            return Fault(Cause.BLACK, lasting=True)
        if beat.clipped > SATURATED_SHARE:
            return Fault(Cause.SATURATED, lasting=True)
        return self._repeated(beat)

    def _repeated(self, beat: Heartbeat) -> Fault:
        before, self._before = self._before, beat
        if before is None or not is_repeat(before, beat):
            self._equal, self._equal_since_ns = 1, beat.stamp_ns
            return self._plausible(before, beat)
        self._equal += 1
        if beat.stamp_ns - self._equal_since_ns <= self._expected.ffc_max_ns and beat.stamp_ns > before.stamp_ns:
            return Fault(Cause.CALIBRATING)
        return Fault(Cause.FROZEN, lasting=self._equal >= self._config.frozen_frames)

    def _plausible(self, before: Heartbeat | None, beat: Heartbeat) -> Fault:
        most = self._config.tolerated_drops
        outside = self._count(Cause.OUT_OF_RANGE, self._outside(beat))
        jumped = self._count(Cause.CLOCK_JUMP, before is not None and self._jumped(before, beat))
        if outside:
            return Fault(Cause.OUT_OF_RANGE, lasting=outside > most)
        if jumped:
            return Fault(Cause.CLOCK_JUMP, lasting=jumped > most)
        return NONE

    def _count(self, cause: Cause, wrong: bool) -> int:
        self._in_row[cause] = self._in_row.get(cause, 0) + 1 if wrong else 0
        return self._in_row[cause]

    def _fits(self, kind: FrameKind | None) -> bool:
        """Also whether the size is that of the first frame: a camera that came up in another mode looks plausible."""
        if kind is None:
            return True
        wanted = self._expected
        channels = max(kind.channels, 1)
        if wanted.channels not in (None, channels) or wanted.bit_depth not in (None, kind.bit_depth):
            return False
        size = (kind.height, kind.width)
        self._size = self._size or size
        return size == self._size

    def _outside(self, beat: Heartbeat) -> bool:
        band = self._expected.band
        if band is None or beat.kind is None:
            return False
        full = FULL_SCALE[beat.kind.bit_depth]
        return beat.low * full < band.low_counts or beat.high * full > band.high_counts

    def _jumped(self, before: Heartbeat, beat: Heartbeat) -> bool:
        """Whether the camera's clock went by otherwise than ours."""
        if before.device_ns is None or beat.device_ns is None:
            return False
        gap_ns = (beat.device_ns - before.device_ns) - (beat.stamp_ns - before.stamp_ns)
        return abs(gap_ns) > self._config.clock_jump_ms * NS_PER_MS


def is_repeat(before: Heartbeat, beat: Heartbeat) -> bool:
    """Whether `beat` is the frame `before` once more: the same id, no newer stamp, or equal pixels.

    Noise makes equal pixels impossible in a living sensor; a driver whose pipeline is dead may hand out its
    last buffer for ever, with success and fresh ids. An id may go back (wrap, restart): that is no repeat.
    """
    same_pixels = beat.content_hash is not None and beat.content_hash == before.content_hash
    return same_pixels or beat.frame_id == before.frame_id or beat.stamp_ns <= before.stamp_ns
