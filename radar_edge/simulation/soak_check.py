"""Did a simulated line keep its promises? What the world did, against the PLC's record and the journal. Pure.

The world knows which part was in view and whether it was bad; the PLC's rows are what it would have done; the
journal's score carries the number of the part that the images showed. All three must tell the same story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radar_edge.clock import NS_PER_MS
from radar_edge.simulation.world import WINDOW_NS, Told, World
from radar_edge.simulation.world_rims import number_of, score_of

CODES = {1: "PASS", 2: "REJECT", 3: "NO_DECISION"}
ENDED = {"shown", "acknowledged", "not_delivered"}
BY_ENGINE = {"GOOD", "ANOMALY", "REVIEW", "DEGRADED"}
"""Reasons of a verdict that an engine's score made."""


@dataclass(frozen=True)
class Record:
    """One run. `bad` by serial; `told`: the triggers as the product got them; `plc`: a row a part, in order of serial;
    `journal`: the journal's rows, in order; `counts`: the PLC's summary."""

    bad: Sequence[bool]
    told: Sequence[Told]
    plc: Sequence[Mapping[str, Any]]
    journal: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int]


def record_of(world: World, journal: Sequence[Mapping[str, Any]]) -> Record:
    """Of a world that has run; `journal` are its journal's rows."""
    parts = [part for program in world.plc.programs for part in program.take_settled()]
    rows = [part.row() for part in sorted(parts, key=lambda part: part.announced_ns)]
    counts: Counter[str] = Counter()
    for program in world.plc.programs:
        counts.update(program.summary())
    return Record(world.bad, world.told, rows, journal, counts)


def faults(record: Record) -> list[str]:
    """Every broken promise, in words."""
    return [
        *_count_faults(record),
        *_journal_faults(record),
        *[fault for serial, row in enumerate(record.plc) for fault in _outcome_faults(serial, row, record)],
        *_agreement_faults(record),
    ]


def _count_faults(record: Record) -> list[str]:
    """One outcome a part, and no verdict that the PLC could take for another part's."""
    found = [f"the PLC counts {record.counts[name]} {name}" for name in ("foreign", "changed") if record.counts[name]]
    if len(record.plc) != len(record.bad) or record.counts["parts"] != len(record.bad):
        found.append(f"{len(record.bad)} parts, {len(record.plc)} rows of the PLC, {record.counts['parts']} counted")
    return found


def _journal_faults(record: Record) -> list[str]:
    """One row a trigger, with its id and time, ended."""
    found = []
    if len(record.journal) != len(record.told):
        found.append(f"{len(record.told)} triggers, {len(record.journal)} rows in the journal")
    for number, (told, row) in enumerate(zip(record.told, record.journal, strict=False), 1):
        if (row["part"], row["trigger_id"], row["received_ns"]) != (number, told.trigger_id, told.received_ns):
            found.append(f"row {number} of the journal is not of trigger {told.trigger_id}")
        if row["state"] not in ENDED or row["code"] not in CODES.values() or row["sent_ms"] is None:
            found.append(f"part {number} ended as {row['state']}, {row['code']}")
        if row["code"] == "PASS" and row["intent_code"] != "PASS":
            found.append(f"part {number} was sent as PASS; its intent says {row['intent_code']}")
        if row["reason"] in BY_ENGINE and row["score"] != _score(told.serial, record):
            found.append(f"part {number} was judged by another part's image, score {row['score']}")
    return found


def _score(serial: int, record: Record) -> float:
    return score_of(number_of(serial), bad=record.bad[serial])


def _outcome_faults(serial: int, row: Mapping[str, Any], record: Record) -> list[str]:
    """What the PLC did with one part."""
    found = []
    if row["outcome"] not in ("pass", "reject", "no_decision", "missing", "stopped"):
        found.append(f"part {serial} has no outcome at the PLC")
    if row["outcome"] == "pass" and row["code"] != 1:
        found.append(f"part {serial} passed with code {row['code']}")
    if row["code"] == 1 and record.bad[serial]:
        found.append(f"part {serial} is bad and reads PASS")
    since_ns = row["told_ns"] if row["told_ns"] is not None else row["announced_ns"]
    if row["code"] == 1 and row["seen_ns"] - since_ns > WINDOW_NS:
        found.append(f"part {serial} reads PASS {(row['seen_ns'] - since_ns) / NS_PER_MS:.0f} ms after its trigger")
    return found


def _agreement_faults(record: Record) -> list[str]:
    """What the PLC read is what the journal says was shown; and what it says was shown, the PLC could read."""
    found = []
    rows = {told.serial: row for told, row in zip(record.told, record.journal, strict=False)}
    for serial, seen in enumerate(record.plc):
        row = rows.get(serial)
        if seen["code"] is None:
            continue
        if row is None:
            found.append(f"the PLC read a verdict for part {serial}, which the product was never told of")
        elif (row["shown_code"], row["sequence"]) != (CODES.get(seen["code"]), seen["sequence"]):
            found.append(f"part {serial}: the PLC read {seen['code']}, the journal says {row['shown_code']}")
        elif seen["code"] == 1 and row["code"] != "PASS":
            found.append(f"part {serial}: the PLC read PASS, the journal sent {row['code']}")
    return found
