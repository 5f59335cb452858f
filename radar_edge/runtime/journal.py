"""The line's memory: one row a part and one an event, in SQLite. Knows no camera, no engine and no link.

    open -> intent -> sent -> shown -> acknowledged          state of a part; `not_delivered` instead of shown,
      \\________\\________\\----(a later run finds it)--> restart       `restart` = NO_DECISION after a crash

A writer thread commits (WAL: a commit survives SIGKILL), a second thread syncs the log to the disk
(survives a power cut), so that neither the disk's nor a lock's delay is ever in a verdict's way. Numbers and
the other ways: docs/decisions/0002-journal.md.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from radar_edge.clock import NS_PER_MS, Clock
from radar_edge.records import Verdict
from radar_edge.runtime.crew import Crew
from radar_edge.runtime.journal_file import open_file, unusable, wall_time
from radar_edge.runtime.plc.link import Delivery, DeliveryState, Trigger
from radar_edge.runtime.retention import due

GROUP_S = 0.04
"""Rows that nobody waits for are committed together, at most this late."""
SYNC_S = 0.04
"""An intent is on the disk so long after its commit, and the disk's own time."""
REST_EVERY = 25
"""Looks (of SYNC_S) between two syncs of all other rows: each sync costs flash a block or two."""
CHECKPOINT_EVERY = 250
"""Looks between two checkpoints: the log's pages move to the main file off the writer's thread."""
RETAIN_EVERY = 100
"""Looks between two steps of deleting, 4 s: 125 rows a second at most, far more than a line writes."""
RETRY_S = 0.2
CLOSE_S = 2.0
STALL_NS = 250 * NS_PER_MS
"""A write that has waited longer than this is a failure, also if the disk never said so."""
MAX_PENDING = 10_000

CLOSE_FORMER = """
UPDATE parts SET state = 'restart', code = 'NO_DECISION', reason = 'RESTART'
WHERE run < ? AND state IN ('open', 'intent', 'sent')
"""


@dataclass
class _Write:
    sql: str
    values: tuple[Any, ...]
    queued_ns: int
    urgent: bool
    intent: bool
    done: threading.Event = field(default_factory=threading.Event)


