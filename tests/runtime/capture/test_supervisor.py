"""Real camera processes, really killed and stopped: the line goes on, they come back, nothing is left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from radar_edge.clock import NS_PER_MS, NS_PER_S, MonotonicClock
from radar_edge.config import HealthConfig, ReplayCamera, SyntheticCamera
from radar_edge.errors import CameraError, ConfigError, UsageError
from radar_edge.preprocess import write_png
from radar_edge.records import Cause, Frame, HealthReport, HealthState
from radar_edge.runtime.capture import supervisor
from radar_edge.runtime.capture.seam import Heartbeat
from radar_edge.runtime.capture.supervisor import BACKOFF_MAX_NS, BACKOFF_MIN_NS, CameraProcesses, open_cameras
from radar_edge.runtime.health import CameraHealth, period_ns

FPS = 25
PATIENCE_S = 60  # for a machine that does other things too; a good run needs a fraction of a second


class Line:
    """What the capture thread does: receive, update the health, supervise. Keeps all that came."""

    def __init__(self, cameras: CameraProcesses, modalities: dict[str, str]) -> None:
        self.cameras = cameras
        now_ns = time.monotonic_ns()
        self.health = {
            camera_id: CameraHealth(camera_id, modality, period_ns(FPS), HealthConfig(tolerated_drops=4), now_ns)
            for camera_id, modality in modalities.items()
        }
        self.reports: dict[str, HealthReport] = {}
        self.frames: list[Frame] = []
        self.beats: list[Heartbeat] = []

    def step(self) -> None:
        for item in self.cameras.receive(0.01):
            if isinstance(item, Heartbeat):
                self.beats.append(item)
                self.health[item.camera_id].update(item)
            else:
                self.frames.append(item)
        now_ns = time.monotonic_ns()
        self.reports = {camera_id: health.tick(now_ns) for camera_id, health in self.health.items()}
        self.cameras.supervise(now_ns)

    def until(self, what: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < end_s, (self.reports, self.cameras.counters)
            self.step()

    def well(self, *camera_ids: str) -> bool:
        return all(c in self.reports and self.reports[c].state is HealthState.OK for c in camera_ids)

    def part(self, trigger_id: int, modalities: set[str]) -> dict[str, Frame]:
        """Trigger and wait for a frame of each modality."""
        self.cameras.trigger(trigger_id)
        self.until(lambda: modalities <= {f.modality for f in self.frames if f.trigger_id == trigger_id})
        return {frame.modality: frame for frame in self.frames if frame.trigger_id == trigger_id}


def synthetic(camera_id: str, modality: str) -> SyntheticCamera:
    return SyntheticCamera(
        backend="synthetic", camera_id=camera_id, modality=modality, fps=FPS, height=64, width=80, bit_depth=16
    )


PAIR = (synthetic("a", "rgb"), synthetic("b", "tir"))


@pytest.fixture
def line() -> Iterator[Line]:
    with open_cameras(PAIR, MonotonicClock()) as cameras:
        made = Line(cameras, {"a": "rgb", "b": "tir"})
        made.until(lambda: made.well("a", "b"))
        yield made


def gone(pid: int) -> bool:
    """Whether the process is no more, or only waits for its parent to notice."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def wait_until_gone(pids: list[int]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < end_s, "camera processes live on"
        time.sleep(0.01)


def test_every_camera_delivers_the_file_of_the_part(tmp_path: Path) -> None:
    cameras = []
    for modality, dtype, level in (("rgb", np.uint8, 100), ("tir", np.uint16, 29_000)):
        files = [tmp_path / f"{modality}{i}.png" for i in range(3)]
        for i, path in enumerate(files):
            write_png(path, np.full((20, 24), level + i, dtype))
        cameras.append(
            ReplayCamera(backend="replay", camera_id=f"cam-{modality}", modality=modality, fps=FPS, files=tuple(files))
        )
    with open_cameras(cameras, MonotonicClock()) as opened:
        line = Line(opened, {"cam-rgb": "rgb", "cam-tir": "tir"})
        line.until(lambda: line.well("cam-rgb", "cam-tir"))
        for trigger_id in (1, 2, 3, 4):
            asked_ns = time.monotonic_ns()
            frames = line.part(trigger_id, {"rgb", "tir"})
            shown = (trigger_id - 1) % 3
            assert (frames["rgb"].image == 100 + shown).all()
            assert (frames["tir"].image == 29_000 + shown).all()
            assert all(frame.stamp_ns > asked_ns for frame in frames.values())
        assert frames["tir"].image.dtype == np.uint16
        assert len(line.frames) == 8
        assert all(beat.content_hash is None for beat in line.beats)


