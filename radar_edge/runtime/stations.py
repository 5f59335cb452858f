"""The places where a line's threads work, wired together. Knows what each needs, and no thread.

    capture     CameraWatch.turn    the cameras' health; frames to the gathering
    desk        Desk.turn           slots, NO_DECISION in time, deliveries
    inspection  Inspection.turn     route, engine, score, intent, verdict; the only one that beats

pipeline.Line gives each a thread; a simulated world lets one thread go round.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from radar_edge.clock import NS_PER_MS
from radar_edge.config import Camera, LineConfig
from radar_edge.runtime.capture.watch import CameraWatch
from radar_edge.runtime.desk import Desk
from radar_edge.runtime.frame_faults import Expected
from radar_edge.runtime.gathering import Gathering
from radar_edge.runtime.health import CameraHealth, period_ns
from radar_edge.runtime.inspection import Inspection
from radar_edge.runtime.line_parts import LineParts
from radar_edge.runtime.products import Changeover
from radar_edge.runtime.slot import SlotTable
from radar_edge.runtime.standing import Standing, wire_form


class Stations:
    """All of one line. `failed`: whether something of it has ended with an error."""

    def __init__(self, parts: LineParts, config: LineConfig, failed: Callable[[], bool] = lambda: False) -> None:
        self._parts = parts
        self._config = config
        self.changeover = Changeover(parts.products, parts.journal.event)
        self.gathering = Gathering(round(config.pair_wait_ms * NS_PER_MS), config.queue_depth + 2, parts.clock)
        self.desk = Desk(
            parts.link,
            parts.wait_trigger,
            parts.cameras.trigger,
            self.gathering,
            SlotTable(round(config.deadline_ms * NS_PER_MS), round(config.wire_margin_ms * NS_PER_MS)),
            parts.journal,
            lambda verdict: wire_form(verdict, self.changeover.current.calibrations, parts.modalities),
            config.queue_depth,
            parts.clock,
            self.changeover,
        )
        self.standing = Standing(parts, config, self.gathering, self.desk, self.changeover, failed)

    def open_watch(self) -> CameraWatch:
        """The capture's station, whose cameras count as starting now."""
        parts, start_ns = self._parts, self._parts.clock.now_ns()
        health = {
            camera.camera_id: CameraHealth(
                camera.camera_id,
                camera.modality,
                period_ns(camera.fps),
                self._config.health,
                start_ns,
                self._expected(camera),
            )
            for camera in self._config.cameras
        }
        return CameraWatch(parts.cameras, health, self.gathering.offer, parts.journal.event, parts.clock)

    def _expected(self, camera: Camera) -> Expected:
        spec = self.changeover.current.preprocess.modalities[camera.modality]
        band = self._config.health.process_bands.get(camera.modality)
        return Expected(spec.channels, spec.bit_depth, band, round(camera.ffc_max_ms * NS_PER_MS))

    def open_inspection(self, engines: ExitStack) -> Inspection:
        """The inspection's station with warm engines, which `engines` closes."""
        return Inspection(self._parts, self._config, self.gathering, self.desk, self.standing, self.changeover, engines)
