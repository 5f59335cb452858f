"""What a rehearsal shows: how each fault was noticed, and every promise that was broken. Pure.

The truth is the PLC's rows; the journal says what the line knew. While the wire is cut or unplugged, and SETTLE_NS
longer, no verdict can reach the PLC: what is missing there is expected.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from radar_edge.clock import NS_PER_MS, NS_PER_S
from radar_edge.config import LineConfig
from radar_edge.runtime.capture.watch import POLL_NS
from radar_edge.runtime.health import LATE_PERIODS, period_ns
from radar_edge.simulation.faults import SAYS, WIRE_FAULTS
from radar_edge.simulation.rehearsal import Done, Rehearsed

ENDED = {"shown", "acknowledged", "not_delivered"}
SETTLE_NS = 3 * NS_PER_S
"""The port is opened again with back-off, and the PLC trusts our heartbeat only once it has moved."""


def findings(run: Rehearsed, config: LineConfig) -> dict[str, Any]:
    """Figures by fault, totals, and `faults`: the broken promises, in words."""
    broken = [*_wire_faults(run), *_journal_faults(run)]
    noticed = []
    for done in run.done:
        figures = notice(done, run, config)
        noticed.append(figures)
        broken += _notice_faults(done, figures)
    return {
        "parts": run.counts["parts"],
        "outcomes": dict(Counter(row["outcome"] for row in run.rows)),
        "missing_beside_wire_faults": len(_missing(run)),
        **{name: run.counts[name] for name in ("late_pass", "false_ack", "line_stops")},
        "subsets": dict(Counter(row["subset"] or "none" for row in run.parts)),
        "reasons": dict(Counter(row["reason"] or "none" for row in run.parts)),
        "rehearsed": noticed,
        "faults": broken,
    }


def notice(done: Done, run: Rehearsed, config: LineConfig) -> dict[str, Any]:
    """How the line took one fault. Times are milliseconds from its begin, `back_ms` from its end."""
    fault = done.fault
    figures: dict[str, Any] = {"fault": fault.fault, "at_s": fault.at_s, "for_s": fault.for_s}
    if fault.camera is None:
        told_ns, figures["told"] = _told(done, run)
        figures["told_ms"] = None if told_ns is None else _ms(told_ns - done.began_ns)
        return figures
    mine = [event for event in run.events if event["kind"] == "camera" and event["subject"] == fault.camera]
    before = [e for e in mine if e["at_ns"] < done.began_ns][-1:]
    already = any(not e["detail"]["usable"] for e in before)
    within = [e for e in mine if done.began_ns <= e["at_ns"] < done.ended_ns]
    lost = next((e for e in within if not e["detail"]["usable"]), None)
    back = next((e for e in mine if e["at_ns"] >= done.ended_ns and e["detail"]["usable"]), None)
    figures |= {
        "camera": fault.camera,
        "already_lost": already,
        "causes": list(dict.fromkeys(e["detail"]["cause"] for e in within if e["detail"]["cause"] != "none")),
        "told_ms": None if lost is None else _ms(lost["at_ns"] - done.began_ns),
        "back_ms": None if back is None or not (lost or already) else _ms(back["at_ns"] - done.ended_ns),
    }
    if fault.fault == "kill":
        fps = next(camera.fps for camera in config.cameras if camera.camera_id == fault.camera)
        periods = config.health.tolerated_drops + LATE_PERIODS
        figures["bar_ms"] = _ms(round(periods * period_ns(fps)) + POLL_NS)
    return figures


def _told(done: Done, run: Rehearsed) -> tuple[int | None, str]:
    """When and in which words a fault of the line itself showed first."""
    if done.fault.fault == "engine_hang":
        late = [
            row["received_ns"] + round(row["sent_ms"] * NS_PER_MS)
            for row in run.parts
            if done.began_ns - NS_PER_S < row["received_ns"] < done.ended_ns and row["reason"] == "DEADLINE"
        ]
        return (min(late), "NO_DECISION by the deadline") if late else (None, "")
    kinds = ("journal_failed",) if done.fault.fault == "disk_full" else ("plc", "plc_link")
    within = [event for event in run.events if done.began_ns <= event["at_ns"] < done.ended_ns + SETTLE_NS]
    found = next((event for event in within if event["kind"] in kinds), None)
    return (None, "") if found is None else (found["at_ns"], f"{found['kind']} {found['subject']}")


def _notice_faults(done: Done, figures: dict[str, Any]) -> list[str]:
    fault, found = done.fault, []
    if figures.get("already_lost"):
        return [f"{fault.camera} was lost before {fault.fault} at {fault.at_s:g} s: rehearse it again"]
    wanted = SAYS.get(fault.fault, ())
    if wanted and not set(wanted) & set(figures["causes"]):
        told = " ".join(figures["causes"]) or "nothing"
        found.append(f"{fault.fault} of {fault.camera} at {fault.at_s:g} s was told as {told}")
    if wanted and figures["back_ms"] is None:
        found.append(f"{fault.camera} was not used again after {fault.fault} at {fault.at_s:g} s")
    if "bar_ms" in figures and (figures["told_ms"] is None or figures["told_ms"] > figures["bar_ms"]):
        found.append(
            f"{fault.camera} was killed: told after {figures['told_ms']} ms, the bar is {figures['bar_ms']} ms"
        )
    if fault.camera is None and figures["told_ms"] is None:
        found.append(f"{fault.fault} at {fault.at_s:g} s was not told")
    return found


def _missing(run: Rehearsed) -> list[int]:
    """Trigger ids without a verdict at the PLC although the wire was whole."""
    wire = [done for done in run.done if done.fault.fault in WIRE_FAULTS]
    return [
        row["trigger_id"]
        for row in run.rows
        if row["outcome"] == "missing"
        and not any(done.began_ns - NS_PER_S < row["announced_ns"] < done.ended_ns + SETTLE_NS for done in wire)
    ]


def _wire_faults(run: Rehearsed) -> list[str]:
    found = [f"the PLC counts {run.counts[name]} {name}" for name in ("late_pass", "false_ack") if run.counts[name]]
    missing = _missing(run)
    if missing:
        found.append(f"{len(missing)} parts had no verdict: triggers {missing[:5]}")
    return found


def _journal_faults(run: Rehearsed) -> list[str]:
    """One ended row a trigger that the line was told of, and no PASS at the PLC without its intent."""
    found = []
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in run.parts:
        rows.setdefault(row["trigger_id"], []).append(row)
        if row["state"] not in ENDED:
            found.append(f"part {row['part']} was left {row['state']} in the journal")
    for seen in run.rows:
        mine = rows.get(seen["trigger_id"], [])
        if seen["told_ns"] is not None and len(mine) != 1:
            found.append(f"trigger {seen['trigger_id']} has {len(mine)} rows in the journal")
        if seen["accepted"] and [row["intent_code"] for row in mine] != ["PASS"]:
            found.append(f"trigger {seen['trigger_id']} was passed without an intent in the journal")
    return found


def _ms(ns: int) -> float:
    return round(ns / NS_PER_MS, 1)
