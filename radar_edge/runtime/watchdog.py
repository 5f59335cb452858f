"""Tells systemd that the line is ready, alive and how it is: sd_notify over a datagram socket. Knows no line.

The inspection loop calls `alive` on its round, so an engine that hangs stops the messages and systemd restarts
the service after WatchdogSec. Without NOTIFY_SOCKET in the environment nothing is sent. Protocol: sd_notify(3).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress

from radar_edge.clock import NS_PER_S, Clock

EVERY_NS = NS_PER_S // 4
"""Between two messages at most so many: far below half of any sensible WatchdogSec."""


class Watchdog:
    """One service's voice. A message that cannot be sent is not tried again: for systemd silence is the alarm."""

    def __init__(self, environment: Mapping[str, str], clock: Clock) -> None:
        """`environment` is os.environ; a leading @ in NOTIFY_SOCKET means the abstract name space."""
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._clock = clock
        self._ready = False
        self._last_ns: int | None = None

    def alive(self, status: str) -> None:
        """The caller made progress. The first call also says READY; calls in quick succession say nothing."""
        now_ns = self._clock.now_ns()
        if self._last_ns is not None and now_ns - self._last_ns < EVERY_NS:
            return
        self._last_ns = now_ns
        first = "" if self._ready else "READY=1\n"
        self._ready = True
        self._send(f"{first}WATCHDOG=1\nSTATUS={' '.join(status.split())}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(), self._address)
