"""All cameras of the line as processes, brought back when they die or fall silent. Knows no health rule.

A child that dies, or is silent for STUCK_NS and therefore killed, is started anew after a back-off that
doubles from 0.2 s to 5 s and begins again once a life has lasted. Nothing here waits for a child.
"""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import Camera
from radar_edge.errors import CameraError, UsageError
from radar_edge.records import Frame
from radar_edge.runtime.capture.backend import backend_class
from radar_edge.runtime.capture.process import CHILD, CameraProcess
from radar_edge.runtime.capture.report import Report, SlotFrame, dtype_of, shape_of
from radar_edge.runtime.capture.seam import CameraSet, Heartbeat

_log = logging.getLogger(__name__)

STUCK_NS = 2 * NS_PER_S
STUCK_PERIODS = 5
START_NS = 10 * NS_PER_S
"""How long a child may take to its first report: an import on a cold disk, a camera that boots."""

BACKOFF_MIN_NS = NS_PER_S // 5
BACKOFF_MAX_NS = 5 * NS_PER_S
SETTLED_NS = 10 * NS_PER_S
"""A life of this length is a good one: the next back-off is short again."""


@dataclass(slots=True)
class CameraCounters:
    """Since the start of the line."""

    restarts: int = 0
    lost_triggers: int = 0
    """Triggers that a dead or long stopped child could not be told of."""
    dropped_frames: int = 0
    """Frames that were asked for and not delivered: the driver gave a bad one, or we did not read in time."""
    corrupt_frames: int = 0
    """Frames whose checksum was wrong; none was delivered."""


@dataclass(slots=True)
class _Keeper:
    """What outlives one camera's processes."""

    camera: Camera
    process: CameraProcess | None = None
    backoff_ns: int = BACKOFF_MIN_NS
    restart_at_ns: int = 0
    held: bool = False
    dropped_in_life: int = 0
    counters: CameraCounters = field(default_factory=CameraCounters)

    @property
    def stuck_ns(self) -> int:
        if self.process is None or not self.process.spoke:
            return START_NS
        return max(STUCK_NS, round(STUCK_PERIODS * NS_PER_S / self.camera.fps))

    def put_off(self, now_ns: int) -> None:
        """The next start comes after the back-off, the one after it later still."""
        self.restart_at_ns = now_ns + self.backoff_ns
        self.backoff_ns = min(2 * self.backoff_ns, BACKOFF_MAX_NS)


