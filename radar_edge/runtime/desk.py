"""The front desk of the line: every trigger gets a slot, every slot one verdict, in time. Knows no engine.

    link --trigger--> slot, cameras asked, queue --> inspection thread --settle()--+
                        \\--deadline--> NO_DECISION --------------------------------+--> journal, link

The desk's own thread takes triggers and watches deadlines. It waits for no disk, no camera and no engine, so
that a part whose engine hangs is still answered.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.records import Reason, Verdict
from radar_edge.runtime.gathering import Gathering
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import PlcLink, Trigger
from radar_edge.runtime.products import Changeover
from radar_edge.runtime.slot import Slot, SlotTable
from radar_edge.runtime.tally import Tally

IDLE_S = 0.02
RECENT_PARTS = 256
"""Published parts whose delivery may still be reported."""

WireForm = Callable[[Verdict], tuple[int, int]]
"""A verdict's registers 6 and 5: the score of 0..1000 and the Subset's bits."""


class Desk:
    def __init__(
        self,
        link: PlcLink,
        wait_trigger: Callable[[float], Trigger | None],
        ask_cameras: Callable[[int], None],
        gathering: Gathering,
        slots: SlotTable,
        journal: Journal,
        wire_form: WireForm,
        queue_depth: int,
        clock: Clock,
        changeover: Changeover,
    ) -> None:
        self._link = link
        self._wait_trigger = wait_trigger
        self._ask_cameras = ask_cameras
        self._gathering = gathering
        self._slots = slots
        self._journal = journal
        self._wire_form = wire_form
        self._clock = clock
        self._changeover = changeover
        self._recent: OrderedDict[int, int] = OrderedDict()  # trigger id -> part
        self._deliveries = threading.Lock()
        self._refusing: Reason | None = None
        self._plc_alive: bool | None = None
        self._trouble: str | None = None
        self._queue: queue.Queue[Slot] = queue.Queue(queue_depth)
        self.tally = Tally()

    def run(self, stopping: threading.Event) -> None:
        """Take triggers and keep deadlines until `stopping`."""
        while not stopping.is_set():
            self.turn()

    def turn(self) -> None:
        """Wait for a trigger, 20 ms at most, and do what is due."""
        trigger = self._wait_trigger(self._idle_s())
        self._obey()
        if trigger is not None:
            self._accept(trigger)
        for slot in self._slots.overdue(self._clock.now_ns()):
            self.refuse(slot, Reason.DEADLINE)
        self.note_deliveries()
        self._note_plc()

    def _obey(self) -> None:
        """The PLC's commands, before the trigger that came after them."""
        for command in self._link.take_commands():
            if self._changeover.take(command):
                self.refuse_open(Reason.CHANGEOVER)

    def _idle_s(self) -> float:
        deadline_ns = self._slots.next_deadline_ns()
        if deadline_ns is None:
            return IDLE_S
        return min(max((deadline_ns - self._clock.now_ns()) / NS_PER_S, 0.0) + 1e-4, IDLE_S)

    def _accept(self, trigger: Trigger) -> None:
        slot = self._slots.open(trigger)
        if slot is None:
            self._journal.event("trigger_repeated", str(trigger.trigger_id))
            return
        self._journal.open_part(slot.part, trigger)
        stale = None if trigger.fresh else Reason.RESTART
        busy = Reason.BUSY if self._queue.full() else None
        reason = self._refusing or stale or self._changeover.refusal(trigger) or busy
        if reason is not None:
            self.refuse(slot, reason)
            return
        self._gathering.open(trigger)
        self._ask_cameras(trigger.trigger_id)
        self._queue.put_nowait(slot)

    def next_slot(self, timeout_s: float) -> Slot | None:
        """The oldest slot that waits for the inspection; None after `timeout_s`. It may be filled already."""
        with suppress(queue.Empty):
            return self._queue.get(timeout=timeout_s)
        return None

    def settle(self, slot: Slot, verdict: Verdict) -> bool:
        """Send `verdict` if the slot is still open and its product in force; else False, and nothing sent."""
        now_ns = self._clock.now_ns()
        if self._changeover.fill(slot, verdict, now_ns):
            self._send(slot, verdict, now_ns)
            return True
        self.tally.late()
        self._journal.late(slot.part, verdict, _since_trigger_ms(slot, now_ns))
        return False

    def refuse(self, slot: Slot, reason: Reason) -> None:
        """Send NO_DECISION if the slot is still open."""
        now_ns = self._clock.now_ns()
        verdict = slot.refuse(reason, now_ns)
        if verdict is not None:
            self._send(slot, verdict, now_ns)

    def _send(self, slot: Slot, verdict: Verdict, now_ns: int) -> None:
        sent_ms = _since_trigger_ms(slot, now_ns)
        self._journal.sent(slot.part, verdict, sent_ms)
        with self._deliveries:
            self._recent[verdict.trigger_id] = slot.part
            if len(self._recent) > RECENT_PARTS:
                self._recent.popitem(last=False)
        wire_score, subset_bits = self._wire_form(verdict)
        self._link.publish(verdict, wire_score=wire_score, subset_bits=subset_bits, deadline_ns=slot.wire_deadline_ns)
        self._slots.close(slot)
        self._gathering.close(verdict.trigger_id)
        self.tally.verdict(verdict, slot.part, sent_ms)

    def refuse_from_now_on(self, reason: Reason) -> None:
        """Answer every new trigger with NO_DECISION at once."""
        self._refusing = reason

    def refuse_open(self, reason: Reason) -> None:
        """Answer every open slot with NO_DECISION."""
        for slot in self._slots.all_open():
            self.refuse(slot, reason)

    @property
    def busy(self) -> bool:
        """Whether a part waits for its verdict."""
        return bool(self._slots.all_open())

    def note_deliveries(self) -> None:
        """Journal what the link says became of the verdicts."""
        with self._deliveries:
            for delivery in self._link.take_deliveries():
                part = self._recent.get(delivery.trigger_id)
                if part is not None:
                    self._journal.delivery(part, delivery)

    def _note_plc(self) -> None:
        alive = self._link.plc_alive
        if alive is not self._plc_alive:
            self._plc_alive = alive
            self._journal.event("plc", "alive" if alive else "silent")
        trouble = self._link.trouble
        if trouble != self._trouble:
            self._trouble = trouble
            self._journal.event("plc_link", trouble or "well")


def _since_trigger_ms(slot: Slot, now_ns: int) -> float:
    return (now_ns - slot.trigger.received_ns) / NS_PER_MS
