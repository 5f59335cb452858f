"""The capture thread: looks at the cameras, keeps their health, tells the line. Knows no driver and no engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.records import Cause, Frame, HealthReport, HealthState
from radar_edge.runtime.capture.seam import CameraSet, Heartbeat
from radar_edge.runtime.health import CameraHealth

POLL_S = 0.01
POLL_NS = round(POLL_S * NS_PER_S)
LAG_TOLD_NS = NS_PER_S // 4
"""A look that comes so much later than planned is told of: it put off the cameras' deadlines by as much."""

Offer = Callable[[Sequence[Frame], Mapping[str, HealthReport], int], None]
Event = Callable[..., None]


class CameraWatch:
    """Owns the cameras' health. `offer` gets frames, reports by modality and the time of every look; `event`
    what a person wants to read later: a camera lost, back, restarted."""

    def __init__(
        self, cameras: CameraSet, health: Mapping[str, CameraHealth], offer: Offer, event: Event, clock: Clock
    ) -> None:
        """`health` by camera id."""
        self._cameras = cameras
        self._health = health
        self._offer = offer
        self._event = event
        self._clock = clock
        self._reports: dict[str, HealthReport] = {}
        self._told: dict[str, set[tuple[HealthState, Cause]]] = {}  # of a camera that is not usable
        self._restarts: dict[str, int] = {}
        self._unfit: dict[str, int] = {}  # camera id -> its last frame that may not be judged
        self._last_ns: int | None = None

    def run(self, stopping: threading.Event) -> None:
        """Look until `stopping`."""
        while not stopping.is_set():
            self.turn()

    def turn(self) -> None:
        """Wait for what arrives, 10 ms at most, look at it and mind the cameras."""
        last_ns = self._clock.now_ns() if self._last_ns is None else self._last_ns
        arrived = self._cameras.receive(POLL_S)
        now_ns = self._last_ns = self._clock.now_ns()
        lag_ns = max(0, now_ns - last_ns - POLL_NS)
        self._look(arrived, now_ns, loop_lag_ns=lag_ns)
        if lag_ns > LAG_TOLD_NS:
            self._event("capture_lag", lag_ms=lag_ns / NS_PER_MS)
        self._cameras.supervise(now_ns)
        self._tell_restarts()

    def _look(self, arrived: Sequence[Heartbeat | Frame], now_ns: int, loop_lag_ns: int) -> None:
        frames = []
        for item in arrived:
            if isinstance(item, Frame):
                if self._unfit.get(item.camera_id) != item.frame_id:
                    frames.append(item)
            elif self._health[item.camera_id].update(item):
                self._unfit.pop(item.camera_id, None)
            else:
                self._unfit[item.camera_id] = item.frame_id
        reports = [health.tick(now_ns, loop_lag_ns) for health in self._health.values()]
        self._offer(frames, {report.modality: report for report in reports}, now_ns)
        for report in reports:
            self._tell_change(report)

    def _tell_change(self, report: HealthReport) -> None:
        """What changes the routing is told, and every cause once while it lasts: SUSPECT comes and goes with every late
        frame, and a driver that gives bad frames now and then is dead and corrupt in turn."""
        before = self._reports.get(report.camera_id)
        told = self._told.setdefault(report.camera_id, set())
        if report.usable:
            told.clear()
        turned = before is None or before.usable != report.usable
        if turned or (not report.usable and (report.state, report.cause) not in told):
            told.add((report.state, report.cause))
            self._event(
                "camera",
                report.camera_id,
                modality=report.modality,
                state=report.state.value,
                cause=report.cause.value,
                usable=report.usable,
            )
        self._reports[report.camera_id] = report

    def _tell_restarts(self) -> None:
        restarts = dict(self._cameras.restarts)
        for camera_id, count in restarts.items():
            if count > self._restarts.get(camera_id, 0):
                self._event("camera_restart", camera_id, count=count)
        self._restarts = restarts
