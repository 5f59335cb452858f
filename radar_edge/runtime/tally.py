"""What a line counted since it started, and how long its last parts took. Knows no thread but may be used from any."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from typing import Any

import numpy as np

from radar_edge.records import Verdict

WINDOW = 1000
"""Parts whose times the percentiles are of."""
RECENT = 24
"""Verdicts that are shown."""
PERCENTILES = (50, 95, 99)
BOUNDS_MS = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 250.0, 300.0, 500.0, 1000.0)


class Tally:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._engines: Counter[str] = Counter()
        self._degraded = 0
        self._late = 0
        self._laps: dict[str, Ring] = {}
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._buckets = [0] * (len(BOUNDS_MS) + 1)
        self._sum_ms = 0.0

    def verdict(self, verdict: Verdict, part: int, sent_ms: float) -> None:
        """The verdict of `part` went to the link, `sent_ms` after its trigger."""
        shown = recent(verdict, part, sent_ms)
        with self._lock:
            shown["seq"] = self._verdicts.total() + 1
            self._verdicts[verdict.code.name.lower()] += 1
            self._reasons[verdict.reason.name.lower()] += 1
            if verdict.subset is not None:
                self._engines[verdict.subset.slug] += 1
            self._degraded += verdict.degraded
            for stage, ms in {**verdict.latency_ms, "total": sent_ms}.items():
                self._laps.setdefault(stage, Ring()).add(ms)
            self._recent.append(shown)
            self._buckets[bisect_left(BOUNDS_MS, sent_ms)] += 1
            self._sum_ms += sent_ms

    def late(self) -> None:
        """One result came when its slot was filled already."""
        with self._lock:
            self._late += 1

    def document(self) -> dict[str, Any]:
        """{parts, verdicts: {code: n}, reasons: {reason: n}, engines: {slug: n}, degraded, late_results}."""
        with self._lock:
            return {
                "parts": self._verdicts.total(),
                "verdicts": dict(self._verdicts),
                "reasons": dict(self._reasons),
                "engines": dict(self._engines),
                "degraded": self._degraded,
                "late_results": self._late,
            }

    def times(self) -> dict[str, Any]:
        """{latency_ms: {stage: {p50, p95, p99}} of the last WINDOW parts, latency_histogram_ms: of all}.

        The histogram's counts are cumulative: how many parts took at most the bound of the same place.
        """
        with self._lock:
            latency = {stage: ring.percentiles() for stage, ring in self._laps.items()}
            buckets, total_ms = list(self._buckets), self._sum_ms
        histogram = {
            "bounds": list(BOUNDS_MS),
            "counts": np.cumsum(buckets)[:-1].tolist(),
            "sum": round(total_ms, 3),
            "count": sum(buckets),
        }
        return {"latency_ms": latency, "latency_histogram_ms": histogram}

    def recent(self) -> list[dict[str, Any]]:
        """The last verdicts, oldest first."""
        with self._lock:
            return list(self._recent)


class Ring:
    """The last WINDOW values, kept so that their percentiles cost a tenth of a millisecond."""

    def __init__(self) -> None:
        self._values = np.zeros(WINDOW, np.float32)
        self._count = 0

    def add(self, value: float) -> None:
        self._values[self._count % WINDOW] = value
        self._count += 1

    def percentiles(self) -> dict[str, float]:
        found = np.percentile(self._values[: self._count], PERCENTILES)
        return {f"p{q}": round(float(v), 3) for q, v in zip(PERCENTILES, found, strict=True)}


def recent(verdict: Verdict, part: int, sent_ms: float) -> dict[str, Any]:
    """A verdict as plain data."""
    return {
        "part": part,
        "trigger_id": verdict.trigger_id,
        "code": verdict.code.name,
        "reason": verdict.reason.name,
        "subset": verdict.subset.slug if verdict.subset else None,
        "degraded": verdict.degraded,
        "score": verdict.score,
        "threshold": verdict.threshold,
        "p_value": verdict.p_value,
        "contributions": dict(verdict.contributions),
        "sent_ms": round(sent_ms, 2),
    }
