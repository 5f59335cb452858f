"""The journal as a page shows it: how many parts had which verdict, by time; what one part was. Reads only.

It asks for the newest rows alone and stops at the first that is too old, so that a large journal costs no more than
what is shown of it.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from radar_edge.runtime.journal_file import reading

HOURS = (1, 8, 24)
BARS = 60
MOST_ROWS = 500_000
FOUND = ("code", "reason", "subset", "score", "threshold", "received_at", "trigger_id")


def history(path: Path, hours: int, now: datetime) -> dict[str, Any]:
    """{hours, since, bars: [{pass, reject, no_decision, degraded}, ...]}, the oldest bar first.

    `complete` is false where the journal cannot be read or holds more rows than are looked at.
    """
    since = now - timedelta(hours=hours)
    bars = [{"pass": 0, "reject": 0, "no_decision": 0, "degraded": 0} for _ in range(BARS)]
    sql = "SELECT received_at, code, degraded FROM parts ORDER BY run DESC, part DESC"
    rows, complete = 0, True
    try:
        with reading(path) as db:
            for received_at, code, degraded in db.execute(sql):
                place = int((datetime.fromisoformat(received_at) - since) / timedelta(hours=hours) * BARS)
                rows += 1
                complete = rows <= MOST_ROWS
                if place < 0 or not complete:
                    break
                if code is not None:
                    bar = bars[min(place, BARS - 1)]
                    bar[code.lower()] += 1
                    bar["degraded"] += bool(degraded)
    except (sqlite3.Error, ValueError, KeyError):
        complete = False
    return {"hours": hours, "since": since.isoformat(timespec="seconds"), "bars": bars, "complete": complete}


def part_facts(path: Path, run: int, part: int) -> dict[str, Any]:
    """What the journal says of one part; empty if it says nothing."""
    try:
        with reading(path) as db:
            columns = ", ".join(FOUND)
            row = db.execute(f"SELECT {columns} FROM parts WHERE run = ? AND part = ?", (run, part)).fetchone()
    except sqlite3.Error:
        return {}
    return {} if row is None else dict(zip(FOUND, row, strict=True))
