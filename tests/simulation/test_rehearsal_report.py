"""What a rehearsal's report calls a broken promise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from radar_edge.clock import NS_PER_MS, NS_PER_S
from radar_edge.config import LineConfig, validate
from radar_edge.simulation.example_line import line_document
from radar_edge.simulation.faults import Fault
from radar_edge.simulation.rehearsal import Done, Rehearsed
from radar_edge.simulation.rehearsal_report import findings

CONFIG = validate(LineConfig, line_document("port"), "test")
KILL = Fault(fault="kill", camera="tir-camera", at_s=1, for_s=2)


def camera(at_s: float, cause: str, *, usable: bool) -> dict[str, Any]:
    detail = {"cause": cause, "usable": usable}
    return {"kind": "camera", "subject": "tir-camera", "at_ns": round(at_s * NS_PER_S), "detail": detail}


def seen(trigger_id: int, outcome: str = "pass") -> dict[str, Any]:
    at_ns = trigger_id * 200 * NS_PER_MS
    accepted = outcome == "pass"
    return {"trigger_id": trigger_id, "announced_ns": at_ns, "told_ns": at_ns, "outcome": outcome, "accepted": accepted}


def kept(trigger_id: int, **changes: Any) -> dict[str, Any]:
    row = {"part": trigger_id, "trigger_id": trigger_id, "state": "acknowledged", "intent_code": "PASS"}
    times = {"received_ns": trigger_id * 200 * NS_PER_MS, "sent_ms": 20.0}
    return {**row, **times, "reason": "GOOD", "subset": "rgb_tir", **changes}


def run(*done: Done, **changes: Any) -> Rehearsed:
    numbers = range(1, 31)
    counts = {"parts": 30, "late_pass": 0, "false_ack": 0, "line_stops": 0}
    events = (camera(1.09, "dead", usable=False), camera(3.4, "none", usable=True))
    whole = Rehearsed(done, tuple(map(seen, numbers)), counts, tuple(map(kept, numbers)), events)
    return replace(whole, **changes)


KILLED = Done(KILL, 1 * NS_PER_S, 3 * NS_PER_S)


def test_a_line_that_kept_its_promises_has_no_faults() -> None:
    found = findings(run(KILLED), CONFIG)
    assert found["faults"] == []
    (figures,) = found["rehearsed"]
    assert (figures["told_ms"], figures["back_ms"], figures["causes"]) == (90.0, 400.0, ["dead"])
    assert figures["bar_ms"] == pytest.approx(2.5 * 1000 / 30 + 10, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": (*map(seen, range(1, 30)), seen(30, "missing"))}, "1 parts had no verdict"),
        ({"parts": tuple(map(kept, range(1, 30)))}, "trigger 30 has 0 rows"),
        ({"parts": (*map(kept, range(1, 30)), kept(30, state="open"))}, "left open"),
        ({"parts": (*map(kept, range(1, 30)), kept(30, intent_code=None))}, "without an intent"),
        ({"counts": {"parts": 30, "late_pass": 1, "false_ack": 0, "line_stops": 0}}, "1 late_pass"),
        ({"events": ()}, "told as nothing"),
        ({"events": (camera(1.09, "dead", usable=False),)}, "not used again"),
        ({"events": (camera(1.2, "dead", usable=False), camera(3.4, "none", usable=True))}, "the bar is"),
        ({"events": (camera(1.05, "black", usable=False), camera(3.4, "none", usable=True))}, "told as black"),
    ],
)
def test_a_broken_promise_is_found(changes: dict[str, Any], words: str) -> None:
    (fault, *_) = findings(run(KILLED, **changes), CONFIG)["faults"]
    assert words in fault


@pytest.mark.parametrize("name", ["plc_silence", "unplug"])
def test_what_is_missing_while_the_wire_is_out_is_expected(name: str) -> None:
    done = Done(Fault(fault=name, at_s=1, for_s=1), 1 * NS_PER_S, 2 * NS_PER_S)
    rows = tuple(seen(number, "missing" if number in (5, 8) else "pass") for number in range(1, 31))
    told = ({"kind": "plc", "subject": "silent", "at_ns": 2 * NS_PER_S, "detail": {}},)
    assert findings(run(done, rows=rows, events=told), CONFIG)["faults"] == []
    assert "was not told" in findings(run(done, rows=rows, events=()), CONFIG)["faults"][0]


def test_a_hung_engine_must_show_as_a_deadline() -> None:
    done = Done(Fault(fault="engine_hang", at_s=1, for_s=1), 1 * NS_PER_S, 2 * NS_PER_S)
    assert "was not told" in findings(run(done), CONFIG)["faults"][0]
    parts = tuple(
        kept(number, **({"reason": "DEADLINE", "sent_ms": 220.0} if number == 6 else {})) for number in range(1, 31)
    )
    found = findings(run(done, parts=parts), CONFIG)
    assert found["faults"] == []
    assert found["rehearsed"][0]["told_ms"] == 420.0
