"""The line: cameras, engines and PLC link at work together. Knows the order of things, and none of their insides.

    thread       waits for                   does
    capture      the cameras                 health, restarts, frames to the gathering
    desk         the link, deadlines         slots, NO_DECISION in time, deliveries
    inspection   a slot, its frames          route, engine, score, intent, verdict; the only one that beats
    owner        the end                     ends all; brings the first error of any thread to its caller

READY needs warm engines and a Subset that may judge with what is usable now; the first time it also waits for all
cameras, or START_WAIT_NS. A beat means that the inspection goes round and that the capture has looked of late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import Camera, LineConfig
from radar_edge.errors import MachineError
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.records import Code, Frame, HealthReport, Ne107, Reason, Verdict
from radar_edge.runtime.capture.seam import CameraSet
from radar_edge.runtime.capture.watch import CameraWatch
from radar_edge.runtime.crew import Crew
from radar_edge.runtime.desk import Desk
from radar_edge.runtime.evidence import Evidence
from radar_edge.runtime.frame_faults import Expected
from radar_edge.runtime.gathering import Gathering
from radar_edge.runtime.health import CameraHealth, period_ns
from radar_edge.runtime.inspector import Inspector
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import PlcLink, StatusBit, Trigger
from radar_edge.runtime.routing import route
from radar_edge.runtime.slot import Slot, SlotTable
from radar_edge.runtime.watchdog import Watchdog
from radar_edge.scoring import Calibration

BEAT_S = 0.02
INTENT_WAIT_S = 0.05
"""A verdict waits so long at most until its intent is safe; a commit takes a tenth of a millisecond."""
START_WAIT_NS = 3 * NS_PER_S
BLIND_NS = 1 * NS_PER_S
"""A capture thread that has not looked for so long is stuck: no more beats."""
TICK_S = 0.02
STATE_EVERY_S = 1.0
GOODBYE_S = 0.3
"""At the end the PLC has so long to read the last verdicts."""
END_S = 2.0
MOST_ENGINE_FAULTS = 3
"""Errors of an engine in a row that end the line: one part is a part, three are a broken unit."""
NO_SCORE = 1000
"""Register 6 without a score: the worst, so that a PLC that looks at nothing else rejects too."""


@dataclass(frozen=True)
class LineParts:
    """What a line is made of. The line uses them and closes none but the engines, which it also opens."""

    link: PlcLink
    wait_trigger: Callable[[float], Trigger | None]
    """The link's own, or another source of triggers; None after so many seconds without one."""
    cameras: CameraSet
    journal: Journal
    clock: Clock
    modalities: tuple[str, ...]
    """The model's, in its order."""
    preprocess: Preprocess
    calibrations: Mapping[Subset, Calibration]
    """Of every Subset that may judge."""
    open_engines: Callable[[ExitStack], Mapping[Subset, Runner]]
    """Called once by the thread that will use the engines; they are closed with the stack."""
    watchdog: Watchdog
    """Told of every round of the inspection, once the engines are warm."""
    evidence: Evidence | None = None
    """Keeps frames of parts; none where no frame is kept."""


