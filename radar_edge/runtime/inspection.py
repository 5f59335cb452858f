"""The inspection's round: a slot, its frames, the engine, the intent, the verdict. Knows no thread and no wire.

Its thread opens the engines, uses them and closes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from radar_edge.clock import NS_PER_MS
from radar_edge.config import LineConfig
from radar_edge.modality import Subset
from radar_edge.records import Code, Frame, HealthReport, Reason, Verdict
from radar_edge.runtime.desk import Desk
from radar_edge.runtime.gathering import Gathering
from radar_edge.runtime.inspector import Inspector
from radar_edge.runtime.line_parts import LineParts
from radar_edge.runtime.products import Changeover, Product
from radar_edge.runtime.score_drift import DriftWatch
from radar_edge.runtime.slot import Slot
from radar_edge.runtime.standing import Standing

INTENT_WAIT_S = 0.05
"""A verdict waits so long at most until its intent is safe; a commit takes a tenth of a millisecond."""
MOST_ENGINE_FAULTS = 3
"""Errors of an engine in a row that end the line: one part is a part, three are a broken unit."""


class Inspection:
    """Warm engines at work. Made in the thread that is to use it; `engines` closes them."""

    def __init__(
        self,
        parts: LineParts,
        config: LineConfig,
        gathering: Gathering,
        desk: Desk,
        standing: Standing,
        changeover: Changeover,
        engines: ExitStack,
    ) -> None:
        """Opens and warms every engine of every product, then tells `standing`."""
        self._parts = parts
        self._gathering = gathering
        self._desk = desk
        self._standing = standing
        self._changeover = changeover
        self._faults = 0
        self.engine: Subset | None = None
        """The engine of the last verdict."""
        self._drifts = {number: DriftWatch(product.calibrations) for number, product in parts.products.items()}
        self._inspectors = {number: self._open(product, config, engines) for number, product in parts.products.items()}
        self._number = changeover.active or next(iter(self._inspectors))
        self._inspector = self._inspectors[self._number]
        standing.warm(self._inspector)

    def _open(self, product: Product, config: LineConfig, engines: ExitStack) -> Inspector:
        opened = product.open_engines(engines)
        for engine in opened.values():
            engine.warm_up()
        return Inspector(
            opened,
            product.calibrations,
            product.preprocess,
            self._parts.modalities,
            config.routing,
            self._parts.clock,
            round(config.max_skew_ms * NS_PER_MS),
        )

    def turn(self, wait_s: float) -> None:
        """Beat, wait so long for a part, and judge it."""
        self._standing.beat()
        self._change()
        slot = self._desk.next_slot(wait_s)
        if slot is not None:
            self._judge(slot)

    def _change(self) -> None:
        """What the PLC commanded: another product, or a reset of what stands latched."""
        number = self._changeover.due()
        if number is not None:
            self._number, self._inspector = number, self._inspectors[number]
            self._inspector.reset()
            self._standing.warm(self._inspector)
            self._changeover.in_place(number, self._parts.clock.now_ns())
        if self._changeover.take_reset():
            self._inspector.reset()
            self._faults = 0

    def _judge(self, slot: Slot) -> None:
        parts = self._parts
        frames, reports = self._gathering.wait(slot, self._standing.beat)
        if slot.filled:
            return  # its deadline came first: the engine's time belongs to the next part
        found = self._inspected(slot, frames, reports)
        if found is None:
            return
        verdict = self._with_journal(found)
        parts.journal.intent(slot.part, verdict, INTENT_WAIT_S)
        self._desk.settle(slot, verdict)
        self._note_drift(found)
        if parts.evidence is not None:
            parts.evidence.offer(slot.part, frames, passed=verdict.code is Code.PASS)
        if parts.feed is not None:
            said = self._inspector.last
            product = parts.products[self._number]
            parts.feed.offer(slot.part, verdict, frames, None if said is None else said.anomaly_map, product)
        if verdict.subset is not None and verdict.subset != self.engine:
            former = self.engine.slug if self.engine else None
            self.engine = verdict.subset
            parts.journal.event("engine", verdict.subset.slug, former=former, trigger_id=verdict.trigger_id)

    def _inspected(
        self, slot: Slot, frames: Mapping[str, Frame], reports: Mapping[str, HealthReport]
    ) -> Verdict | None:
        """The part's verdict; None, and NO_DECISION for it, if the engine raised. Raises it the third time in a row."""
        try:
            verdict = self._inspector.inspect(slot.trigger, frames, reports)
        except Exception as error:
            self._faults += 1
            if self._faults >= MOST_ENGINE_FAULTS:
                raise
            self._parts.journal.event("engine_fault", type(error).__name__, error=str(error), part=slot.part)
            self._desk.refuse(slot, Reason.ENGINE_FAULT)
            return None
        self._faults = 0
        return verdict

    @property
    def drift(self) -> DriftWatch:
        """Of the product whose engines are in place."""
        return self._drifts[self._number]

    def _note_drift(self, found: Verdict) -> None:
        news = self.drift.judged(found, self._number)
        if news is not None and found.subset is not None:
            self._parts.journal.event("drift", found.subset.slug, **news)

    def _with_journal(self, verdict: Verdict) -> Verdict:
        """Without a journal nothing passes once the grace is over."""
        if verdict.code is Code.PASS and self._standing.journal_dead():
            return replace(verdict, code=Code.NO_DECISION, reason=Reason.JOURNAL)
        return verdict
