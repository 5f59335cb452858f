"""What the PLC is told of the line besides verdicts: status bits, sensor health, heartbeat. Knows no thread.

READY needs warm engines and a Subset that may judge with what is usable now; the first time it also waits for all
cameras, or START_WAIT_NS. A beat means that the inspection goes round and that the capture has looked of late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from radar_edge.clock import NS_PER_S
from radar_edge.config import LineConfig
from radar_edge.modality import Subset
from radar_edge.records import HealthReport, Ne107, Verdict
from radar_edge.runtime.desk import Desk
from radar_edge.runtime.gathering import Gathering
from radar_edge.runtime.inspector import Inspector
from radar_edge.runtime.line_parts import LineParts
from radar_edge.runtime.plc.link import StatusBit
from radar_edge.runtime.products import Changeover
from radar_edge.runtime.routing import route
from radar_edge.scoring import Calibration

START_WAIT_NS = 3 * NS_PER_S
BLIND_NS = 1 * NS_PER_S
"""A capture thread that has not looked for so long is stuck: no more beats."""
NO_SCORE = 1000
"""Register 6 without a score: the worst, so that a PLC that looks at nothing else rejects too."""


class Standing:
    """How the line stands now. `failed` tells whether one of its threads or its journal has ended with an error."""

    def __init__(
        self,
        parts: LineParts,
        config: LineConfig,
        gathering: Gathering,
        desk: Desk,
        changeover: Changeover,
        failed: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._config = config
        self._gathering = gathering
        self._desk = desk
        self._changeover = changeover
        self._failed = failed
        self._inspector: Inspector | None = None
        self._warm_ns = 0
        self._was_ready = False
        self.ending = False

    def warm(self, inspector: Inspector) -> None:
        """All engines have run once, and `inspector` is to judge."""
        self._inspector = inspector
        self._warm_ns = self._warm_ns or self._parts.clock.now_ns()

    def beat(self) -> None:
        """Called by the inspection, every round."""
        if self._parts.clock.now_ns() - self._gathering.seen_ns <= BLIND_NS:
            status = self.status()
            self.tell(status)
            self._parts.watchdog.alive(" ".join(bit.name.lower() for bit in StatusBit if bit in status and bit.name))

    def tell(self, status: StatusBit) -> None:
        self._parts.link.beat(status, self._ne107())

    def status(self) -> StatusBit:
        status = self._changeover.status()
        reports = self._gathering.reports
        usable = [name for name, report in reports.items() if report.usable]
        way = route(
            usable, reports, self._config.routing, list(self._changeover.current.calibrations), self._parts.modalities
        )
        stopped = way.degraded and self._inspector is not None and self._inspector.stopped
        if self._ready(usable, may_judge=way.subset is not None and not stopped):
            status |= StatusBit.READY
        if self._desk.busy:
            status |= StatusBit.BUSY
        if way.degraded:
            status |= StatusBit.DEGRADED
        if self._failed():
            status |= StatusBit.FAULT
        if self._parts.journal.failing_since_ns() is not None:
            status |= StatusBit.JOURNAL
        return status

    def _ready(self, usable: Sequence[str], *, may_judge: bool) -> bool:
        if self._inspector is None or self.ending or self._failed() or not may_judge or self.journal_dead():
            return False
        if self._changeover.active is None:
            return False
        waited_ns = self._parts.clock.now_ns() - self._warm_ns
        self._was_ready = self._was_ready or len(usable) == len(self._config.cameras) or waited_ns > START_WAIT_NS
        return self._was_ready

    def journal_dead(self) -> bool:
        """Whether the journal's grace is over: nothing may pass without it."""
        since_ns = self._parts.journal.failing_since_ns()
        grace_ns = self._config.journal.journal_grace_s * NS_PER_S
        return since_ns is not None and self._parts.clock.now_ns() - since_ns > grace_ns

    def _ne107(self) -> list[Ne107]:
        """Of each modality in the model's order."""
        reports: Mapping[str, HealthReport] = self._gathering.reports
        return [reports[name].ne107 if name in reports else Ne107.NOT_FITTED for name in self._parts.modalities]


def wire_form(
    verdict: Verdict, calibrations: Mapping[Subset, Calibration], modalities: Sequence[str]
) -> tuple[int, int]:
    """A verdict's registers 6 and 5: the score of 0..1000 and the Subset's bits."""
    if verdict.subset is None:
        return NO_SCORE, 0
    bits = verdict.subset.bits(modalities)
    if verdict.score is None:
        return NO_SCORE, bits
    return calibrations[verdict.subset].wire_score(verdict.score), bits
