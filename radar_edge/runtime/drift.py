"""Slow changes of a stream of numbers: a CUSUM, and a rate. Pure; knows no camera and no clock."""

from __future__ import annotations

import math
from collections import deque


class Cusum:
    """One-sided CUSUM for a fall of the mean, in standard deviations of the first `learn` values.

    Source: Page, Continuous inspection schemes, Biometrika 41 (1954). With slack 0.5 and limit 12 an undisturbed normal
    stream alarms less than once in 10^5 values; a fall of one deviation is found after about 24.
    """

    def __init__(self, learn: int = 60, slack: float = 0.5, limit: float = 12.0) -> None:
        self._learn, self._slack, self._limit = learn, slack, limit
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self.sum = 0.0

    @property
    def alarm(self) -> bool:
        return self.sum > self._limit

    def add(self, value: float) -> None:
        """Take the next value. The first ones only teach what is usual."""
        if self._count < self._learn:
            self._count += 1
            delta = value - self._mean
            self._mean += delta / self._count
            self._squares += delta * (value - self._mean)
            return
        deviation = math.sqrt(self._squares / (self._learn - 1)) or 1e-9
        self.sum = max(0.0, self.sum + (self._mean - value) / deviation - self._slack)


class RateWatch:
    """Whether the last `periods` took longer than nominal by more than `tolerance`. Stamps in nanoseconds."""

    def __init__(self, period_ns: int, periods: int = 50, tolerance: float = 0.1) -> None:
        self._limit_ns = periods * period_ns * (1 + tolerance)
        self._stamps: deque[int] = deque(maxlen=periods + 1)

    def add(self, stamp_ns: int) -> None:
        self._stamps.append(stamp_ns)

    def forget(self) -> None:
        """A gap was told of already."""
        self._stamps.clear()

    @property
    def low(self) -> bool:
        full = len(self._stamps) == self._stamps.maxlen
        return full and self._stamps[-1] - self._stamps[0] > self._limit_ns
