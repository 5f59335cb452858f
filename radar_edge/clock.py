"""Time as an argument: monotonic nanoseconds from a Clock that tests can advance.

CLOCK_MONOTONIC is shared by all processes of one machine, so a camera process's stamp can be
compared with the runtime's. It does not know the time of day: that is asked for only where a
person reads it (journal rows, reports).
"""

from __future__ import annotations

import time
from typing import Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int:
        """Monotonic nanoseconds."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_ms(self, ms: float) -> None:
        self._now_ns += round(ms * NS_PER_MS)
