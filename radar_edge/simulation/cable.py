"""A serial cable without a serial port: two pseudo-terminals joined by a relay in a process of its own.

    product -- a (link) -- pty ==relay== pty -- b (link) -- PLC

`cut` breaks the wire: both ports stay, bytes are lost. `unplug` pulls the adapter at `a`: the device vanishes and
whoever has it open gets EIO. `noise` is the share of bytes that arrive damaged, get lost or bring a stray one along.
It has no baud rate, no parity errors and no modem lines. Linux only.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import tempfile
import tty
from pathlib import Path
from types import TracebackType

from radar_edge.errors import MachineError

CHUNK_BYTES = 4096
END_S = 5.0


class Cable:
    """A context manager; `a` and `b` are the device paths of its ends. The relay ends with this process."""

    def __init__(self, noise: float = 0.0, seed: int = 0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="radar-edge-cable-")
        command = [sys.executable, "-m", "radar_edge.simulation.cable", self._folder.name, str(noise), str(seed)]
        self._relay = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        try:
            self._answer("start")
        except BaseException:
            self.close()
            raise

    @property
    def a(self) -> str:
        return str(Path(self._folder.name) / "a")

    @property
    def b(self) -> str:
        return str(Path(self._folder.name) / "b")

    def cut(self) -> None:
        """From now on every byte is lost, both ways."""
        self._tell(b"c")

    def join(self) -> None:
        """Undo `cut`."""
        self._tell(b"j")

    def unplug(self) -> None:
        """Take the device at `a` away."""
        self._tell(b"u")

    def plug(self) -> None:
        """Undo `unplug`: a new device under the same name."""
        self._tell(b"p")

    def close(self) -> None:
        """End the relay; both devices vanish. May be called twice."""
        for stream in (self._relay.stdin, self._relay.stdout):
            if stream is not None:
                stream.close()
        try:
            self._relay.wait(END_S)
        except subprocess.TimeoutExpired:
            self._relay.kill()
            self._relay.wait()
        self._folder.cleanup()

    def _tell(self, word: bytes) -> None:
        if self._relay.stdin is None or self._relay.poll() is not None:
            raise MachineError("the simulated cable's relay has ended", next_step="open a new Cable")
        self._relay.stdin.write(word)
        self._answer(word.decode())

    def _answer(self, word: str) -> None:
        if self._relay.stdout is None or self._relay.stdout.read(1) != b"k":
            raise MachineError("the simulated cable does not work", found=f"no answer of its relay to {word!r}")

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class End:
    """One pseudo-terminal under a fixed name. The relay keeps the device open too: its users may come and go."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self.relay_fd, self._device_fd = os.openpty()
        tty.setraw(self._device_fd)
        os.set_blocking(self.relay_fd, False)
        link.symlink_to(os.ttyname(self._device_fd))

    def send(self, data: bytes) -> None:
        """What does not fit into the receiver's buffer is lost, as in a UART."""
        try:
            os.write(self.relay_fd, data)
        except BlockingIOError:
            return

    def close(self) -> None:
        self._link.unlink()
        os.close(self._device_fd)
        os.close(self.relay_fd)


class Relay:
    """The two ends and the state of the wire between them."""

    def __init__(self, folder: Path, noise: float, seed: int) -> None:
        self._folder = folder
        self._noise = noise
        self._random = random.Random(seed)
        self._ends: dict[str, End] = {name: End(folder / name) for name in ("a", "b")}
        self._whole = True

    def fds(self) -> dict[int, str]:
        return {end.relay_fd: name for name, end in self._ends.items()}

    def obey(self, word: bytes) -> None:
        if word == b"u" and "a" in self._ends:
            self._ends.pop("a").close()
        elif word == b"p" and "a" not in self._ends:
            self._ends["a"] = End(self._folder / "a")
        elif word in (b"c", b"j"):
            self._whole = word == b"j"

    def carry(self, name: str) -> None:
        """Move what arrived at end `name` to the other one."""
        data = os.read(self._ends[name].relay_fd, CHUNK_BYTES)
        other = self._ends.get("b" if name == "a" else "a")
        if self._whole and other is not None:
            other.send(self._disturbed(data) if self._noise else data)

    def _disturbed(self, data: bytes) -> bytes:
        """Each byte may be lost, have a bit flipped, or be followed by one that nobody sent."""
        out = bytearray()
        for byte in data:
            kind = self._random.choice(["lost", "flip", "stray"]) if self._random.random() < self._noise else ""
            if kind == "flip":
                out.append(byte ^ 1 << self._random.randrange(8))
            elif kind != "lost":
                out.append(byte)
            if kind == "stray":
                out.append(self._random.randrange(256))
        return bytes(out)

    def close(self) -> None:
        for end in self._ends.values():
            end.close()


def main() -> None:
    """Relay until stdin ends; each byte on stdin is a command, answered with one byte on stdout."""
    relay = Relay(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
    commands, answers = sys.stdin.fileno(), sys.stdout.fileno()
    os.write(answers, b"k")
    while True:
        names = relay.fds()
        ready = select.select([commands, *names], [], [])[0]
        # What was sent before a command travels by the rules before it.
        for fd in ready:
            if fd != commands:
                relay.carry(names[fd])
        if commands in ready:
            word = os.read(commands, 1)
            if not word:
                break
            relay.obey(word)
            os.write(answers, b"k")
    relay.close()


if __name__ == "__main__":
    main()
