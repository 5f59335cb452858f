"""The line at work: a thread for each of its stations, and an end for all of them. Knows none of their insides.

thread       waits for                   does
capture      the cameras                 health, restarts, frames to the gathering
desk         the link, deadlines         slots, NO_DECISION in time, deliveries
inspection   a slot, its frames          route, engine, score, intent, verdict; the only one that beats
owner        the end                     ends all; brings the first error of any thread to its caller
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from radar_edge import __version__
from radar_edge.clock import NS_PER_S
from radar_edge.config import LineConfig
from radar_edge.errors import MachineError
from radar_edge.records import HealthReport, Reason
from radar_edge.runtime.crew import Crew
from radar_edge.runtime.inspection import Inspection
from radar_edge.runtime.journal_file import wall_time
from radar_edge.runtime.line_parts import LineParts
from radar_edge.runtime.plc.link import StatusBit
from radar_edge.runtime.stations import Stations

BEAT_S = 0.02
TICK_S = 0.02
STATE_EVERY_S = 1.0
FEED_EVERY_S = 0.2
TIMES_EVERY = 5
"""Of the states that are fed; percentiles cost more than all else in one."""
GOODBYE_S = 0.3
"""At the end the PLC has so long to read the last verdicts."""
END_S = 2.0


class Line:
    """One run of a line. `run` blocks until it is told to end."""

    def __init__(self, parts: LineParts, config: LineConfig) -> None:
        self._parts = parts
        self._began_ns = parts.clock.now_ns()
        self._views = 0
        self._times: dict[str, Any] = {}
        self._config = config
        self._crew = Crew()
        self._stations = Stations(parts, config, lambda: self._failed)
        self._inspection: Inspection | None = None

    # --- the owner's thread

    def run(self, stop: threading.Event, on_state: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Run the line until `stop`, then finish the parts in hand. `on_state` gets `state()` every second.

        Raises the first error of any thread, after NO_DECISION for every open part, and MachineError if an
        engine or a camera never gave its thread back.
        """
        self._crew.start("capture", self._watch_cameras)
        self._crew.start("desk", lambda: self._stations.desk.run(self._crew.stopping))
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
        since_feed_s = FEED_EVERY_S
        while not stop.wait(TICK_S) and not self._failed:
            since_state_s += TICK_S
            since_feed_s += TICK_S
            if self._parts.feed is not None and since_feed_s >= FEED_EVERY_S:
                since_feed_s = 0.0
                self._parts.feed.state(self.view())
            if on_state is not None and since_state_s >= STATE_EVERY_S:
                since_state_s = 0.0
                on_state(self.state())

    @property
    def _failed(self) -> bool:
        return self._crew.failed.is_set() or self._parts.journal.error is not None

    def _finish(self) -> None:
        """No new parts; those in hand get their verdict, by their deadline at the latest, and are read."""
        desk, standing = self._stations.desk, self._stations.standing
        standing.ending = True
        self._parts.watchdog.stopping()
        desk.refuse_from_now_on(Reason.ENGINE_FAULT if self._failed else Reason.STOPPED)
        pause = threading.Event()
        left_s = self._config.deadline_ms / 1000 + GOODBYE_S
        while desk.busy and not self._failed and left_s > 0:
            pause.wait(TICK_S)
            left_s -= TICK_S
        desk.refuse_open(Reason.ENGINE_FAULT if self._failed else Reason.STOPPED)
        if self._failed:
            error = self._crew.error or self._parts.journal.error
            self._parts.journal.event("fault", type(error).__name__, error=str(error))
            standing.tell(standing.status())
        pause.wait(GOODBYE_S)
        desk.note_deliveries()
        if self._parts.feed is not None:
            self._parts.feed.state(self.view())

    def state(self) -> dict[str, Any]:
        """Health, status, counts and process ids, as plain data for a file or a screen."""
        parts, status, reports = self._parts, self._stations.standing.status(), self._stations.gathering.reports
        changeover = self._stations.changeover
        now_ns, failing_ns = parts.clock.now_ns(), parts.journal.failing_since_ns()
        engine = self._inspection.engine if self._inspection is not None else None
        return {
            "at_ns": now_ns,
            "at": wall_time(),
            "uptime_s": round((now_ns - self._began_ns) / NS_PER_S, 1),
            "run": parts.journal.run,
            "version": __version__,
            "bundle": "" if changeover.active is None else changeover.current.bundle_sha256,
            "degraded_policy": self._config.routing.degraded,
            "status": [bit.name for bit in StatusBit if bit in status and bit.name],
            "plc_alive": parts.link.plc_alive,
            "plc_trouble": parts.link.trouble,
            "cameras": {report.camera_id: camera_state(report, now_ns) for report in reports.values()},
            "pids": parts.cameras.pids,
            "restarts": parts.cameras.restarts,
            "product": changeover.active,
            "engine": engine.slug if engine else None,
            "frames_dropped": self._stations.gathering.frames_dropped,
            "evidence_not_kept": None if parts.evidence is None else parts.evidence.not_kept,
            "journal": {
                "failing_s": None if failing_ns is None else round((now_ns - failing_ns) / NS_PER_S, 1),
                "pending": parts.journal.pending,
            },
            "drift": self._inspection.drift.document() if self._inspection is not None else {},
            **self._stations.desk.tally.document(),
        }

    def view(self) -> dict[str, Any]:
        """`state()`, the times of the parts and the last verdicts."""
        tally = self._stations.desk.tally
        if self._views % TIMES_EVERY == 0:
            self._times = tally.times()
        self._views += 1
        return {**self.state(), **self._times, "recent": tally.recent()}

    # --- the other threads

    def _watch_cameras(self) -> None:
        self._stations.open_watch().run(self._crew.stopping)

    def _inspect(self) -> None:
        with ExitStack() as engines:
            self._inspection = self._stations.open_inspection(engines)
            while not self._crew.stopping.is_set():
                self._inspection.turn(BEAT_S)


def camera_state(report: HealthReport, now_ns: int) -> dict[str, Any]:
    return {
        "modality": report.modality,
        "state": report.state.value,
        "cause": report.cause.value,
        "usable": report.usable,
        "ne107": int(report.ne107),
        "since_s": round((now_ns - report.since_ns) / NS_PER_S, 1),
    }
