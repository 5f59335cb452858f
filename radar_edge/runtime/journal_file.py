"""The journal's file: its tables, how it is opened, how it is read. Knows no thread and nothing of the line.

One row a part, keyed by run and part number (the PLC's trigger ids come again), and one an event. Times are
monotonic nanoseconds; the columns named `_at` hold the time of day (UTC, ISO 8601), for people.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from radar_edge.errors import StorageError

SCHEMA_VERSION = 1

# Small pages: a commit appends whole pages to the log, and a row is far below 1 kB.
SETTINGS = (
    "PRAGMA page_size = 1024",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA busy_timeout = 20",
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, started_at TEXT, ended_at TEXT, facts TEXT);
CREATE TABLE IF NOT EXISTS parts (
  run INTEGER, part INTEGER, trigger_id INTEGER, received_ns INTEGER, received_at TEXT, state TEXT,
  code TEXT, reason TEXT, intent_code TEXT, intent_reason TEXT, subset TEXT, degraded INTEGER,
  score REAL, threshold REAL, p_value REAL, contributions TEXT, latency_ms TEXT, sent_ms REAL,
  shown_code TEXT, sequence INTEGER, late_code TEXT, late_ms REAL, PRIMARY KEY (run, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY, run INTEGER, at_ns INTEGER, at TEXT, kind TEXT, subject TEXT, detail TEXT);
"""


def open_file(path: Path) -> tuple[sqlite3.Connection, int]:
    """The writer's connection and a descriptor of its log, which SQLite keeps in place while it is open."""
    db: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"it is a journal of version {version}, wanted {SCHEMA_VERSION}")
        for setting in SETTINGS:
            db.execute(setting)
        db.executescript(f"{SCHEMA} PRAGMA user_version = {SCHEMA_VERSION};")
        log = os.open(f"{path}-wal", os.O_RDWR)
        lock(path, log)
        return db, log
    except StorageError:
        if db is not None:
            db.close()
        raise
    except (OSError, sqlite3.Error) as error:
        if db is not None:
            db.close()
        raise unusable(path, error) from error


def lock(path: Path, log: int) -> None:
    """One run writes a journal: another would close the parts that the first has open. Freed when `log` is closed."""
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(log)
        raise StorageError(
            f"another run writes the journal {path}", next_step="end that run, or name another journal.path"
        ) from error


def unusable(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"cannot use the journal {path}",
        found=str(error),
        next_step="free the disk or end the other run that holds it; move the file away if it is damaged",
    )


def wall_time() -> str:
    """The time of day, for people; nothing is computed from it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def read_parts(path: Path) -> list[dict[str, Any]]:
    """Every part of every run, oldest first, a dictionary of the table's columns each. Raises StorageError."""
    return _read(path, "SELECT * FROM parts ORDER BY run, part", ("contributions", "latency_ms"))


def read_events(path: Path) -> list[dict[str, Any]]:
    """Every event of every run, oldest first. Raises StorageError."""
    return _read(path, "SELECT * FROM events ORDER BY id", ("detail",))


def read_runs(path: Path) -> list[dict[str, Any]]:
    """Every run, oldest first; `ended_at` is None while it goes on, and after a crash. Raises StorageError."""
    return _read(path, "SELECT * FROM runs ORDER BY run", ("facts",))


def read_parts_after(path: Path, run: int, part: int) -> list[dict[str, Any]]:
    """The parts of one run that came after `part`, oldest first. Raises StorageError."""
    sql = "SELECT * FROM parts WHERE run = ? AND part > ? ORDER BY part"
    return _read(path, sql, ("contributions", "latency_ms"), (run, part))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can change nothing, also while a line writes. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        yield db


def _read(path: Path, sql: str, documents: tuple[str, ...], values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    try:
        with reading(path) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(row) for row in db.execute(sql, values)]
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    for row in rows:
        row.update({name: json.loads(row[name]) for name in documents if row[name] is not None})
    return rows
