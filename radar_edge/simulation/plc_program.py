"""What the line's PLC does with what it reads: the rule for PASS, the watch on our heartbeat, the counts. Pure.

It is the truth that the product is measured against, so it shares no code and no constant with it: the numbers are
those of docs/plc.md, written down again. Time is an argument (monotonic ns); it knows no wire.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAP_VERSION = 1
REGISTERS = 12
READY = 1
CODE_PASS, CODE_REJECT, CODE_NO_DECISION = 1, 2, 3
OUTCOMES = {CODE_PASS: "pass", CODE_REJECT: "reject", CODE_NO_DECISION: "no_decision"}
NS_PER_MS = 1_000_000

HEARTBEAT_LIMIT_NS = 500 * NS_PER_MS
LATE_WATCH_NS = 1000 * NS_PER_MS
"""How long after its window a part without a verdict is kept open to see whether one comes late."""


@dataclass
class Part:
    """One part on the belt. The verdict's fields are None until one was read for it."""

    trigger_id: int
    announced_ns: int
    told_ns: int | None = None
    """When the product confirmed that it has the id; a wire that fails may hold that up."""
    code: int | None = None
    reason: int | None = None
    subset_bits: int | None = None
    score: int | None = None
    sequence: int | None = None
    seen_ns: int | None = None
    outcome: str | None = None
    """pass, reject, no_decision, missing (no verdict in the window) or stopped (PASS, but the line stood still)."""
    encoder: int = 0
    """Where the belt stood when the part was announced, in counts."""
    late: bool = False
    """A verdict came after the window; the outcome is `missing` all the same."""

    def row(self) -> dict[str, Any]:
        latency_ms = None if self.seen_ns is None else round((self.seen_ns - self.announced_ns) / NS_PER_MS, 3)
        return {
            "trigger_id": self.trigger_id,
            "announced_ns": self.announced_ns,
            "told_ns": self.told_ns,
            "code": self.code,
            "reason": self.reason,
            "subset_bits": self.subset_bits,
            "score": self.score,
            "sequence": self.sequence,
            "seen_ns": self.seen_ns,
            "latency_ms": latency_ms,
            "outcome": self.outcome,
            "accepted": self.outcome == "pass",
            "missing": self.outcome == "missing",
            "late": self.late,
            "encoder": self.encoder,
        }


class ShiftRegister:
    """Parts between the cameras and the gate, one cell an encoder count. The gate opens for PASS alone."""

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._parts: deque[Part] = deque()
        self.through = 0
        self.rejected = 0

    @property
    def parts(self) -> int:
        return len(self._parts)

    def load(self, part: Part) -> None:
        self._parts.append(part)

    def move(self, encoder: int) -> None:
        """The belt stands at `encoder`: every part that has come to the gate goes through or is rejected."""
        while self._parts and encoder - self._parts[0].encoder >= self._cells:
            if self._parts.popleft().outcome == "pass":
                self.through += 1
            else:
                self.rejected += 1

    def reject_all(self) -> None:
        """The program that knew them is gone."""
        self.rejected += len(self._parts)
        self._parts.clear()


NS_PER_COUNT = 2 * NS_PER_MS
"""The simulated encoder: 500 counts a second."""


