"""A line's state with everything in it."""

from __future__ import annotations

import copy
from typing import Any

AT_NS = 9_000_000_000

STATE: dict[str, Any] = {
    "at_ns": AT_NS,
    "at": "2026-11-25T12:00:00+00:00",
    "uptime_s": 3600.5,
    "version": "0.1.0",
    "bundle": "ab" * 32,
    "product": 2,
    "status": ["READY", "DEGRADED"],
    "plc_alive": True,
    "plc_trouble": None,
    "cameras": {
        "top-rgb": {"modality": "rgb", "state": "ok", "cause": "none", "usable": True, "ne107": 1},
        "top-tir": {"modality": "tir", "state": "failed", "cause": "frozen", "usable": False, "ne107": 5},
    },
    "pids": {"top-rgb": 11, "top-tir": 12},
    "restarts": {"top-rgb": 0, "top-tir": 3},
    "engine": "rgb",
    "frames_dropped": 4,
    "evidence_not_kept": None,
    "parts": 1200,
    "verdicts": {"pass": 1180, "reject": 18, "no_decision": 2},
    "reasons": {"good": 1180, "anomaly": 10, "review": 8, "deadline": 2},
    "engines": {"rgb_tir": 1100, "rgb": 98},
    "degraded": 98,
    "late_results": 1,
    "latency_ms": {"engine": {"p50": 12.5, "p95": 14.0, "p99": 20.0}, "total": {"p50": 60, "p95": 70, "p99": 95}},
    "latency_histogram_ms": {"bounds": [50, 100, 250], "counts": [100, 1190, 1200], "sum": 72000.0, "count": 1200},
    "journal": {"failing_s": None, "pending": 3},
    "temperatures_c": {"cpu": 61.5, "gpu": 63.0},
    "drift": {
        "rgb_tir": {
            "state": "watch",
            "direction": "up",
            "evidence": 12.6,
            "limit": 16.8,
            "parts": 1090,
            "since_part": 1010,
            "lots": [{"parts": 1000, "q50": -4.0, "q90": -3.0, "q99": -2.0}],
        },
        "rgb": {
            "state": "learning",
            "direction": None,
            "evidence": 5.0,
            "limit": 16.8,
            "parts": 90,
            "since_part": None,
            "lots": [],
        },
    },
}


def example_state(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(STATE), **changes}
