"""Programs that play the other end of the wire, built from C once a session; tests skip where they cannot be built."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).with_name("peers")
INPUT_BASE = 100


@cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="radar-edge-peers-"))


def build(source: str, target: str, *options: str) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc: run `make peers`")
    out = folder() / target
    if not out.exists():
        command = ["gcc", "-O2", "-Wall", "-Werror", str(SOURCES / source), "-o", str(out), *options]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return out


def libmodbus_slave() -> Path:
    try:
        found = subprocess.run(["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no pkg-config: run `make peers`")
    if found.returncode:
        pytest.skip("no libmodbus: run `make peers`")
    return build("slave.c", "slave", *found.stdout.split())


def modem_lines() -> Path:
    return build("modem_lines.c", "modem_lines.so", "-shared", "-fPIC", "-ldl")


class Slave:
    """The libmodbus PLC: `put` sets its registers, `blocks` is every block that was written to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.blocks: list[tuple[int, ...]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.blocks.append(tuple(int(word) for word in line.split()))

    def put(self, address: int, value: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{address} {value}\n")
        self._process.stdin.flush()


@contextmanager
def slave_on(port: str, delay_ms: int = 0, drop_every: int = 0) -> Iterator[Slave]:
    command = [str(libmodbus_slave()), port, "115200", str(delay_ms), str(drop_every)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Slave(process)
        finally:
            process.kill()