def test_a_killed_camera_fails_is_restarted_and_comes_back(line: Line) -> None:
    old = line.cameras.pids
    os.kill(old["b"], signal.SIGKILL)
    line.until(lambda: line.reports["b"].state is HealthState.FAILED)
    assert line.reports["b"].cause is Cause.DEAD
    assert line.part(1, {"rgb"}).keys() == {"rgb"}
    line.until(lambda: line.well("a", "b"))
    assert line.cameras.restarts == {"a": 0, "b": 1}
    assert line.cameras.pids["a"] == old["a"]
    assert line.cameras.pids["b"] != old["b"]
    assert line.part(2, {"rgb", "tir"}).keys() == {"rgb", "tir"}


def test_a_held_camera_stays_dead_until_released(line: Line) -> None:
    line.cameras.hold("b")
    os.kill(line.cameras.pids["b"], signal.SIGKILL)
    line.until(lambda: "b" not in line.cameras.pids)
    line.cameras.supervise(time.monotonic_ns() + NS_PER_S)  # long after the back-off
    assert line.cameras.pids.keys() == {"a"}
    line.cameras.trigger(1)
    assert line.cameras.counters["b"].lost_triggers == 1
    line.cameras.release("b")
    line.step()
    assert line.cameras.pids.keys() == {"a", "b"}
    line.until(lambda: line.well("a", "b"))
    with pytest.raises(UsageError, match="no such camera"):
        line.cameras.hold("c")


def test_a_stopped_camera_blocks_nobody_and_goes_on_when_continued(line: Line) -> None:
    pid = line.cameras.pids["b"]
    os.kill(pid, signal.SIGSTOP)
    line.until(lambda: line.reports["b"].state is HealthState.FAILED)
    for number in range(40_000):  # more than the pipe of a stopped process holds
        line.cameras.trigger(number % 65535 + 1)
    assert line.cameras.counters["b"].lost_triggers > 0
    assert line.cameras.receive(0) is not None
    line.until(lambda: bool(line.frames))
    stopped_ns = max(beat.stamp_ns for beat in line.beats if beat.camera_id == "b")
    os.kill(pid, signal.SIGCONT)
    line.until(lambda: any(beat.camera_id == "b" and beat.stamp_ns > stopped_ns for beat in line.beats))
    line.until(lambda: line.well("b"))
    asked = line.part(65000, {"rgb", "tir"})["tir"]
    stale = [frame for frame in line.frames if frame.modality == "tir" and frame.trigger_id != 65000]
    assert len(stale) <= 1  # of all that waited only the newest was served
    assert all(frame.stamp_ns < asked.stamp_ns for frame in stale)


def test_a_stuck_camera_is_killed_and_restarted(line: Line) -> None:
    pid = line.cameras.pids["b"]
    os.kill(pid, signal.SIGSTOP)
    line.until(lambda: line.reports["b"].state is HealthState.FAILED)
    line.cameras.supervise(time.monotonic_ns() + supervisor.STUCK_NS - 100 * NS_PER_MS)
    line.until(lambda: line.cameras.restarts["b"] == 1)
    line.until(lambda: line.well("a", "b"))
    assert gone(pid)


def test_a_camera_is_not_stuck_while_its_reports_wait_to_be_read(line: Line) -> None:
    before = line.cameras.pids
    time.sleep(20 / FPS)  # we do not read: reports pile up
    line.cameras.supervise(time.monotonic_ns() + 3600 * NS_PER_S)
    line.until(lambda: line.well("a", "b"))
    assert line.cameras.pids == before


def test_a_reader_that_stalls_loses_frames_and_gets_none_torn(line: Line) -> None:
    for trigger_id in range(1, 11):
        line.cameras.trigger(trigger_id)
        time.sleep(3 / FPS)
    count = len(line.beats)
    line.until(lambda: line.cameras.counters["a"].dropped_frames > 0 and len(line.beats) > count + 10)
    assert all(counters.corrupt_frames == 0 for counters in line.cameras.counters.values())
    kept = [frame.trigger_id for frame in line.frames if frame.modality == "rgb"]
    assert kept == sorted(set(kept))
    assert len(kept) == 4  # as many as the ring has slots
    ids = [beat.frame_id for beat in line.beats if beat.camera_id == "a"]
    assert ids == list(range(1, len(ids) + 1))  # no heartbeat was lost
    assert line.part(100, {"rgb", "tir"}).keys() == {"rgb", "tir"}


