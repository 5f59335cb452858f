"""What a line counted since it started. Knows no thread but may be used from any."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from radar_edge.records import Verdict


class Tally:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._engines: Counter[str] = Counter()
        self._late = 0

    def verdict(self, verdict: Verdict) -> None:
        """One verdict went to the link."""
        with self._lock:
            self._verdicts[verdict.code.name.lower()] += 1
            self._reasons[verdict.reason.name.lower()] += 1
            if verdict.subset is not None:
                self._engines[verdict.subset.slug] += 1

    def late(self) -> None:
        """One result came when its slot was filled already."""
        with self._lock:
            self._late += 1

    def document(self) -> dict[str, Any]:
        """{parts, verdicts: {code: n}, reasons: {reason: n}, engines: {slug: n}, late_results}."""
        with self._lock:
            return {
                "parts": self._verdicts.total(),
                "verdicts": dict(self._verdicts),
                "reasons": dict(self._reasons),
                "engines": dict(self._engines),
                "late_results": self._late,
            }
