"""Faults to plant in the record of a simulated run: one row, or one number, is not what it was. Pure.

What checks a million parts must itself be checked: each of these has to be found.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from radar_edge.simulation.soak_check import Record

Plant = Callable[[Record, random.Random], Record]


def _some(chance: random.Random, rows: Sequence[Any], fits: Callable[[Any], bool]) -> int:
    return chance.choice([at for at, row in enumerate(rows) if fits(row)])


def _passed(row: Any) -> bool:
    return bool(row["code"] in (1, "PASS"))


def _in_journal(change: dict[str, Any], fits: Callable[[Any], bool] = lambda _row: True) -> Plant:
    def planted(record: Record, chance: random.Random) -> Record:
        at = _some(chance, record.journal, fits)
        rows = [{**row, **change} if i == at else row for i, row in enumerate(record.journal)]
        return replace(record, journal=rows)

    return planted


def _at_the_plc(change: dict[str, Any], fits: Callable[[Any], bool] = lambda _row: True) -> Plant:
    def planted(record: Record, chance: random.Random) -> Record:
        at = _some(chance, record.plc, fits)
        return replace(record, plc=[{**row, **change} if i == at else row for i, row in enumerate(record.plc)])

    return planted


def _late_pass(record: Record, chance: random.Random) -> Record:
    at = _some(chance, record.plc, _passed)
    late = {"seen_ns": record.plc[at]["told_ns"] + chance.randrange(401, 2000) * 1_000_000}
    return replace(record, plc=[{**row, **late} if i == at else row for i, row in enumerate(record.plc)])


def _bad_passes(record: Record, chance: random.Random) -> Record:
    at = _some(chance, record.plc, _passed)
    return replace(record, bad=[True if i == at else bad for i, bad in enumerate(record.bad)])


def _lost_row(record: Record, chance: random.Random) -> Record:
    at = chance.randrange(len(record.journal))
    return replace(record, journal=[row for i, row in enumerate(record.journal) if i != at])


def _double_row(record: Record, chance: random.Random) -> Record:
    at = chance.randrange(len(record.journal))
    return replace(record, journal=[*record.journal[: at + 1], *record.journal[at:]])


def _lost_part(record: Record, chance: random.Random) -> Record:
    at = chance.randrange(len(record.plc))
    return replace(record, plc=[row for i, row in enumerate(record.plc) if i != at])


def _neighbours_image(record: Record, chance: random.Random) -> Record:
    at = _some(chance, record.journal[1:], _passed) + 1
    score = {"score": record.journal[at]["score"] - 1 / 8192}
    return replace(record, journal=[{**row, **score} if i == at else row for i, row in enumerate(record.journal)])


def _second_verdict(record: Record, chance: random.Random) -> Record:
    return replace(record, counts={**record.counts, chance.choice(("foreign", "changed")): 1})


PLANTS: dict[str, Plant] = {
    "a PASS after its window": _late_pass,
    "a bad part that passes": _bad_passes,
    "a row lost from the journal": _lost_row,
    "a row twice in the journal": _double_row,
    "a part lost at the PLC": _lost_part,
    "a verdict from the neighbour's image": _neighbours_image,
    "a second verdict": _second_verdict,
    "a verdict from no image": _in_journal({"score": -3.0}, _passed),
    "a part left open": _in_journal({"state": "open"}),
    "an intent left open": _in_journal({"state": "intent"}),
    "a verdict never sent": _in_journal({"sent_ms": None}),
    "a PASS without its intent": _in_journal({"intent_code": None}, _passed),
    "a PASS that was no PASS in the journal": _in_journal({"code": "REJECT"}, lambda row: row["shown_code"] == "PASS"),
    "another trigger id": _in_journal({"trigger_id": 0}),
    "another trigger's time": _in_journal({"received_ns": 1}),
    "a delivery that was not noted": _in_journal({"shown_code": None}, lambda row: row["shown_code"] is not None),
    "a reject read as PASS": _at_the_plc({"code": 1, "outcome": "pass"}, lambda row: row["code"] in (2, 3)),
    "a part passed without a verdict": _at_the_plc({"outcome": "pass"}, lambda row: row["code"] is None),
    "a part without an outcome": _at_the_plc({"outcome": None}),
    "another verdict's sequence": _at_the_plc({"sequence": 0}, lambda row: row["code"] is not None),
}