class Line:
    """One run of a line. `run` blocks until it is told to end."""

    def __init__(self, parts: LineParts, config: LineConfig) -> None:
        self._parts = parts
        self._config = config
        self._clock = parts.clock
        self._crew = Crew()
        self._warm_ns: int | None = None
        self._was_ready = False
        self._ending = False
        self._engine: Subset | None = None
        self._engine_faults = 0
        self._inspector: Inspector | None = None
        self._gathering = Gathering(round(config.pair_wait_ms * NS_PER_MS), config.queue_depth + 2, parts.clock)
        slots = SlotTable(round(config.deadline_ms * NS_PER_MS), round(config.wire_margin_ms * NS_PER_MS))
        self._desk = Desk(
            parts.link,
            parts.wait_trigger,
            parts.cameras.trigger,
            self._gathering,
            slots,
            parts.journal,
            self._wire_form,
            config.queue_depth,
            parts.clock,
        )

    # --- the owner's thread

    def run(self, stop: threading.Event, on_state: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Run the line until `stop`, then finish the parts in hand. `on_state` gets `state()` every second.

        Raises the first error of any thread, after NO_DECISION for every open part, and MachineError if an
        engine or a camera never gave its thread back.
        """
        self._crew.start("capture", self._watch_cameras)
        self._crew.start("desk", lambda: self._desk.run(self._crew.stopping))
        self._crew.start("inspection", self._inspect)
        try:
            self._mind(stop, on_state)
        finally:
            try:
                self._finish()
            finally:
                stuck = self._crew.stop(END_S)
        self._crew.raise_error()
        if self._parts.journal.error is not None:
            raise self._parts.journal.error
        if stuck:
            raise MachineError(
                f"the {' and the '.join(stuck)} thread did not end within {END_S:g} s",
                next_step="its driver or engine hangs: look at the events in the journal",
            )

    def _mind(self, stop: threading.Event, on_state: Callable[[dict[str, Any]], None] | None) -> None:
        """Wait for the end, or for a thread to fail."""
        since_state_s = STATE_EVERY_S
        while not stop.wait(TICK_S) and not self._failed:
            since_state_s += TICK_S
            if on_state is not None and since_state_s >= STATE_EVERY_S:
                since_state_s = 0.0
                on_state(self.state())

    @property
    def _failed(self) -> bool:
        return self._crew.failed.is_set() or self._parts.journal.error is not None

    def _finish(self) -> None:
        """No new parts; those in hand get their verdict, by their deadline at the latest, and are read."""
        self._ending = True
        self._parts.watchdog.stopping()
        self._desk.refuse_from_now_on(Reason.ENGINE_FAULT if self._failed else Reason.STOPPED)
        pause = threading.Event()
        left_s = self._config.deadline_ms / 1000 + GOODBYE_S
        while self._desk.busy and not self._failed and left_s > 0:
            pause.wait(TICK_S)
            left_s -= TICK_S
        self._desk.refuse_open(Reason.ENGINE_FAULT if self._failed else Reason.STOPPED)
        if self._failed:
            error = self._crew.error or self._parts.journal.error
            self._parts.journal.event("fault", type(error).__name__, error=str(error))
            self._parts.link.beat(self._status(), self._ne107())
        pause.wait(GOODBYE_S)
        self._desk.note_deliveries()

    def state(self) -> dict[str, Any]:
        """Health, status, counts and process ids, as plain data for a file or a screen."""
        return {
            "at_ns": self._clock.now_ns(),
            "status": [bit.name for bit in StatusBit if bit in self._status() and bit.name],
            "plc_alive": self._parts.link.plc_alive,
            "cameras": {
                report.camera_id: {
                    "modality": report.modality,
                    "state": report.state.value,
                    "cause": report.cause.value,
                    "usable": report.usable,
                }
                for report in self._gathering.reports.values()
            },
            "pids": self._parts.cameras.pids,
            "restarts": self._parts.cameras.restarts,
            "engine": self._engine.slug if self._engine else None,
            "frames_dropped": self._gathering.frames_dropped,
            "evidence_not_kept": None if self._parts.evidence is None else self._parts.evidence.not_kept,
            **self._desk.tally.document(),
        }

    # --- the capture thread

    def _watch_cameras(self) -> None:
        start_ns = self._clock.now_ns()
        parts, config = self._parts, self._config.health
        health = {
            camera.camera_id: CameraHealth(
                camera.camera_id, camera.modality, period_ns(camera.fps), config, start_ns, self._expected(camera)
            )
            for camera in self._config.cameras
        }
        watch = CameraWatch(parts.cameras, health, self._gathering.offer, parts.journal.event, self._clock)
        watch.run(self._crew.stopping)

    def _expected(self, camera: Camera) -> Expected:
        spec = self._parts.preprocess.modalities[camera.modality]
        band = self._config.health.process_bands.get(camera.modality)
        return Expected(spec.channels, spec.bit_depth, band, round(camera.ffc_max_ms * NS_PER_MS))

    # --- the inspection thread

    def _inspect(self) -> None:
        parts = self._parts
        with ExitStack() as stack:
            engines = parts.open_engines(stack)
            for engine in engines.values():
                engine.warm_up()
            inspector = Inspector(
                engines,
                parts.calibrations,
                parts.preprocess,
                parts.modalities,
                self._config.routing,
                self._clock,
                round(self._config.max_skew_ms * NS_PER_MS),
            )
            self._inspector = inspector
            self._warm_ns = self._clock.now_ns()
            while not self._crew.stopping.is_set():
                self._beat()
                slot = self._desk.next_slot(BEAT_S)
                if slot is not None:
                    self._judge(slot, inspector)

    def _judge(self, slot: Slot, inspector: Inspector) -> None:
        parts = self._parts
        frames, reports = self._gathering.wait(slot, self._beat)
        if slot.filled:
            return  # its deadline came first: the engine's time belongs to the next part
        found = self._inspected(slot, inspector, frames, reports)
        if found is None:
            return
        verdict = self._with_journal(found)
        parts.journal.intent(slot.part, verdict, INTENT_WAIT_S)
        self._desk.settle(slot, verdict)
        if parts.evidence is not None:
            parts.evidence.offer(slot.part, frames, passed=verdict.code is Code.PASS)
        if verdict.subset is not None and verdict.subset != self._engine:
            former = self._engine.slug if self._engine else None
            self._engine = verdict.subset
            parts.journal.event("engine", verdict.subset.slug, former=former, trigger_id=verdict.trigger_id)

    def _inspected(
        self, slot: Slot, inspector: Inspector, frames: Mapping[str, Frame], reports: Mapping[str, HealthReport]
    ) -> Verdict | None:
        """The part's verdict; None, and NO_DECISION for it, if the engine raised. Raises it the third time in a row."""
        try:
            verdict = inspector.inspect(slot.trigger, frames, reports)
        except Exception as error:
            self._engine_faults += 1
            if self._engine_faults >= MOST_ENGINE_FAULTS:
                raise
            self._parts.journal.event("engine_fault", type(error).__name__, error=str(error), part=slot.part)
            self._desk.refuse(slot, Reason.ENGINE_FAULT)
            return None
        self._engine_faults = 0
        return verdict

    def _with_journal(self, verdict: Verdict) -> Verdict:
        """Without a journal nothing passes once the grace is over."""
        if verdict.code is Code.PASS and self._journal_dead():
            return replace(verdict, code=Code.NO_DECISION, reason=Reason.JOURNAL)
        return verdict

    def _journal_dead(self) -> bool:
        since_ns = self._parts.journal.failing_since_ns()
        grace_ns = self._config.journal.journal_grace_s * NS_PER_S
        return since_ns is not None and self._clock.now_ns() - since_ns > grace_ns

    def _beat(self) -> None:
        if self._clock.now_ns() - self._gathering.seen_ns <= BLIND_NS:
            status = self._status()
            self._parts.link.beat(status, self._ne107())
            self._parts.watchdog.alive(" ".join(bit.name.lower() for bit in StatusBit if bit in status and bit.name))

    # --- what the PLC reads

    def _status(self) -> StatusBit:
        status = StatusBit(0)
        usable = [name for name, report in self._gathering.reports.items() if report.usable]
        way = route(
            usable,
            self._gathering.reports,
            self._config.routing,
            list(self._parts.calibrations),
            self._parts.modalities,
        )
        stopped = way.degraded and self._inspector is not None and self._inspector.stopped
        if self._ready(usable, may_judge=way.subset is not None and not stopped):
            status |= StatusBit.READY
        if self._desk.busy:
            status |= StatusBit.BUSY
        if way.degraded:
            status |= StatusBit.DEGRADED
        if self._failed:
            status |= StatusBit.FAULT
        if self._parts.journal.failing_since_ns() is not None:
            status |= StatusBit.JOURNAL
        return status

    def _ready(self, usable: Sequence[str], *, may_judge: bool) -> bool:
        if self._warm_ns is None or self._ending or self._failed or not may_judge or self._journal_dead():
            return False
        waited_ns = self._clock.now_ns() - self._warm_ns
        self._was_ready = self._was_ready or len(usable) == len(self._config.cameras) or waited_ns > START_WAIT_NS
        return self._was_ready

    def _ne107(self) -> list[Ne107]:
        """Of each modality in the model's order."""
        reports: Mapping[str, HealthReport] = self._gathering.reports
        return [reports[name].ne107 if name in reports else Ne107.NOT_FITTED for name in self._parts.modalities]

    def _wire_form(self, verdict: Verdict) -> tuple[int, int]:
        if verdict.subset is None:
            return NO_SCORE, 0
        bits = verdict.subset.bits(self._parts.modalities)
        if verdict.score is None:
            return NO_SCORE, bits
        return self._parts.calibrations[verdict.subset].wire_score(verdict.score), bits