class PlcProgram:
    """The PLC's scan: `read` what came over the wire, `scan` as time passes, `take_settled` what is done with."""

    def __init__(self, window_ns: int, gate_ns: int | None = None, former: PlcProgram | None = None) -> None:
        """`gate_ns`: belt time from the trigger to the gate; a verdict may take no longer than `window_ns`. `former`
        ran in this PLC until it restarted: a verdict for one of its parts may still come, and means nothing."""
        self._former_ids = frozenset() if former is None else former.ids
        self._window_ns = window_ns
        self._belt = ShiftRegister(-(-(gate_ns or window_ns) // NS_PER_COUNT) + 1)
        self._open: dict[int, Part] = {}
        self._known: dict[int, Part] = {}
        self._last: Part | None = None
        self._settled: list[Part] = []
        self._shown: tuple[int, ...] = ()
        self._heartbeat = 0
        self._heartbeat_ns: int | None = None
        self.ready = False
        self.stopped = True
        self.acknowledged = 0
        self.acknowledged_before = 0
        self.counts: Counter[str] = Counter()

    @property
    def trigger_id(self) -> int:
        """The PLC's register 0: the latest part's id until it is dealt with, then 0. An id that stayed on would
        announce an old part to a product that has just started."""
        return self._last.trigger_id if self._last is not None and self._last.outcome is None else 0

    @property
    def ids(self) -> frozenset[int]:
        """Every trigger id that it announced, and its predecessor's."""
        return self._former_ids | self._known.keys()

    @property
    def open_parts(self) -> int:
        return len(self._open)

    @property
    def on_belt(self) -> int:
        """Parts that have not come to the gate."""
        return self._belt.parts

    def is_open(self, trigger_id: int) -> bool:
        """Whether a verdict for this part may still count."""
        part = self._known.get(trigger_id)
        return part is not None and part.outcome is None

    def announce(self, trigger_id: int, now_ns: int) -> None:
        self._last = Part(trigger_id, now_ns, encoder=now_ns // NS_PER_COUNT)
        self._belt.load(self._last)
        self._open[trigger_id] = self._known[trigger_id] = self._last
        self.counts["parts"] += 1

    def told(self, trigger_id: int, now_ns: int) -> None:
        """The product has this id: the write of it was answered."""
        part = self._known.get(trigger_id)
        if part is not None and part.told_ns is None:
            part.told_ns = now_ns

    def read(self, registers: Sequence[int], now_ns: int) -> None:
        """Take a whole input block that arrived at `now_ns`."""
        self.scan(now_ns)
        if registers[0] != MAP_VERSION or registers[1] != registers[11]:
            self.counts["torn"] += 1
            return
        self.ready = bool(registers[7] & READY)
        verdict = tuple(registers[1:7])
        if verdict[0] == 0:
            self._shown = ()
        elif self._shown and verdict[0] == self._shown[0]:
            self.counts["changed"] += verdict != self._shown
            self._shown = verdict
        else:
            self._shown = verdict
            self.acknowledged_before, self.acknowledged = self.acknowledged, verdict[0]
            self._judge(verdict, now_ns)
        if registers[10] != self._heartbeat:
            # The first value says only that there is one: it may have stood still for long. 0 is none.
            self._heartbeat_ns = now_ns if self._heartbeat and registers[10] else None
            self._heartbeat = registers[10]
            self.stopped = self._heartbeat_ns is None

    def scan(self, now_ns: int) -> None:
        """Windows end, and so does the trust in a heartbeat that stands still."""
        if self._heartbeat_ns is not None and now_ns - self._heartbeat_ns > HEARTBEAT_LIMIT_NS and not self.stopped:
            self.stopped = True
            self.counts["line_stops"] += 1
        for part in list(self._open.values()):
            age_ns = now_ns - part.announced_ns
            if part.outcome is None and age_ns > self._window_ns:
                self._conclude(part, "missing")
            if age_ns > self._window_ns + LATE_WATCH_NS:
                self._settle(part)
        self._belt.move(now_ns // NS_PER_COUNT)

    def take_settled(self) -> list[Part]:
        taken, self._settled = self._settled, []
        return taken

    def forget(self, now_ns: int) -> None:
        """The PLC goes down: what is on the belt is rejected."""
        for part in list(self._open.values()):
            if part.outcome is None:
                self._conclude(part, "missing")
            self._settle(part)
        self._belt.move(now_ns // NS_PER_COUNT)
        self._belt.reject_all()

    def _judge(self, verdict: tuple[int, ...], now_ns: int) -> None:
        sequence, trigger_id, code, reason, subset_bits, score = verdict
        part = self._known.get(trigger_id)
        if not self._known or (part is None and trigger_id in self._former_ids):
            return  # left over from before this PLC started
        if part is None or part.sequence is not None:
            self.counts["foreign"] += 1
            return
        part.sequence, part.code, part.reason = sequence, code, reason
        part.subset_bits, part.score, part.seen_ns = subset_bits, score, now_ns
        if part.outcome is not None:
            part.late = True
            self.counts["late"] += 1
            self.counts["late_pass"] += code == CODE_PASS and self._is_late_for_the_product(part, now_ns)
        elif code == CODE_PASS and self.stopped:
            self._conclude(part, "stopped")
        else:
            self._conclude(part, OUTCOMES.get(code, "no_decision"))
        self._settle(part)

    def _is_late_for_the_product(self, part: Part, now_ns: int) -> bool:
        return part.told_ns is not None and now_ns - part.told_ns > self._window_ns

    def _conclude(self, part: Part, outcome: str) -> None:
        part.outcome = outcome
        self.counts[outcome] += 1

    def _settle(self, part: Part) -> None:
        if self._open.pop(part.trigger_id, None) is not None:
            self._settled.append(part)

    def summary(self) -> dict[str, int]:
        """parts = pass + reject + no_decision + missing + stopped, once no part is open, and through + gate_rejected
        once the belt is empty; through = pass, unless the gate is nearer than the window.

        `late` of the missing got a verdict after their window, `late_pass` of those read PASS although the product had
        the id in time: a fault of the product, unless the wire held up its answer. `false_ack` counts what
        would make a PLC take one part's verdict for another's: verdicts for a part that was not announced or has its
        verdict already (`foreign`), and sequences whose content changed after they were read (`changed`).
        """
        names = ("parts", *OUTCOMES.values(), "missing", "stopped", "late", "late_pass", "foreign", "changed")
        counts = {name: self.counts[name] for name in (*names, "torn", "line_stops")}
        gate = {"through": self._belt.through, "gate_rejected": self._belt.rejected}
        return {**counts, **gate, "false_ack": counts["foreign"] + counts["changed"]}
