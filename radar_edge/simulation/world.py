"""A whole line in simulated time, in one thread: the product's own stations, codec and journal between simulated rims.

    belt --> WirePlc --bytes--> Slave, Exchange --> Desk --> WorldCameras --> CameraWatch --> Inspection --> Journal

Whoever waits (for frames, or in an engine) lets the world go on, as threads would: time passes in ticks of about
10 ms, and with every tick the belt, the PLC, the cameras and the other stations have their turn. The journal is a
real file with its real threads; the world waits for it unless the disk is what goes wrong.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock, ManualClock
from radar_edge.config import OWN, LineConfig, ModbusSlaveConfig, validate
from radar_edge.modality import all_subsets
from radar_edge.preprocess import ModalityPreprocess, Preprocess
from radar_edge.records import Ne107, Verdict
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.line_parts import LineParts
from radar_edge.runtime.plc.exchange import Exchange
from radar_edge.runtime.plc.link import Delivery, PlcLink, StatusBit, Trigger
from radar_edge.runtime.plc.modbus_slave import Slave
from radar_edge.runtime.plc.port import char_ns
from radar_edge.runtime.products import Product
from radar_edge.runtime.stations import Stations
from radar_edge.runtime.watchdog import Watchdog
from radar_edge.scoring import Calibration
from radar_edge.simulation.mishaps import Mishaps, kinds
from radar_edge.simulation.plc_program import PlcProgram
from radar_edge.simulation.world_rims import SIDE, WirePlc, WorldCamera, WorldCameras, WorldEngine, number_of

MODALITIES = ("rgb", "tir")
PART_NS = 120 * NS_PER_MS
"""From one part to the next. A part is in view until the next one comes, which must be longer than the PLC's latest
announcement and pair_wait_ms together."""
WINDOW_NS = 400 * NS_PER_MS
IDS = 997
"""Trigger ids come again soon, so that old frames carry ids that are open."""
BAD_SHARE = 0.2
TICK_MS = (7.0, 13.0)
START_NS = 1000 * NS_PER_S
SPEC = ModalityPreprocess(channels=1, bit_depth=16, height=SIDE, width=SIDE, offset=(0.0,), scale=(1.0,))
CALIBRATION = Calibration(
    scores=(-1.0, 0.0), weights=(1.0, 1.0), groups=2, target_frr=0.4, threshold=0.5, ng_frr=0.3, ng_threshold=1.5
)
POLICIES: tuple[dict[str, Any], ...] = (
    {"degraded": "may_pass"},
    {"degraded": "reject_all"},
    {"degraded": "stop"},
    {"degraded": "may_pass", "max_degraded_parts": 3, "full_parts": 2},
)


@dataclass(frozen=True)
class Told:
    """A trigger as the product got it, and the part that it was for."""

    serial: int
    trigger_id: int
    received_ns: int


class WorldClock(ManualClock):
    """Who waits by it lets the world go on."""

    def __init__(self, world: World) -> None:
        super().__init__(START_NS)
        self._world = world

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:  # noqa: ARG002 - one thread: held again
        self._world.tick()


class WorldLink(PlcLink):
    """The Modbus slave without its port and thread."""

    def __init__(self, config: ModbusSlaveConfig, clock: Clock) -> None:
        self._clock = clock
        self._exchange = Exchange(round(config.hold_ms * NS_PER_MS), round(config.heartbeat_timeout_ms * NS_PER_MS))
        self._slave = Slave(config, self._exchange)
        self.arrived: list[Trigger] = []

    def ask(self, data: bytes, now_ns: int) -> bytes:
        """The reply to what arrived, and to the silence after it."""
        triggers, request = self._slave.hear(data, now_ns)
        more, _ = self._slave.hear(b"", now_ns)
        self.arrived += [*triggers, *more]
        return b"" if request is None else self._slave.reply(request, now_ns)

    def wait_trigger(self, timeout_s: float) -> Trigger | None:  # noqa: ARG002 - the world moves the time
        return self.arrived.pop(0) if self.arrived else None

    def publish(self, verdict: Verdict, *, wire_score: int, subset_bits: int, deadline_ns: int) -> None:
        self._exchange.publish(
            verdict,
            wire_score=wire_score,
            subset_bits=subset_bits,
            deadline_ns=deadline_ns,
            now_ns=self._clock.now_ns(),
        )

    def beat(self, status: StatusBit, health: Sequence[Ne107]) -> None:
        self._exchange.beat(status, health)

    def take_deliveries(self) -> list[Delivery]:
        return self._exchange.take_deliveries()

    @property
    def plc_alive(self) -> bool:
        return self._exchange.plc_alive(self._clock.now_ns())

    def close(self) -> None:
        self._exchange.close(self._clock.now_ns())


class World:
    """`parts` of them on the belt, with mishaps drawn from `seed`; the journal's file is `path`."""

    def __init__(self, path: Path, parts: int, seed: int) -> None:
        self._path = path
        self._parts = parts
        self._random = random.Random(seed)
        self.bad = [self._random.random() < BAD_SHARE for _ in range(parts)]
        self.mishaps = Mishaps(seed, kinds(MODALITIES))
        self.clock = WorldClock(self)
        self.config = line_config(path, POLICIES[seed % len(POLICIES)])
        self.link = WorldLink(self._plc_config, self.clock)
        self.plc = WirePlc(lambda former: PlcProgram(WINDOW_NS, former=former), self.mishaps, self._random)
        self.told: list[Told] = []
        self.announced_ns: list[int] = []
        self._byte_ns = char_ns(self._plc_config)
        self._journal: Journal | None = None
        self._lock: sqlite3.Connection | None = None
        self._faults = 0

    @property
    def _plc_config(self) -> ModbusSlaveConfig:
        if not isinstance(self.config.plc, ModbusSlaveConfig):
            raise TypeError("the world's PLC is a Modbus master")
        return self.config.plc

    def run(self) -> None:
        """Every part, until its verdict is settled and the journal closed."""
        with ExitStack() as stack:
            self._journal = stack.enter_context(Journal(self._path, self.clock, {}, max_mb=1e6))
            parts = self._line_parts(self._journal)
            self._stations = Stations(parts, self.config)
            self._watch = self._stations.open_watch()
            inspection = self._stations.open_inspection(stack)
            while len(self.announced_ns) < self._parts or self.plc.program.open_parts:
                inspection.turn(0.0)
                self.tick()
            self._unlock()
            self.link.close()
            self._stations.desk.note_deliveries()
            if self._journal.error is not None:
                raise self._journal.error

    def _line_parts(self, journal: Journal) -> LineParts:
        cameras = {name: WorldCamera(name, self._view, self.mishaps, self._random) for name in MODALITIES}
        return LineParts(
            link=self.link,
            wait_trigger=self.link.wait_trigger,
            cameras=WorldCameras(cameras, self.clock),
            journal=journal,
            clock=self.clock,
            modalities=MODALITIES,
            products={OWN: self._product()},
            watchdog=Watchdog(os.environ, self.clock),
        )

    def _product(self) -> Product:
        return Product(
            preprocess=Preprocess(modalities=dict.fromkeys(MODALITIES, SPEC)),
            calibrations=dict.fromkeys(all_subsets(MODALITIES), CALIBRATION),
            open_engines=lambda _stack: {
                subset: WorldEngine(subset, self._is_bad, self._engine_runs) for subset in all_subsets(MODALITIES)
            },
        )

    def tick(self) -> None:
        """Time passes, and everything but the inspection has its turn."""
        self.clock.advance_ms(self._random.uniform(*TICK_MS))
        now_ns = self.clock.now_ns()
        self._belt(now_ns)
        self.plc.cycle(self._ask, now_ns, self._byte_ns)
        if not self.mishaps.on("capture_lag", now_ns):
            self._watch.turn()
        if not self.mishaps.on("desk_lag", now_ns):
            self._stations.desk.turn()
        self._disk(now_ns)

    def _belt(self, now_ns: int) -> None:
        """The next part comes into view. The first waits until the line is READY."""
        if len(self.announced_ns) == self._parts:
            return
        if self.announced_ns:
            if now_ns - self.announced_ns[-1] < PART_NS:
                return
            self.mishaps.roll(now_ns)
        elif not self.plc.program.ready:
            return
        self.plc.announce(len(self.announced_ns) % IDS + 1, now_ns)
        self.announced_ns.append(now_ns)

    def _ask(self, data: bytes, now_ns: int) -> bytes:
        before = len(self.link.arrived)
        reply = self.link.ask(data, now_ns)
        serial = len(self.announced_ns) - 1
        self.told += [Told(serial, item.trigger_id, item.received_ns) for item in self.link.arrived[before:]]
        return reply

    def _view(self, at_ns: int) -> int:
        """The part in view then; a capture that lags asks for times gone by."""
        serial = bisect_right(self.announced_ns, at_ns) - 1
        return 0 if serial < 0 else number_of(serial)

    def _is_bad(self, number: int) -> bool:
        """Of the latest part that shows this number."""
        serial = len(self.announced_ns) - 1
        while number_of(serial) != number:
            serial -= 1
        return self.bad[serial]

    def _engine_runs(self) -> bool:
        """One run of an engine: at least a tick. Whether its result is finite."""
        if not self.announced_ns:
            return True  # the warm-up, before anything goes wrong
        began_ns = self.clock.now_ns()
        self.tick()
        while any(self.mishaps.on(f"engine_{how}", self.clock.now_ns()) for how in ("slow", "hang")):
            self.tick()
        if self.mishaps.on("engine_raises", began_ns):
            raise RuntimeError("the engine fell over, as simulated")
        return not self.mishaps.on("engine_nan", began_ns)

    def _disk(self, now_ns: int) -> None:
        """While the disk goes wrong another connection holds the file; else a slow disk only slows the world."""
        if self.mishaps.on("disk", now_ns):
            if self._lock is None:
                self._lock = sqlite3.connect(self._path, isolation_level=None, timeout=5)
                self._lock.execute("BEGIN IMMEDIATE")
            return
        self._unlock()
        while self._journal is not None and self._journal.failing_since_ns() is not None:
            time.sleep(0.001)

    def _unlock(self) -> None:
        if self._lock is not None:
            with closing(self._lock) as lock:
                lock.execute("ROLLBACK")
            self._lock = None


def line_config(path: Path, policy: dict[str, Any]) -> LineConfig:
    camera = {"backend": "synthetic", "fps": 50, "height": SIDE, "width": SIDE, "bit_depth": 16}
    document = {
        "schema_version": 1,
        "bundle": "none",
        "engine": "onnxruntime",
        "deadline_ms": 250,
        "pair_wait_ms": 60,
        "cameras": [{**camera, "camera_id": f"{name}-camera", "modality": name} for name in MODALITIES],
        "routing": policy,
        "plc": {"driver": "modbus-slave", "port": "none"},
        "journal": {"path": str(path)},
    }
    return validate(LineConfig, document, "the simulated world")
