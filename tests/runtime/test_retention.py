"""What a journal may lose, in steps, oldest first."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from radar_edge.clock import MonotonicClock
from radar_edge.runtime import journal as journal_module
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.journal_file import open_file, read_events, read_parts
from radar_edge.runtime.retention import STEP, due, used_mb

NOW = datetime(2026, 11, 25, tzinfo=timezone.utc)


def fill(path: Path, days: list[int]) -> None:
    """One part a day of November, in that order."""
    db, log = open_file(path)
    with closing(db):
        for part, day in enumerate(days, 1):
            at = f"2026-11-{day:02}T06:00:00.000+00:00"
            db.execute("INSERT INTO parts (run, part, received_at, reason) VALUES (1, ?, ?, ?)", (part, at, "x" * 500))
            db.execute("INSERT INTO events (run, at, kind) VALUES (1, ?, 'e')", (at,))
    os.close(log)


def delete(path: Path, **limits: float) -> int:
    """Every step that is due; how many there were."""
    steps = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        while statements := due(db, limits.get("days", 90), limits.get("mb", 1000), NOW):
            for sql, values in statements:
                db.execute(sql, values)
            steps += 1
    return steps


def test_old_parts_and_events_go(tmp_path: Path) -> None:
    fill(tmp_path / "j", [1, 10, 20, 24])
    assert delete(tmp_path / "j", days=7) == 1
    assert [row["part"] for row in read_parts(tmp_path / "j")] == [3, 4]
    assert len(read_events(tmp_path / "j")) == 2
    assert delete(tmp_path / "j", days=7) == 0


def test_of_a_journal_that_is_too_large_the_oldest_go_in_steps(tmp_path: Path) -> None:
    fill(tmp_path / "j", [24] * (3 * STEP))
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        before = used_mb(db)
    assert delete(tmp_path / "j", mb=before / 2) == 2
    parts = [row["part"] for row in read_parts(tmp_path / "j")]
    assert parts == list(range(2 * STEP + 1, 3 * STEP + 1))
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        assert used_mb(db) <= before / 2


def test_a_running_journal_forgets_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "RETAIN_EVERY", 1)
    fill(tmp_path / "j", [1, 2])
    with Journal(tmp_path / "j", MonotonicClock(), {}, max_age_days=1e-9) as journal:
        for _ in range(200):
            if not read_parts(tmp_path / "j"):
                break
            time.sleep(0.02)
        assert journal.failing_since_ns() is None
    assert read_parts(tmp_path / "j") == []
