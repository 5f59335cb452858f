"""The two register blocks in motion: verdicts out one at a time, triggers and acknowledges in. Time is an argument.

    publish -> waiting -> shown --first read--> SHOWN --the PLC's register 1 = its sequence--> ACKNOWLEDGED
                             \\--nobody read it in its time, or the link ended--> NOT_DELIVERED

It knows no bytes, no port and no thread; its owner holds a lock. A verdict is final when the PLC first reads its
code: a PASS that is read in time stays, one that would be read after its deadline becomes NO_DECISION, DEADLINE.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from radar_edge.records import Code, Ne107, Reason, Verdict
from radar_edge.runtime.plc.link import Command, CommandCode, Delivery, DeliveryState, StatusBit, Trigger
from radar_edge.runtime.plc.registers import (
    HOLDING_COUNT,
    Condition,
    Holding,
    Input,
    Shown,
    input_registers,
    next_number,
)

MAX_WAITING = 64
"""Verdicts that may wait to be shown; one more and the oldest is given up."""


@dataclass
class _Card:
    """A verdict on its way. `read_ns` is when the PLC could first read its code."""

    face: Shown
    deadline_ns: int
    shown_ns: int = 0
    read_ns: int | None = None
    offered: bool = False
    """Bytes with it have left that nobody confirmed: it may have arrived."""
    acknowledged: bool = False


class Exchange:
    """Both blocks of one link. `hold_ns`: how long a verdict that is not acknowledged stays for the PLC to read."""

    def __init__(self, hold_ns: int, heartbeat_timeout_ns: int, *, acknowledge_confirms: bool = False) -> None:
        """`acknowledge_confirms`: an acknowledge also shows that what was offered arrived."""
        self._acknowledge_confirms = acknowledge_confirms
        self._hold_ns = hold_ns
        self._heartbeat_timeout_ns = heartbeat_timeout_ns
        self._condition = Condition()
        self._holding = [0] * HOLDING_COUNT
        self._waiting: deque[_Card] = deque()
        self._card: _Card | None = None
        self._sequence = 0
        self._last_trigger_id: int | None = None
        self._stale_acknowledge: int | None = None
        self._plc_beat_ns: int | None = None
        self._deliveries: list[Delivery] = []
        self._command = (0, 0)
        self._commands: list[Command] = []

    def publish(self, verdict: Verdict, *, wire_score: int, subset_bits: int, deadline_ns: int, now_ns: int) -> None:
        """Queue a verdict; it is shown at once if nothing is in its way."""
        if len(self._waiting) == MAX_WAITING:
            self._give_up(self._waiting.popleft(), now_ns)
        face = Shown(0, verdict.trigger_id, verdict.code, verdict.reason, subset_bits, wire_score)
        self._waiting.append(_Card(face, deadline_ns))
        self._turn(now_ns)

    def beat(self, status: StatusBit, health: Sequence[Ne107]) -> None:
        self._condition = Condition(status, tuple(health), next_number(self._condition.heartbeat))

    def read_inputs(self, start: int, count: int, now_ns: int, done_ns: int) -> tuple[int, ...]:
        """Input registers `start` to `start + count` for a reply whose last byte leaves at `done_ns`."""
        self._turn(now_ns)
        if self._card is not None and start <= Input.CODE < start + count:
            self._note_read(self._card, done_ns)
        face = self._card.face if self._card is not None else Shown()
        return input_registers(face, self._condition)[start : start + count]

    def offer(self, now_ns: int, done_ns: int) -> tuple[int, ...]:
        """All input registers for a message that we send, whose last byte leaves at `done_ns`.

        Unlike a poll it may get lost, so its verdict counts as read only once `confirm` says so. A PASS that was
        offered in time and not confirmed until its deadline is given up: said again it could be taken late, and
        said otherwise it would change under the PLC's hands.
        """
        self._turn(now_ns)
        while (card := self._card) is not None and card.read_ns is None and self._is_late(card, done_ns):
            if not card.offered:
                card.face = replace(card.face, code=Code.NO_DECISION, reason=Reason.DEADLINE)
                break
            self._drop_card(now_ns)
            self._turn(now_ns)
        if card is not None:
            card.offered = True
        return input_registers(card.face if card is not None else Shown(), self._condition)

    def confirm(self, sequence: int, at_ns: int) -> None:
        """The PLC has the verdict of this sequence, as its registers or its acknowledge show."""
        card = self._card
        if card is not None and card.read_ns is None and card.offered and card.face.sequence == sequence:
            card.read_ns = at_ns
            self._report(card, DeliveryState.SHOWN, card.face.code, at_ns)

    def worth_repeating(self, sequence: int, now_ns: int) -> bool:
        """Whether the verdict of this sequence stands there, nobody confirmed it, and its deadline is to come."""
        card = self._card
        return (
            card is not None and card.read_ns is None and card.face.sequence == sequence and now_ns <= card.deadline_ns
        )

    def read_holding(self, start: int, count: int) -> tuple[int, ...]:
        return tuple(self._holding[start : start + count])

    def write_holding(self, start: int, values: Sequence[int], now_ns: int) -> Trigger | None:
        """Take what the PLC wrote at `now_ns`; a Trigger if it announced an id that differs from the last one."""
        beat_before = self._holding[Holding.HEARTBEAT]
        self._holding[start : start + len(values)] = values
        self._mark_stale(start, len(values))
        self._note_command(now_ns)
        if self._holding[Holding.HEARTBEAT] != beat_before:
            self._plc_beat_ns = now_ns
        if start <= Holding.ACKNOWLEDGED < start + len(values):
            self._note_acknowledge(now_ns)
        if start != Holding.TRIGGER_ID:
            return None
        trigger_id = self._holding[Holding.TRIGGER_ID]
        if trigger_id == 0 and self._card is not None and self._card.read_ns is not None:
            # The PLC is done with the part. Should it announce the same id for another one, after a restart say, the
            # old verdict must not be there to be read for it.
            self._card = None
            self._turn(now_ns)
        # An id that stands there at the first contact may be an old part's, announced to a unit that went down.
        fresh = self._last_trigger_id is not None
        if self._last_trigger_id is None:
            self._last_trigger_id = 0
        if trigger_id in (0, self._last_trigger_id):
            return None
        self._last_trigger_id = trigger_id
        return Trigger(trigger_id, now_ns, fresh)

    def plc_alive(self, now_ns: int) -> bool:
        """Whether the PLC's heartbeat moved, and within its timeout."""
        return self._plc_beat_ns is not None and now_ns - self._plc_beat_ns <= self._heartbeat_timeout_ns

    def lose_link(self, now_ns: int) -> None:
        """While nobody can read: give up the verdicts whose time is over. To be called again and again."""
        if self._card is not None and self._card.read_ns is None and now_ns > self._card.deadline_ns:
            self._drop_card(now_ns)
        while self._waiting and now_ns > self._waiting[0].deadline_ns:
            self._give_up(self._waiting.popleft(), now_ns)
        self._turn(now_ns)

    def close(self, now_ns: int) -> None:
        """The link ends: what was not read never will be."""
        if self._card is not None and self._card.read_ns is None:
            self._drop_card(now_ns)
        while self._waiting:
            self._give_up(self._waiting.popleft(), now_ns)

    def take_deliveries(self) -> list[Delivery]:
        taken, self._deliveries = self._deliveries, []
        return taken

    def take_commands(self) -> list[Command]:
        taken, self._commands = self._commands, []
        return taken

    def _note_command(self, now_ns: int) -> None:
        """A command counts once, when register 3 or 4 changes while it stands there: many PLCs write them every
        cycle. One that stands there at the first contact counts too, for a selection is still what the PLC wants."""
        said = (self._holding[Holding.COMMAND], self._holding[Holding.PRODUCT])
        code, product = said
        again = code == CommandCode.RESET == self._command[0]
        if said != self._command and code != CommandCode.NONE and not again:
            self._commands.append(Command(code, product, now_ns))
        self._command = said

    def _turn(self, now_ns: int) -> None:
        """Show the next verdict if there is one and the one before it has had its time."""
        while self._waiting and (self._card is None or self._had_its_time(self._card, now_ns)):
            if self._card is not None and self._card.read_ns is None:
                self._give_up(self._card, now_ns)
            self._card = self._waiting.popleft()
            self._card.face = replace(self._card.face, sequence=self._next_sequence())
            self._card.shown_ns = now_ns

    def _next_sequence(self) -> int:
        self._sequence = next_number(self._sequence)
        # A number that a PLC has left in its register from an earlier run would acknowledge what it has not read.
        if self._sequence == self._holding[Holding.ACKNOWLEDGED]:
            self._sequence = next_number(self._sequence)
        return self._sequence

    def _had_its_time(self, card: _Card, now_ns: int) -> bool:
        """An unread verdict is worth showing until its deadline, and for its hold time in any case."""
        if card.read_ns is None:
            return now_ns > card.deadline_ns and now_ns - card.shown_ns >= self._hold_ns
        return card.acknowledged or now_ns - card.read_ns >= self._hold_ns

    def _note_read(self, card: _Card, done_ns: int) -> None:
        if card.read_ns is not None:
            return
        if self._is_late(card, done_ns):
            card.face = replace(card.face, code=Code.NO_DECISION, reason=Reason.DEADLINE)
        card.read_ns = done_ns
        self._report(card, DeliveryState.SHOWN, card.face.code, done_ns)

    def _mark_stale(self, start: int, count: int) -> None:
        """The acknowledge that stands there at the first contact is of an earlier run, until it changes."""
        acknowledged = self._holding[Holding.ACKNOWLEDGED]
        if self._last_trigger_id is None and start == Holding.TRIGGER_ID and count > Holding.ACKNOWLEDGED:
            self._stale_acknowledge = acknowledged
        elif acknowledged != self._stale_acknowledge:
            self._stale_acknowledge = None

    @staticmethod
    def _is_late(card: _Card, done_ns: int) -> bool:
        return card.face.code is Code.PASS and done_ns > card.deadline_ns

    def _note_acknowledge(self, now_ns: int) -> None:
        card, acknowledged = self._card, self._holding[Holding.ACKNOWLEDGED]
        if card is None or card.acknowledged or acknowledged == self._stale_acknowledge:
            return
        if self._acknowledge_confirms:
            self.confirm(acknowledged, now_ns)
        if card.read_ns is not None and acknowledged == card.face.sequence:
            card.acknowledged = True
            self._report(card, DeliveryState.ACKNOWLEDGED, card.face.code, now_ns)
            self._turn(now_ns)

    def _drop_card(self, now_ns: int) -> None:
        if self._card is not None:
            self._give_up(self._card, now_ns)
        self._card = None

    def _give_up(self, card: _Card, now_ns: int) -> None:
        self._report(card, DeliveryState.NOT_DELIVERED, Code.NONE, now_ns)

    def _report(self, card: _Card, state: DeliveryState, code: Code, at_ns: int) -> None:
        self._deliveries.append(Delivery(card.face.trigger_id, card.face.sequence, state, code, at_ns))