class CameraProcesses(CameraSet):
    """One process a camera. Kill one by its pid, hold it down, release it: the line goes on.

    `receive` and `supervise` belong to one thread, which must live as long as the cameras are wanted (a child
    dies with the thread that started it); everything else may be called from any thread.
    """

    def __init__(self, cameras: Sequence[Camera], clock: Clock, child: str = CHILD) -> None:
        self._clock = clock
        self._child = child
        self._keepers = {camera.camera_id: _Keeper(camera) for camera in cameras}
        self._lock = threading.Lock()  # pipes must not be closed while a trigger is written to them
        try:
            for keeper in self._keepers.values():
                keeper.process = CameraProcess(keeper.camera, clock.now_ns(), child)
        except BaseException:
            self.close()
            raise

    def trigger(self, trigger_id: int) -> None:
        with self._lock:
            for keeper in self._keepers.values():
                if keeper.process is None or not keeper.process.trigger(trigger_id):
                    keeper.counters.lost_triggers += 1

    def receive(self, timeout_s: float) -> list[Heartbeat | Frame]:
        poll = select.poll()
        for keeper in self._keepers.values():
            if keeper.process is not None and not keeper.process.ended:
                poll.register(keeper.process.reports_fd, select.POLLIN)
        poll.poll(timeout_s * NS_PER_S / NS_PER_MS)
        arrived = [item for keeper in self._keepers.values() for item in self._read(keeper)]
        return sorted(arrived, key=lambda item: item.stamp_ns)

    def supervise(self, now_ns: int) -> None:
        for keeper in self._keepers.values():
            if keeper.process is None:
                if not keeper.held and now_ns >= keeper.restart_at_ns:
                    self._restart(keeper, now_ns)
            elif keeper.process.dead:
                self._bury(keeper, keeper.process, now_ns)
            elif keeper.process.silent_ns(now_ns) > keeper.stuck_ns:
                keeper.process.kill()

    @property
    def restarts(self) -> dict[str, int]:
        return {camera_id: keeper.counters.restarts for camera_id, keeper in self._keepers.items()}

    @property
    def counters(self) -> dict[str, CameraCounters]:
        return {camera_id: keeper.counters for camera_id, keeper in self._keepers.items()}

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the cameras that have a process now."""
        with self._lock:
            return {name: keeper.process.pid for name, keeper in self._keepers.items() if keeper.process is not None}

    def hold(self, camera_id: str) -> None:
        """Do not restart this camera when it dies. Raises UsageError if there is no such camera."""
        self._keeper(camera_id).held = True

    def release(self, camera_id: str) -> None:
        """Let it be restarted again, at once."""
        keeper = self._keeper(camera_id)
        keeper.backoff_ns, keeper.restart_at_ns, keeper.held = BACKOFF_MIN_NS, 0, False

    def close(self) -> None:
        with self._lock:
            processes = [keeper.process for keeper in self._keepers.values() if keeper.process is not None]
            for keeper in self._keepers.values():
                keeper.process = None
                keeper.held = True
            for process in processes:
                process.kill()
            for process in processes:
                process.close()

    def _keeper(self, camera_id: str) -> _Keeper:
        keeper = self._keepers.get(camera_id)
        if keeper is None:
            raise UsageError("there is no such camera", found=camera_id, wanted=", ".join(self._keepers))
        return keeper

    def _read(self, keeper: _Keeper) -> list[Heartbeat | Frame]:
        process = keeper.process
        if process is None:
            return []
        items: list[Heartbeat | Frame] = []
        for report in process.read(self._clock.now_ns()):
            items.append(report.heartbeat(keeper.camera.camera_id))
            keeper.counters.dropped_frames += report.dropped - keeper.dropped_in_life
            keeper.dropped_in_life = report.dropped
            if report.frame is not None:
                items += _frames(keeper, process, report, report.frame)
        return items

    def _restart(self, keeper: _Keeper, now_ns: int) -> None:
        try:
            process = CameraProcess(keeper.camera, now_ns, self._child)
        except OSError as error:
            _log.error("camera %s: cannot start its process: %s", keeper.camera.camera_id, error)
            keeper.put_off(now_ns)
            return
        keeper.counters.restarts += 1
        keeper.dropped_in_life = 0
        with self._lock:
            keeper.process = process

    def _bury(self, keeper: _Keeper, process: CameraProcess, now_ns: int) -> None:
        if now_ns - process.started_ns >= SETTLED_NS:
            keeper.backoff_ns = BACKOFF_MIN_NS
        keeper.put_off(now_ns)
        with self._lock:
            keeper.process = None
            process.close()


def _frames(keeper: _Keeper, process: CameraProcess, report: Report, place: SlotFrame) -> list[Frame]:
    """The frame, or nothing if it is not whole."""
    kind = report.kind
    if kind is None:
        return []
    image = process.reader.take(place.slot, shape_of(kind), dtype_of(kind), report.checksum)
    if image is None:
        keeper.counters.corrupt_frames += 1
        return []
    camera = keeper.camera
    return [Frame(camera.modality, image, camera.camera_id, report.frame_id, report.stamp_ns, place.trigger_id)]


def open_cameras(configs: Sequence[Camera], clock: Clock, child: str = CHILD) -> CameraProcesses:
    """Start the camera processes. Whether a camera opens shows in its heartbeats: the line starts without it.

    `child` is the module that each of them runs. Raises ConfigError for what is wrong with the configuration itself
    (no files to replay), CameraError if the machine cannot start a process.
    """
    for camera in configs:
        backend_class(camera.backend).check(camera)
    try:
        return CameraProcesses(configs, clock, child)
    except OSError as error:
        raise CameraError("cannot start the camera processes", found=error.strerror) from error
