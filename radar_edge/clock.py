"""Time as an argument: monotonic nanoseconds from a Clock that tests can advance.

CLOCK_MONOTONIC is shared by all processes of one machine, so a camera process's stamp can be
compared with the runtime's. It does not know the time of day: that is asked for only where a
person reads it (journal rows, reports).
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int:
        """Monotonic nanoseconds."""
        ...

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait until `condition`, which the caller holds, is notified, but no longer than `timeout_s`."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        condition.wait(timeout_s)


class ManualClock:
    """A clock that stands still until it is advanced. Who waits by it finds the time gone by, and nothing happened."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_ms(self, ms: float) -> None:
        self._now_ns += round(ms * NS_PER_MS)

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:  # noqa: ARG002 - nobody notifies here
        self.advance_ms(timeout_s * 1000)
