from __future__ import annotations

import json
from typing import Any

from radar_edge.simulation.summary import Part, bits, phase_of, tally

RGB_TIR = ("rgb", "tir")


def row(trigger_id: int, *, accepted: bool, subset_bits: int | None, announced_ns: int) -> dict[str, Any]:
    return {
        "trigger_id": trigger_id,
        "accepted": accepted,
        "subset_bits": subset_bits,
        "announced_ns": announced_ns,
    }


def test_phases_are_those_of_the_plug() -> None:
    assert [phase_of(t, 100, 200) for t in (99, 100, 199, 200)] == ["before", "during", "during", "after"]
    assert phase_of(500, 100, 0) == "during"
    assert phase_of(500, 0, 0) == "before"


def test_escapes_and_false_rejects_are_what_the_plc_did() -> None:
    truth = {1: Part("good", None), 2: Part("good", None), 3: Part("void", "tir"), 4: Part("void", "tir")}
    rows = [
        row(1, accepted=True, subset_bits=3, announced_ns=10),
        row(2, accepted=False, subset_bits=None, announced_ns=20),
        row(3, accepted=True, subset_bits=1, announced_ns=110),
        row(4, accepted=False, subset_bits=3, announced_ns=210),
    ]
    phases = tally(rows, truth, RGB_TIR, 100, 200)
    assert (phases["before"].good, phases["before"].false_rejects) == (2, 1)
    assert dict(phases["before"].engines) == {"rgb_tir": 1, "none": 1}
    assert dict(phases["during"].escapes) == {"tir": 1}
    assert dict(phases["during"].engines) == {"rgb": 1}
    document = json.loads(json.dumps(phases["during"].document()))
    assert document["defects"] == {"tir": 1}
    assert document["engines"] == {"rgb": 1}
    assert (phases["after"].defects["tir"], phases["after"].escapes["tir"]) == (1, 0)


def test_the_engine_that_is_left() -> None:
    assert bits("tir", RGB_TIR) == 1
    assert bits("rgb", RGB_TIR) == 2
    assert bits("tir", ("tir",)) == 0