def test_the_back_off_doubles_up_to_its_limit_and_a_release_ends_it() -> None:
    with open_cameras(PAIR[:1], MonotonicClock()) as cameras:
        now_ns = time.monotonic_ns()
        waits = []
        for _ in range(7):
            os.kill(cameras.pids["a"], signal.SIGKILL)
            while "a" in cameras.pids:
                cameras.receive(0.01)
                cameras.supervise(now_ns)
            died_ns = now_ns
            while "a" not in cameras.pids:
                now_ns += 100 * NS_PER_MS
                cameras.supervise(now_ns)
            waits.append(now_ns - died_ns)
        assert waits == [min(BACKOFF_MIN_NS << n, BACKOFF_MAX_NS) for n in range(7)]
        assert cameras.restarts == {"a": 7}


def test_a_camera_that_cannot_be_opened_is_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    write_png(path, np.zeros((16, 16), np.uint8))
    camera = ReplayCamera(backend="replay", camera_id="a", modality="rgb", fps=FPS, files=(path,))
    with open_cameras([camera], MonotonicClock()) as cameras:
        path.unlink()
        line = Line(cameras, {"a": "rgb"})
        os.kill(cameras.pids["a"], signal.SIGKILL)
        line.until(lambda: cameras.restarts["a"] == 2)
        write_png(path, np.full((16, 16), 99, np.uint8))
        line.until(lambda: line.well("a"))
    assert "camera a has files that do not exist" in capfd.readouterr().err


def test_a_process_that_cannot_be_started_is_an_error_at_first_and_a_retry_later(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    os.kill(line.cameras.pids["b"], signal.SIGKILL)
    line.until(lambda: "b" not in line.cameras.pids)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(supervisor, "CameraProcess", refuse)
        with pytest.raises(CameraError, match="Too many open files"):
            open_cameras(PAIR, MonotonicClock())
        line.until(lambda: "camera b: cannot start" in caplog.text)
    line.until(lambda: line.well("a", "b"))


def test_a_configuration_fault_is_said_before_anything_starts(tmp_path: Path) -> None:
    bad = ReplayCamera(backend="replay", camera_id="b", modality="tir", fps=FPS, folder=tmp_path / "absent")
    with pytest.raises(ConfigError, match="camera b"):
        open_cameras([PAIR[0], bad], MonotonicClock())


def test_ctrl_c_is_not_for_the_cameras(line: Line) -> None:
    before = line.cameras.pids
    for pid in before.values():
        os.kill(pid, signal.SIGINT)
    count = len(line.beats)
    line.until(lambda: len(line.beats) > count + 20)
    assert line.cameras.pids == before


def test_nothing_is_left_behind() -> None:
    def resources() -> tuple[int, set[str], int]:
        maps = Path("/proc/self/maps").read_text().count("radar-edge-ring")
        return len(list(Path("/proc/self/fd").iterdir())), set(os.listdir("/dev/shm")), maps  # noqa: PTH208

    before = resources()
    with open_cameras(PAIR, MonotonicClock()) as cameras:
        pids = list(cameras.pids.values())
        os.kill(pids[0], signal.SIGKILL)
        os.kill(pids[1], signal.SIGSTOP)
        while cameras.restarts["a"] == 0:
            cameras.receive(0.01)
            cameras.supervise(time.monotonic_ns())
        pids += cameras.pids.values()
    assert resources() == before
    assert all(gone(pid) for pid in pids)
    cameras.close()
    cameras.trigger(1)
    assert cameras.receive(0) == []


PROGRAM = """
import sys, time
from radar_edge.clock import MonotonicClock
from radar_edge.config import SyntheticCamera
from radar_edge.runtime.capture.seam import Heartbeat
from radar_edge.runtime.capture.supervisor import open_cameras
configs = [
    SyntheticCamera(backend="synthetic", camera_id=c, modality=c, fps=25, height=64, width=64) for c in ("a", "b")
]
cameras, alive = open_cameras(configs, MonotonicClock()), set()
while len(alive) < 2:
    alive |= {item.camera_id for item in cameras.receive(0.1)}
print(*cameras.pids.values(), flush=True)
time.sleep(600)
"""


def test_the_cameras_die_with_the_runtime_even_while_they_hang() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as runtime:
        assert runtime.stdout is not None
        pids = [int(word) for word in runtime.stdout.readline().split()]
        os.kill(pids[0], signal.SIGSTOP)
        runtime.kill()
    assert len(pids) == 2
    wait_until_gone(pids)
