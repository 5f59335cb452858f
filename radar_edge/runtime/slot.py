"""One slot a trigger, filled exactly once. Knows no link, no camera and no clock: time is an argument.

    trigger -> open --fill(verdict) in time--------------------> filled
                 \\--fill(NO_DECISION, DEADLINE) at the deadline--> filled      a later result: fill() is False

Two threads race for a slot: the inspection and the deadline. The lock makes filling a compare-and-set, so
that whoever is second learns it, and its verdict never reaches the wire.
"""

from __future__ import annotations

import threading

from radar_edge.clock import NS_PER_MS
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.plc.link import Trigger


class Slot:
    """The place of one verdict. `part` numbers the triggers of a run: the PLC's ids come again, it does not.

    `deadline_ns` is when NO_DECISION is filled in; `wire_deadline_ns`, later by what the wire needs, is when the
    last byte must be out.
    """

    def __init__(self, part: int, trigger: Trigger, deadline_ns: int, wire_deadline_ns: int) -> None:
        if not trigger.received_ns <= deadline_ns <= wire_deadline_ns:
            raise ValueError("a slot's deadline lies between its trigger and the wire's deadline")
        self.part = part
        self.trigger = trigger
        self.deadline_ns = deadline_ns
        self.wire_deadline_ns = wire_deadline_ns
        self._lock = threading.Lock()
        self._verdict: Verdict | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The one verdict; None while the slot is open."""
        return self._verdict

    @property
    def filled(self) -> bool:
        return self._verdict is not None

    def overdue(self, now_ns: int) -> bool:
        return now_ns > self.deadline_ns

    def fill(self, verdict: Verdict, now_ns: int) -> bool:
        """Take `verdict` if the slot is open and, after its deadline, if it says NO_DECISION, DEADLINE.

        False means that the verdict must not be sent. Raises ValueError if it answers another trigger.
        """
        if verdict.trigger_id != self.trigger.trigger_id:
            raise ValueError(f"the verdict of trigger {verdict.trigger_id} offered to {self.trigger.trigger_id}")
        in_time = not self.overdue(now_ns) or (verdict.code, verdict.reason) == (Code.NO_DECISION, Reason.DEADLINE)
        with self._lock:
            if self._verdict is not None or not in_time:
                return False
            self._verdict = verdict
            return True

    def refuse(self, reason: Reason, now_ns: int) -> Verdict | None:
        """Fill NO_DECISION for `reason`, or for DEADLINE once that has passed; None if the slot was filled before."""
        why = Reason.DEADLINE if self.overdue(now_ns) else reason
        latency_ms = {"total": (now_ns - self.trigger.received_ns) / NS_PER_MS}
        verdict = Verdict(self.trigger.trigger_id, Code.NO_DECISION, why, latency_ms=latency_ms)
        return verdict if self.fill(verdict, now_ns) else None


class SlotTable:
    """The open slots of a line. May be used from any thread."""

    def __init__(self, deadline_ns: int, wire_margin_ns: int) -> None:
        """A slot is filled at the latest `wire_margin_ns` before `deadline_ns` (both counted from the trigger)."""
        self._deadline_ns = deadline_ns
        self._wire_margin_ns = wire_margin_ns
        self._lock = threading.Lock()
        self._open: dict[int, Slot] = {}
        self._parts = 0

    def open(self, trigger: Trigger) -> Slot | None:
        """A new slot; None if this trigger id is open already (its one verdict is still to come)."""
        with self._lock:
            if trigger.trigger_id in self._open:
                return None
            self._parts += 1
            wire_deadline_ns = trigger.received_ns + self._deadline_ns
            slot = Slot(self._parts, trigger, wire_deadline_ns - self._wire_margin_ns, wire_deadline_ns)
            self._open[trigger.trigger_id] = slot
            return slot

    def close(self, slot: Slot) -> None:
        """Forget a filled slot."""
        with self._lock:
            self._open.pop(slot.trigger.trigger_id, None)

    def all_open(self) -> list[Slot]:
        with self._lock:
            return list(self._open.values())

    def overdue(self, now_ns: int) -> list[Slot]:
        return [slot for slot in self.all_open() if slot.overdue(now_ns)]

    def next_deadline_ns(self) -> int | None:
        return min((slot.deadline_ns for slot in self.all_open()), default=None)
