from __future__ import annotations

import json

import pytest

from radar_edge.modality import Subset
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.tally import BOUNDS_MS, RECENT, WINDOW, Tally


def verdict(part: int, code: Code = Code.PASS, *, degraded: bool = False) -> Verdict:
    return Verdict(part, code, Reason.GOOD, Subset(("rgb",)), degraded=degraded, latency_ms={"engine": 3.0})


def test_counts() -> None:
    tally = Tally()
    tally.verdict(verdict(1), 1, 10.0)
    tally.verdict(verdict(2, Code.REJECT, degraded=True), 2, 20.0)
    tally.late()
    assert tally.document() == {
        "parts": 2,
        "verdicts": {"pass": 1, "reject": 1},
        "reasons": {"good": 2},
        "engines": {"rgb": 2},
        "degraded": 1,
        "late_results": 1,
    }


def test_the_percentiles_are_of_the_last_parts() -> None:
    tally = Tally()
    assert tally.times()["latency_ms"] == {}
    for part in range(WINDOW):
        tally.verdict(verdict(part + 1), part, 900.0)
    for part in range(WINDOW):
        tally.verdict(verdict(part + 1), part, float(part % 100))
    found = tally.times()["latency_ms"]
    assert found["total"] == pytest.approx({"p50": 49.5, "p95": 94.05, "p99": 98.01})
    assert found["engine"] == {"p50": 3.0, "p95": 3.0, "p99": 3.0}


def test_the_histogram_is_of_all_parts_and_cumulative() -> None:
    tally = Tally()
    for part, ms in enumerate((1.0, 5.0, 6.0, 5000.0), 1):
        tally.verdict(verdict(part), part, ms)
    histogram = tally.times()["latency_histogram_ms"]
    assert histogram["bounds"] == list(BOUNDS_MS)
    assert histogram["counts"][:2] == [2, 3]
    assert histogram["counts"][-1] == 3
    assert (histogram["count"], histogram["sum"]) == (4, 5012.0)


def test_the_last_verdicts_are_plain_data() -> None:
    tally = Tally()
    for part in range(1, RECENT + 3):
        tally.verdict(verdict(part), part, 1.0)
    recent = tally.recent()
    assert [recent[0]["part"], recent[-1]["part"], len(recent)] == [3, RECENT + 2, RECENT]
    assert json.loads(json.dumps(recent)) == recent
