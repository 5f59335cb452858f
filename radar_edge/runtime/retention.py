"""Which rows a journal may lose: those of old age, and the oldest where it grew too large. Pure SQL; deletes nothing.

Rows go in small steps, each a transaction among others, so that no verdict's intent waits for a large one. The file
does not shrink; its free pages are used again.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone

STEP = 500
"""Rows a step: a few milliseconds."""
OLD_PARTS = """
DELETE FROM parts WHERE (run, part) IN (
  SELECT run, part FROM parts WHERE received_at < ? ORDER BY run, part LIMIT ?)
"""
OLD_EVENTS = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ? ORDER BY id LIMIT ?)"
FIRST_PARTS = "DELETE FROM parts WHERE (run, part) IN (SELECT run, part FROM parts ORDER BY run, part LIMIT ?)"
FIRST_EVENTS = "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)"

Statement = tuple[str, tuple[object, ...]]


def due(db: sqlite3.Connection, max_age_days: float, max_mb: float, now: datetime) -> list[Statement]:
    """What to delete next, seen through a connection that only reads."""
    cutoff = (now.astimezone(timezone.utc) - timedelta(days=max_age_days)).isoformat(timespec="milliseconds")
    statements: list[Statement] = []
    if db.execute("SELECT EXISTS (SELECT 1 FROM parts WHERE received_at < ?)", (cutoff,)).fetchone()[0]:
        statements.append((OLD_PARTS, (cutoff, STEP)))
    if db.execute("SELECT EXISTS (SELECT 1 FROM events WHERE at < ?)", (cutoff,)).fetchone()[0]:
        statements.append((OLD_EVENTS, (cutoff, STEP)))
    if not statements and used_mb(db) > max_mb:
        statements += [(FIRST_PARTS, (STEP,)), (FIRST_EVENTS, (STEP,))]
    return statements


def used_mb(db: sqlite3.Connection) -> float:
    """Pages in use; free ones do not count."""
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return float((pages - free) * size) / 1e6
