"""Where the capture's frames and health meet the inspection's wait. Knows no process, engine or link.

The capture thread offers what arrived; the inspection thread waits until the frames of its part are there
or the time is over; the desk opens and closes parts. One lock for all, held for moments only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from radar_edge.clock import NS_PER_S, Clock
from radar_edge.records import Frame, HealthReport
from radar_edge.runtime.pairing import Pairing
from radar_edge.runtime.plc.link import Trigger
from radar_edge.runtime.slot import Slot

WAKE_S = 0.02


class Gathering:
    """Pairing and the last health reports, shared between threads."""

    def __init__(self, pair_wait_ns: int, capacity: int, clock: Clock) -> None:
        """At most `capacity` parts are in flight, and each waits up to `pair_wait_ns` from its trigger."""
        self._changed = threading.Condition()
        self._pairing = Pairing(pair_wait_ns, capacity)
        self._open: set[int] = set()
        self._reports: dict[str, HealthReport] = {}
        self._clock = clock
        self.seen_ns = clock.now_ns()
        """When the capture thread last looked at its cameras."""

    def open(self, trigger: Trigger) -> None:
        """Expect frames of this part. Call it before the cameras are asked."""
        with self._changed:
            self._pairing.open(trigger.trigger_id, trigger.received_ns)
            self._open.add(trigger.trigger_id)

    def close(self, trigger_id: int) -> None:
        """Expect no more frames of this part; wakes who waits for it."""
        with self._changed:
            self._take(trigger_id)
            self._changed.notify_all()

    def offer(self, frames: Iterable[Frame], reports: Mapping[str, HealthReport], now_ns: int) -> None:
        """What one look at the cameras brought: `frames`, and by modality the health after them."""
        with self._changed:
            for frame in frames:
                self._pairing.add(frame)
            self._reports = dict(reports)
            self.seen_ns = now_ns
            self._changed.notify_all()

    @property
    def reports(self) -> dict[str, HealthReport]:
        """The last health report of each modality."""
        return self._reports

    @property
    def frames_dropped(self) -> int:
        """Frames that came for no open part."""
        return self._pairing.dropped

    def wait(self, slot: Slot, on_wake: Callable[[], None]) -> tuple[dict[str, Frame], dict[str, HealthReport]]:
        """The part's frames and the health at that moment, once no more frames are worth waiting for.

        That is when every usable camera has delivered, the wait is over, or the slot was filled meanwhile
        (then without frames). `on_wake` is called, without the lock, at least every 20 ms.
        """
        trigger_id = slot.trigger.trigger_id
        while True:
            with self._changed:
                usable = [name for name, report in self._reports.items() if report.usable]
                if slot.filled or trigger_id not in self._open:
                    return {}, self._reports
                if self._pairing.complete(trigger_id, usable, self._clock.now_ns()):
                    return self._take(trigger_id), self._reports
                left_s = (self._pairing.due_ns(trigger_id) - self._clock.now_ns()) / NS_PER_S
                self._clock.wait(self._changed, min(WAKE_S, max(left_s, 0)))
            on_wake()

    def _take(self, trigger_id: int) -> dict[str, Frame]:
        if trigger_id not in self._open:
            return {}
        self._open.remove(trigger_id)
        return self._pairing.take(trigger_id)
