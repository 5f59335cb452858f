from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from line_fakes import bench, wait_until

from radar_edge.clock import NS_PER_S
from radar_edge.runtime.watchdog import Watchdog

UNIT = Path(__file__).parents[2] / "tools" / "provision" / "radar-edge.service"


class HandClock:
    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The manager's end: a real datagram socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(20)
        yield receiver


def told(systemd: socket.socket) -> list[str]:
    """Every message that has arrived, without waiting."""
    messages = []
    systemd.setblocking(False)
    try:
        while True:
            messages.append(systemd.recv(4096).decode())
    except BlockingIOError:
        systemd.settimeout(20)
        return messages


def test_ready_comes_once_and_messages_are_not_a_flood(systemd: socket.socket) -> None:
    clock = HandClock()
    watchdog = Watchdog({"NOTIFY_SOCKET": systemd.getsockname()}, clock)
    for _ in range(100):
        watchdog.alive("ready\nbusy")
    assert told(systemd) == ["READY=1\nWATCHDOG=1\nSTATUS=ready busy"]
    clock.ns += NS_PER_S
    watchdog.alive("ready")
    watchdog.stopping()
    assert told(systemd) == ["WATCHDOG=1\nSTATUS=ready", "STOPPING=1"]


def test_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("")  # Linux chooses a free abstract name
        receiver.settimeout(20)
        name = receiver.getsockname().decode()
        Watchdog({"NOTIFY_SOCKET": "@" + name[1:]}, HandClock()).alive("")
        assert receiver.recv(4096).startswith(b"READY=1\n")


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nobody/listens"}])
def test_nobody_who_listens_is_no_error(environment: dict[str, str]) -> None:
    Watchdog(environment, HandClock()).alive("ready")


def test_a_full_socket_does_not_block(systemd: socket.socket) -> None:
    clock = HandClock()
    watchdog = Watchdog({"NOTIFY_SOCKET": systemd.getsockname()}, clock)

    def flood() -> None:
        for _ in range(2000):
            clock.ns += NS_PER_S
            watchdog.alive("ready")

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_a_line_that_hangs_falls_silent(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
    with bench(tmp_path) as made:
        assert systemd.recv(4096).startswith(b"READY=1\n")
        wait_until(lambda: any("WATCHDOG=1" in text for text in told(systemd)))
        release = threading.Event()
        hung = threading.Event()

        def hang() -> None:
            hung.set()
            release.wait(60)

        monkeypatch.setattr(
            made.line._stations.standing, "status", hang_once(made.line._stations.standing.status, hang)
        )
        assert hung.wait(20)
        told(systemd)
        systemd.settimeout(1)
        with pytest.raises(TimeoutError):
            systemd.recv(4096)
        release.set()
    assert "STOPPING=1" in told(systemd)


def hang_once(real, hang):  # type: ignore[no-untyped-def]
    """`real`, whose first call by the inspection thread hangs first."""
    first = threading.Event()

    def status():  # type: ignore[no-untyped-def]
        if threading.current_thread().name == "inspection" and not first.is_set():
            first.set()
            hang()
        return real()

    return status


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)"
)


@needs_systemd
def test_the_unit_is_valid() -> None:
    done = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_systemd
def test_the_unit_is_hardened() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) < 3.0
