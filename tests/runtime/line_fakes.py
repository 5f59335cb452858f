"""Fakes of the line's two rims and of its engines. Images carry the id of the trigger they were taken for."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from radar_edge.clock import NS_PER_MS, Clock, MonotonicClock
from radar_edge.config import OWN, LineConfig, validate
from radar_edge.inference.runner import Inference, Runner
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import ModalityPreprocess, Preprocess
from radar_edge.records import Code, Frame, Ne107, Verdict
from radar_edge.runtime.capture.seam import CameraSet, Heartbeat
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.line_parts import LineParts
from radar_edge.runtime.pipeline import Line
from radar_edge.runtime.plc.link import Command, Delivery, DeliveryState, PlcLink, StatusBit, Trigger
from radar_edge.runtime.products import Product
from radar_edge.runtime.watchdog import Watchdog
from radar_edge.scoring import Calibration

MODALITIES = ("rgb", "tir")
FPS = 100
SIDE = 16
SPEC = ModalityPreprocess(channels=1, bit_depth=16, height=SIDE, width=SIDE, offset=(0.0,), scale=(1.0,))
CALIBRATION = Calibration(
    scores=(-1.0, 0.0), weights=(1.0, 1.0), groups=2, target_frr=0.4, threshold=0.5, ng_frr=0.3, ng_threshold=1.5
)
GOOD, BAD = 0.0, 2.0


class FakeLink(PlcLink):
    """Triggers are put in by `announce`; every verdict is at once shown and acknowledged."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wake = threading.Condition()
        self._triggers: list[Trigger] = []
        self._deliveries: list[Delivery] = []
        self._commands: list[Command] = []
        self.published: list[tuple[Verdict, int]] = []
        """Each verdict with its time."""
        self.wire: list[tuple[int, int]] = []
        self.beats: list[tuple[StatusBit, tuple[Ne107, ...]]] = []
        self.announced_ns: dict[int, int] = {}
        self.closed = False

    def announce(self, trigger_id: int, fresh: bool = True) -> None:
        with self._wake:
            trigger = Trigger(trigger_id, self._clock.now_ns(), fresh)
            self.announced_ns[trigger_id] = trigger.received_ns
            self._triggers.append(trigger)
            self._wake.notify()

    def command(self, code: int, product: int = 0) -> None:
        with self._wake:
            self._commands.append(Command(code, product, self._clock.now_ns()))

    def take_commands(self) -> list[Command]:
        with self._wake:
            taken, self._commands = self._commands, []
            return taken

    def wait_trigger(self, timeout_s: float) -> Trigger | None:
        with self._wake:
            if not self._triggers:
                self._wake.wait(timeout_s)
            return self._triggers.pop(0) if self._triggers else None

    def publish(self, verdict: Verdict, *, wire_score: int, subset_bits: int, deadline_ns: int) -> None:
        now_ns = self._clock.now_ns()
        with self._wake:
            self.published.append((verdict, now_ns))
            self.wire.append((wire_score, subset_bits))
            sequence = len(self.published)
            for state in (DeliveryState.SHOWN, DeliveryState.ACKNOWLEDGED):
                self._deliveries.append(Delivery(verdict.trigger_id, sequence, state, verdict.code, now_ns))

    def beat(self, status: StatusBit, health: Sequence[Ne107]) -> None:
        self.beats.append((status, tuple(health)))

    def take_deliveries(self) -> list[Delivery]:
        with self._wake:
            taken, self._deliveries = self._deliveries, []
            return taken

    @property
    def plc_alive(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    @property
    def verdicts(self) -> list[Verdict]:
        return [verdict for verdict, _ in self.published]

    @property
    def status(self) -> StatusBit:
        return self.beats[-1][0] if self.beats else StatusBit(0)


Answer = Callable[[str, int], Sequence[tuple[float, int]]]
"""(modality, trigger id) -> the frames it makes: (delay in ms, the trigger whose image it shows)."""


class FakeCameras(CameraSet):
    """Cameras of `FPS` frames a second that beat by themselves. A frame is tagged with the trigger it shows."""

    def __init__(self, clock: Clock, answer: Answer = lambda _modality, trigger_id: [(5.0, trigger_id)]) -> None:
        self._clock = clock
        self._answer = answer
        self._lock = threading.Lock()
        self._due: list[tuple[int, int, Frame]] = []
        self._count = itertools.count(1)
        self._next_ns = dict.fromkeys(MODALITIES, clock.now_ns())
        self.dead: set[str] = set()
        self.error: Exception | None = None
        self.trigger_error: Exception | None = None

    def trigger(self, trigger_id: int) -> None:
        if self.trigger_error is not None:
            raise self.trigger_error
        now_ns = self._clock.now_ns()
        with self._lock:
            for modality in MODALITIES:
                for delay_ms, shown in self._answer(modality, trigger_id):
                    stamp_ns = now_ns + round(delay_ms * NS_PER_MS)
                    image = np.full((SIDE, SIDE), shown, np.uint16)
                    number = next(self._count)
                    frame = Frame(modality, image, f"{modality}-camera", number, stamp_ns, shown)
                    heapq.heappush(self._due, (stamp_ns, number, frame))

    def receive(self, timeout_s: float) -> list[Heartbeat | Frame]:
        if self.error is not None:
            raise self.error
        time.sleep(min(timeout_s, 0.002))
        now_ns = self._clock.now_ns()
        arrived: list[Heartbeat | Frame] = []
        with self._lock:
            for modality in MODALITIES:
                while self._next_ns[modality] <= now_ns:
                    number, stamp_ns = next(self._count), self._next_ns[modality]
                    self._next_ns[modality] += 1000 * NS_PER_MS // FPS
                    if modality not in self.dead:
                        arrived.append(Heartbeat(f"{modality}-camera", number, stamp_ns, number, 0.5, 0.0, True))
            while self._due and self._due[0][0] <= now_ns:
                frame = heapq.heappop(self._due)[2]
                if frame.modality not in self.dead:
                    arrived.append(frame)
        return arrived

    def supervise(self, now_ns: int) -> None:
        pass

    @property
    def restarts(self) -> dict[str, int]:
        return {f"{modality}-camera": 0 for modality in MODALITIES}

    @property
    def pids(self) -> dict[str, int]:
        return {f"{modality}-camera": 1 for modality in MODALITIES}

    def close(self) -> None:
        pass


class FakeEngine(Runner):
    """Scores by `logit(part)`, where `part` is the trigger id that its images show."""

    def __init__(self, subset: Subset, logit: Callable[[int], float]) -> None:
        super().__init__(subset, "fp32", dict.fromkeys(subset, (1, 1, SIDE, SIDE)))
        self._logit = logit
        self.judged: list[tuple[int, ...]] = []
        """The triggers that the images of each call show, a modality each."""

    def _infer(self, inputs: Mapping[str, np.ndarray]) -> Inference:
        shown = tuple(int(array[0, 0, 0, 0]) for array in inputs.values())
        logit = GOOD
        if any(shown):  # not the warm-up
            self.judged.append(shown)
            logit = self._logit(max(shown))
        anomaly_map = np.full((1, 1, SIDE, SIDE), logit, np.float32)
        count = len(self.subset)
        alpha = np.full((1, count, 4, 4), 1 / count, np.float32) if count > 1 else None
        return Inference(anomaly_map, alpha)

    def close(self) -> None:
        pass


def line_config(journal_path: Path, **changes: object) -> LineConfig:
    camera = {"backend": "synthetic", "fps": FPS, "height": SIDE, "width": SIDE, "bit_depth": 16}
    document = {
        "schema_version": 1,
        "bundle": "unused",
        "engine": "onnxruntime",
        "deadline_ms": 250,
        "pair_wait_ms": 100,
        # a busy test machine stalls for long: a camera counts as lost after 215 ms, not 25
        "health": {"tolerated_drops": 20, "recover_frames": 2},
        "cameras": [{**camera, "camera_id": f"{name}-camera", "modality": name} for name in MODALITIES],
        "routing": {"degraded": "may_pass"},
        "plc": {"driver": "modbus-slave", "port": "unused"},
        "journal": {"path": str(journal_path)},
    }
    return validate(LineConfig, {**document, **changes}, "test")


class Bench:
    """A line of fakes with a real clock and a real journal, running in a thread."""

    def __init__(self, line: Line, link: FakeLink, cameras: FakeCameras, journal: Journal, engines: dict) -> None:
        self.line, self.link, self.cameras, self.journal, self.engines = line, link, cameras, journal, engines
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.line.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def judged(self) -> dict[str, list[tuple[int, ...]]]:
        return {subset.slug: engine.judged for subset, engine in self.engines.items()}

    def wait(self, what: Callable[[], bool], timeout_s: float = 10) -> None:
        wait_until(what, timeout_s)

    def wait_ready(self) -> None:
        self.wait(lambda: StatusBit.READY in self.link.status)

    def wait_verdicts(self, count: int) -> None:
        self.wait(lambda: len(self.link.published) >= count)


def wait_until(what: Callable[[], bool], timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def product_of(engines: Mapping[Subset, Runner], bundle_sha256: str = "") -> Product:
    """A product that these engines judge."""
    return Product(
        preprocess=Preprocess(modalities=dict.fromkeys(MODALITIES, SPEC)),
        calibrations=dict.fromkeys(engines, CALIBRATION),
        open_engines=lambda _stack: engines,
        bundle_sha256=bundle_sha256,
    )


@contextmanager
def bench(
    folder: Path,
    *,
    logit: Callable[[int], float] = lambda _part: GOOD,
    answer: Answer = lambda _modality, trigger_id: [(5.0, trigger_id)],
    products: Mapping[int, Product] | None = None,
    **changes: object,
):
    """A running Bench that is READY; stopped when the block ends."""
    clock = MonotonicClock()
    config = line_config(folder / "journal.sqlite", **changes)
    link, cameras = FakeLink(clock), FakeCameras(clock, answer)
    engines = {subset: FakeEngine(subset, logit) for subset in all_subsets(MODALITIES)}
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(config.journal.path, clock, {}))
        parts = LineParts(
            link=link,
            wait_trigger=link.wait_trigger,
            cameras=cameras,
            journal=journal,
            clock=clock,
            modalities=MODALITIES,
            products=products or {OWN: product_of(engines)},
            watchdog=Watchdog(os.environ, clock),
        )
        made = Bench(Line(parts, config), link, cameras, journal, engines)
        made.start()
        try:
            if products is None:
                made.wait_ready()
            yield made
        finally:
            made.stop()


def codes(verdicts: Sequence[Verdict]) -> dict[int, Code]:
    return {verdict.trigger_id: verdict.code for verdict in verdicts}
