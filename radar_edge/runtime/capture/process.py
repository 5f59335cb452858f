"""One life of one camera's process, seen from the runtime: its pipes, its memory, its end. Knows no restart rule.

Each life has its own pipes and ring: nothing of a dead process can be taken for its successor's.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
from contextlib import ExitStack, suppress

from radar_edge.config import Camera
from radar_edge.runtime.capture.report import SIZE, Report, unpack
from radar_edge.runtime.capture.ring import Ring, RingReader, create_memory

_BATCH = 256
CHILD = "radar_edge.runtime.capture.child"
"""The module whose `main` a camera's process runs."""
# The child looks for modules where this process does: not in the current folder, unless we do.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from {child} import main; main{fds!r}"


class CameraProcess:
    """A started process. Takes the few milliseconds of a vfork; whether the camera opens shows in its reports.

    `heard_ns` is when its last report was read, or its start. `reader` takes the frames of its ring.
    """

    def __init__(self, camera: Camera, now_ns: int, child: str = CHILD) -> None:
        self.started_ns = self.heard_ns = now_ns
        self.spoke = False
        self.ended = False
        with ExitStack() as ours, ExitStack() as theirs:
            triggers_fd, self._triggers_fd = _pipe(theirs, ours)
            returns_fd, our_returns_fd = _pipe(theirs, ours)
            self.reports_fd, reports_fd = _pipe(ours, theirs)
            ring_fd = create_memory()
            theirs.callback(os.close, ring_fd)
            ring = Ring(ring_fd)
            ours.callback(ring.close)
            self.reader = RingReader(ring, our_returns_fd)
            self._process = _start(camera, child, (triggers_fd, returns_fd, reports_fd, ring_fd))
            self._resources = ours.pop_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def dead(self) -> bool:
        """Whether it has died and all that it reported was read."""
        return self.ended and self._process.poll() is not None

    def trigger(self, trigger_id: int) -> bool:
        """Ask for a frame; False if it cannot even be told, being dead or stopped for long. Never blocks."""
        try:
            os.write(self._triggers_fd, struct.pack("<H", trigger_id))
        except (BlockingIOError, BrokenPipeError):
            return False
        return True

    def read(self, now_ns: int) -> list[Report]:
        """The reports that have arrived. Never blocks."""
        reports: list[Report] = []
        while not self.ended:
            try:
                data = os.read(self.reports_fd, _BATCH * SIZE)
            except BlockingIOError:
                break
            self.ended = not data
            reports += unpack(data)
        if reports:
            self.heard_ns, self.spoke = now_ns, True
        return reports

    def silent_ns(self, now_ns: int) -> int:
        """Since when nothing came; 0 while something waits to be read, for then it is we who are slow."""
        if not self.ended and select.select([self.reports_fd], [], [], 0)[0]:
            return 0
        return now_ns - self.heard_ns

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Kill it and free all. A process that the kernel cannot end now is left to end by itself."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        self._resources.close()


def _pipe(readers: ExitStack, writers: ExitStack) -> tuple[int, int]:
    """Read and write end of a non-blocking pipe, closed by their owners' stacks."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    readers.callback(os.close, read_fd)
    writers.callback(os.close, write_fd)
    return read_fd, write_fd


def _start(camera: Camera, child: str, fds: tuple[int, int, int, int]) -> subprocess.Popen[bytes]:
    """A new interpreter, never a fork: this process has threads."""
    config_fd = os.memfd_create("radar-edge-camera")
    try:
        os.write(config_fd, camera.model_dump_json().encode())
        os.lseek(config_fd, 0, os.SEEK_SET)
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=sys.path, child=child, fds=fds)],
            stdin=config_fd,
            stdout=2,  # stdout is for results alone; a driver that prints does it on stderr
            pass_fds=fds,
            start_new_session=True,  # the terminal's Ctrl-C is for the runtime
        )
    finally:
        os.close(config_fd)