class Journal:
    """An open journal. Its methods may be called from any thread; only `intent` waits, and no longer than asked."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        facts: Mapping[str, Any],
        *,
        max_age_days: float = 90.0,
        max_mb: float = 2000.0,
    ) -> None:
        """Open or create `path`, close what a former run left open, and begin a run described by `facts`.

        Raises StorageError if the file cannot be used.
        """
        self._path = path
        self._clock = clock
        self._max_age_days, self._max_mb = max_age_days, max_mb
        self._db, self._log = open_file(path)
        try:
            self.run, self.parts_closed = self._begin(facts)
        except sqlite3.Error as error:
            self._db.close()
            os.close(self._log)
            raise unusable(path, error) from error
        self._wake = threading.Condition()
        self._pending: list[_Write] = []
        self._writing: list[_Write] = []
        self._lost = 0
        self._faults: dict[str, int] = {}
        self._unsynced = threading.Event()
        self._unsynced_intent = threading.Event()
        self._closed = False
        self._crew = Crew()
        self._crew.start("journal-writer", self._write_loop)
        self._crew.start("journal-sync", self._sync_loop)

    def _begin(self, facts: Mapping[str, Any]) -> tuple[int, int]:
        self._db.execute("BEGIN IMMEDIATE")
        values = (wall_time(), json.dumps(facts, default=str))
        run = self._db.execute("INSERT INTO runs (started_at, facts) VALUES (?, ?)", values).lastrowid or 0
        closed = self._db.execute(CLOSE_FORMER, (run,)).rowcount
        self._db.execute("COMMIT")
        return run, closed

    # --- what the line tells

    def open_part(self, part: int, trigger: Trigger) -> None:
        """A part was announced: from here on it is NO_DECISION if the process dies."""
        sql = (
            "INSERT INTO parts (run, part, trigger_id, received_ns, received_at, state) VALUES (?, ?, ?, ?, ?, 'open')"
        )
        self._put(sql, (self.run, part, trigger.trigger_id, trigger.received_ns, wall_time()), urgent=True)

    def intent(self, part: int, verdict: Verdict, timeout_s: float) -> bool:
        """Write what is about to be sent; True once it survives the death of the process.

        False if that takes longer than `timeout_s`, and at once while the journal is failing.
        """
        failing = self.failing_since_ns() is not None
        write = self._update(part, "intent", **_judgement(verdict))
        return not failing and write.done.wait(timeout_s)

    def sent(self, part: int, verdict: Verdict, sent_ms: float) -> None:
        """The slot took `verdict`, `sent_ms` after its trigger, and it goes to the link now."""
        self._update(part, "sent", code=verdict.code.name, reason=verdict.reason.name, sent_ms=sent_ms)

    def late(self, part: int, verdict: Verdict, late_ms: float) -> None:
        """A result that came `late_ms` after its trigger, when the slot was already filled: never sent."""
        self._update(part, None, late_code=verdict.code.name, late_ms=late_ms, **_judgement(verdict))

    def delivery(self, part: int, delivery: Delivery) -> None:
        """What the link says became of a verdict."""
        shown = None if delivery.state is DeliveryState.NOT_DELIVERED else delivery.code.name
        self._update(part, delivery.state.value, shown_code=shown, sequence=delivery.sequence)

    def event(self, kind: str, subject: str = "", **detail: Any) -> None:
        """Something happened to the line: a camera's state, another engine, a restart."""
        values = (self.run, self._clock.now_ns(), wall_time(), kind, subject, json.dumps(detail, default=str))
        self._put("INSERT INTO events (run, at_ns, at, kind, subject, detail) VALUES (?, ?, ?, ?, ?, ?)", values)

    def _update(self, part: int, state: str | None, **columns: Any) -> _Write:
        """Set `columns` of a part, and its state; an intent that comes after its slot was filled moves no state."""
        intent = state == "intent"
        move = "CASE state WHEN 'open' THEN 'intent' ELSE state END" if intent else "coalesce(?, state)"
        sets = ", ".join([*(f"{name} = ?" for name in columns), f"state = {move}"])
        values = (*columns.values(), *(() if intent else (state,)), self.run, part)
        return self._put(f"UPDATE parts SET {sets} WHERE run = ? AND part = ?", values, urgent=intent, intent=intent)

    def _put(self, sql: str, values: tuple[Any, ...], *, urgent: bool = False, intent: bool = False) -> _Write:
        write = _Write(sql, values, self._clock.now_ns(), urgent, intent)
        with self._wake:
            if len(self._pending) < MAX_PENDING:
                self._pending.append(write)
            else:
                self._lost += 1
            if urgent:
                self._wake.notify()
        return write

    # --- how it is

    def failing_since_ns(self) -> int | None:
        """Since when the journal does not keep what it is told; None while it does."""
        with self._wake:
            oldest = min((w.queued_ns for w in (*self._writing[:1], *self._pending[:1])), default=None)
            since = list(self._faults.values())
        if oldest is not None and self._clock.now_ns() - oldest > STALL_NS:
            since.append(oldest)
        return min(since, default=None)

    @property
    def pending(self) -> int:
        """Rows that wait to be written."""
        with self._wake:
            return len(self._pending) + len(self._writing)

    @property
    def error(self) -> BaseException | None:
        """What ended one of the threads, if that happened: a bug."""
        return self._crew.error

    def _fault(self, what: str, error: Exception, since_ns: int) -> None:
        with self._wake:
            first = what not in self._faults
            self._faults.setdefault(what, since_ns)
        if first:
            self.event("journal_failed", what, error=str(error))

    def _healed(self, what: str) -> None:
        with self._wake:
            healed = self._faults.pop(what, None) is not None
            lost, self._lost = (self._lost, 0) if healed else (0, self._lost)
        if healed:
            self.event("journal_recovered", what, rows_lost=lost)

    # --- the threads

    def _write_loop(self) -> None:
        while True:
            with self._wake:
                if not any(write.urgent for write in self._pending) and not self._crew.stopping.is_set():
                    self._wake.wait(GROUP_S)
                self._writing += self._pending
                self._pending = []
                batch = list(self._writing)
            if not batch and self._crew.stopping.is_set():
                return
            if batch and not self._commit(batch) and self._crew.stopping.wait(RETRY_S):
                return

    def _commit(self, batch: list[_Write]) -> bool:
        """Write all of `batch`; False if it must be tried again."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for write in batch:
                self._db.execute(write.sql, write.values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            self._fault("write", error, batch[0].queued_ns)
            return False
        with self._wake:
            self._writing = []
        self._unsynced.set()
        if any(write.intent for write in batch):
            self._unsynced_intent.set()
        for write in batch:
            write.done.set()
        self._healed("write")
        return True

    def _sync_loop(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=0)) as db:
            looks = 0
            while not self._crew.stopping.wait(SYNC_S):
                looks += 1
                if self._unsynced_intent.is_set() or (looks % REST_EVERY == 0 and self._unsynced.is_set()):
                    self._sync()
                if looks % CHECKPOINT_EVERY == 0:
                    self._checkpoint(db)
                if looks % RETAIN_EVERY == 0:
                    self._retain(db)

    def _sync(self) -> None:
        """Make what was committed survive a power cut. A failure is for the rest of the run: Linux then marks
        the pages clean, and the success of a later sync says nothing of them."""
        self._unsynced.clear()
        self._unsynced_intent.clear()
        try:
            os.fdatasync(self._log)
        except OSError as error:
            self._fault("sync", error, self._clock.now_ns())

    def _checkpoint(self, db: sqlite3.Connection) -> None:
        try:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            self._fault("checkpoint", error, self._clock.now_ns())
        else:
            self._healed("checkpoint")

    def _retain(self, db: sqlite3.Connection) -> None:
        """Ask the writer to delete a step of what the journal may lose."""
        try:
            statements = due(db, self._max_age_days, self._max_mb, datetime.now(timezone.utc))
        except sqlite3.Error as error:
            self._fault("retain", error, self._clock.now_ns())
            return
        self._healed("retain")
        for sql, values in statements:
            self._put(sql, values)

    def close(self) -> None:
        """Write and sync what is pending, end the run and free the file. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._put("UPDATE parts SET state = 'not_delivered' WHERE run = ? AND state = 'sent'", (self.run,))
        self._put("UPDATE runs SET ended_at = ? WHERE run = ?", (wall_time(), self.run), urgent=True)
        stuck = self._crew.stop(timeout_s=CLOSE_S)
        if not stuck:
            self._db.close()
            os.close(self._log)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _judgement(verdict: Verdict) -> dict[str, Any]:
    """The columns that say what an engine found, whether it was sent or not."""
    return {
        "intent_code": verdict.code.name,
        "intent_reason": verdict.reason.name,
        "subset": verdict.subset.slug if verdict.subset else None,
        "degraded": verdict.degraded,
        "score": verdict.score,
        "threshold": verdict.threshold,
        "p_value": verdict.p_value,
        "contributions": json.dumps(dict(verdict.contributions)),
        "latency_ms": json.dumps(dict(verdict.latency_ms)),
    }
