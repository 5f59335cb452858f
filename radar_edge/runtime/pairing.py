"""Frames of one part found together by their trigger id and grab. Pure; knows no camera, clock or engine.

A part never waits for a camera that is not expected, and a frame is used once. Frames of unknown or
closed triggers, a second one of a modality, and any grabbed before its trigger came or after its wait was
over are dropped and counted: ids wrap, so an old frame may carry an id that is open again; a camera that stood
still may answer with a frame of the next part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from radar_edge.errors import UsageError
from radar_edge.records import Frame


@dataclass(slots=True)
class _Part:
    opened_ns: int
    frames: dict[str, Frame] = field(default_factory=dict)


class Pairing:
    """The open triggers, at most `capacity` of them; opening one more closes the oldest (counted as `evicted`)."""

    def __init__(self, wait_ns: int, capacity: int = 8) -> None:
        self._wait_ns = wait_ns
        self._capacity = capacity
        self._parts: dict[int, _Part] = {}
        self.dropped = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._parts)

    def open(self, trigger_id: int, now_ns: int) -> None:
        """Expect frames for `trigger_id`, grabbed within the wait from `now_ns`. Open it before the cameras are asked.

        Raises UsageError if it is open already.
        """
        if trigger_id in self._parts:
            raise UsageError("this trigger is open already", found=trigger_id, wanted="an id that is not in flight")
        if len(self._parts) == self._capacity:
            self.take(next(iter(self._parts)))
            self.evicted += 1
        self._parts[trigger_id] = _Part(now_ns)

    def add(self, frame: Frame) -> bool:
        """Keep a frame for its part. False if it belongs to none and was dropped."""
        part = self._parts.get(frame.trigger_id)
        if (
            part is None
            or frame.modality in part.frames
            or not part.opened_ns <= frame.stamp_ns <= part.opened_ns + self._wait_ns
        ):
            self.dropped += 1
            return False
        part.frames[frame.modality] = frame
        return True

    def complete(self, trigger_id: int, expected: Iterable[str], now_ns: int) -> bool:
        """Whether to wait no longer: a frame of each `expected` modality is there, or the time is over.

        `expected` are the modalities of the cameras usable now; it may shrink from call to call.
        """
        part = self._part(trigger_id)
        return now_ns >= part.opened_ns + self._wait_ns or part.frames.keys() >= set(expected)

    def due_ns(self, trigger_id: int) -> int:
        """When the wait for this part ends."""
        return self._part(trigger_id).opened_ns + self._wait_ns

    def take(self, trigger_id: int) -> dict[str, Frame]:
        """Close the trigger and hand over what arrived, by modality. Raises UsageError if it is not open."""
        part = self._part(trigger_id)
        del self._parts[trigger_id]
        return part.frames

    def _part(self, trigger_id: int) -> _Part:
        part = self._parts.get(trigger_id)
        if part is None:
            raise UsageError("this trigger is not open", found=trigger_id, wanted=sorted(self._parts))
        return part


def together(frames: Mapping[str, Frame], max_skew_ns: int) -> dict[str, Frame]:
    """The frames that were grabbed within `max_skew_ns` of the first one: later ones show the part at another place.

    The first is nearest to the trigger, because frames grabbed before it are never kept.
    """
    first_ns = min((frame.stamp_ns for frame in frames.values()), default=0)
    return {name: frame for name, frame in frames.items() if frame.stamp_ns - first_ns <= max_skew_ns}
