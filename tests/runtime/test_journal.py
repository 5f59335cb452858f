from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from line_fakes import wait_until

from radar_edge.clock import MonotonicClock
from radar_edge.errors import StorageError
from radar_edge.modality import Subset
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime import journal as module
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.journal_file import read_events, read_parts
from radar_edge.runtime.plc.link import Delivery, DeliveryState, Trigger

CLOCK = MonotonicClock()
PASS = Verdict(
    7,
    Code.PASS,
    Reason.GOOD,
    subset=Subset(("rgb",)),
    degraded=True,
    score=0.25,
    threshold=0.5,
    p_value=0.4,
    contributions={"rgb": 1.0},
    latency_ms={"engine": 3.5},
)
LATE = Verdict(7, Code.NO_DECISION, Reason.DEADLINE)


def row(path: Path, index: int = 0) -> dict:
    return read_parts(path)[index]


def test_a_second_run_leaves_the_journal_of_the_first_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal:
        journal.open_part(1, Trigger(7, 123))
        assert journal.intent(1, PASS, timeout_s=5)
        with pytest.raises(StorageError, match="another run writes the journal"):
            Journal(path, CLOCK, {})
        assert row(path)["state"] == "intent"
    with Journal(path, CLOCK, {}):
        pass


def test_a_part_s_way_from_trigger_to_acknowledge(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {"version": "1"}) as journal:
        journal.open_part(1, Trigger(7, 123))
        assert journal.intent(1, PASS, timeout_s=5)
        assert (row(path)["state"], row(path)["intent_code"], row(path)["code"]) == ("intent", "PASS", None)
        journal.sent(1, PASS, sent_ms=40.0)
        journal.delivery(1, Delivery(7, 3, DeliveryState.SHOWN, Code.PASS, 5))
        journal.delivery(1, Delivery(7, 3, DeliveryState.ACKNOWLEDGED, Code.PASS, 6))
    got = row(path)
    wanted = {
        "run": 1,
        "part": 1,
        "trigger_id": 7,
        "received_ns": 123,
        "state": "acknowledged",
        "code": "PASS",
        "reason": "GOOD",
        "subset": "rgb",
        "degraded": 1,
        "score": 0.25,
        "threshold": 0.5,
        "p_value": 0.4,
        "contributions": {"rgb": 1.0},
        "latency_ms": {"engine": 3.5},
        "sent_ms": 40.0,
        "shown_code": "PASS",
        "sequence": 3,
        "late_code": None,
    }
    assert {name: got[name] for name in wanted} == wanted


def test_a_late_result_stands_beside_what_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal:
        journal.open_part(1, Trigger(7, 123))
        journal.sent(1, LATE, sent_ms=220.0)
        journal.delivery(1, Delivery(7, 3, DeliveryState.SHOWN, Code.NO_DECISION, 5))
        journal.intent(1, PASS, timeout_s=5)
        journal.late(1, PASS, late_ms=400.0)
    got = row(path)
    assert (got["state"], got["code"], got["reason"]) == ("shown", "NO_DECISION", "DEADLINE")
    assert (got["late_code"], got["late_ms"], got["score"]) == ("PASS", 400.0, 0.25)


def test_a_verdict_nobody_read_is_not_delivered(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal:
        journal.open_part(1, Trigger(7, 123))
        journal.sent(1, LATE, sent_ms=220.0)
        journal.open_part(2, Trigger(8, 124))
        journal.delivery(2, Delivery(8, 0, DeliveryState.NOT_DELIVERED, Code.NONE, 5))
    assert [part["state"] for part in read_parts(path)] == ["not_delivered", "not_delivered"]
    assert row(path, 1)["shown_code"] is None


VICTIM = """
import sys, time
from pathlib import Path
from radar_edge.clock import MonotonicClock
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import Trigger
journal = Journal(Path(sys.argv[1]), MonotonicClock(), {})
part = 0
while True:
    part += 1
    journal.open_part(part, Trigger(part, part))
    assert journal.intent(part, Verdict(part, Code.PASS, Reason.GOOD, score=0.0), 5)
    print(part, flush=True)
    time.sleep(0.002)
"""


def test_an_intent_survives_sigkill_and_a_restart_makes_it_no_decision(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with subprocess.Popen([sys.executable, "-c", VICTIM, str(path)], stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        for _ in range(40):
            victim.stdout.readline()
        os.kill(victim.pid, signal.SIGKILL)
        told = 40 + len(victim.stdout.readlines())
    with Journal(path, CLOCK, {}) as journal:
        assert journal.run == 2
        assert journal.parts_closed in (told, told + 1)
    parts = read_parts(path)
    assert len(parts) >= told
    for part in parts:
        assert (part["code"], part["reason"], part["state"]) == ("NO_DECISION", "RESTART", "restart")
    assert {part["intent_code"] for part in parts[:told]} == {"PASS"}


def test_what_the_plc_has_read_stays_as_it_was_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal:
        journal.open_part(1, Trigger(7, 123))
        journal.sent(1, PASS, sent_ms=40.0)
        journal.delivery(1, Delivery(7, 3, DeliveryState.SHOWN, Code.PASS, 5))
    with Journal(path, CLOCK, {}) as journal:
        assert journal.parts_closed == 0
    assert (row(path)["code"], row(path)["state"]) == ("PASS", "shown")


def test_a_locked_journal_fails_within_its_bound_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        journal.open_part(1, Trigger(7, 123))
        began = time.monotonic()
        assert not journal.intent(1, PASS, timeout_s=0.05)
        assert time.monotonic() - began < 2
        wait_until(lambda: journal.failing_since_ns() is not None)
        assert not journal.intent(1, PASS, timeout_s=60), "a failing journal is not waited for"
        other.execute("ROLLBACK")
        wait_until(lambda: journal.failing_since_ns() is None)
    assert row(path)["intent_code"] == "PASS"
    assert [event["kind"] for event in read_events(path)] == ["journal_failed", "journal_recovered"]


def test_rows_that_find_no_room_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 10)
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        journal.event("first")
        wait_until(lambda: journal.failing_since_ns() is not None)
        for _ in range(30):
            journal.event("flood")
        other.execute("ROLLBACK")
        wait_until(lambda: journal.failing_since_ns() is None)
    events = read_events(path)
    kept = sum(event["kind"] == "flood" for event in events)
    recovered = [event["detail"]["rows_lost"] for event in events if event["kind"] == "journal_recovered"]
    assert len(recovered) == 1
    assert 0 < kept < 30
    assert kept + recovered[0] == 30


def test_a_full_disk_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal:
        journal._db.execute("PRAGMA max_page_count = 1")
        journal.open_part(1, Trigger(7, 123))
        for part in range(2, 40):
            journal.open_part(part, Trigger(part, 123))
        wait_until(lambda: journal.failing_since_ns() is not None)
        journal._db.execute("PRAGMA max_page_count = 1000000")
        wait_until(lambda: journal.failing_since_ns() is None)
    assert len(read_parts(path)) == 39


def test_a_failed_sync_is_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.sqlite"

    def broken(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with Journal(path, CLOCK, {}) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(module.os, "fdatasync", broken)
            journal.open_part(1, Trigger(7, 123))
            journal.intent(1, PASS, timeout_s=5)
            wait_until(lambda: journal.failing_since_ns() is not None)
        assert not journal.intent(1, PASS, timeout_s=5)
        journal.event("y")
        time.sleep(0.2)
        assert journal.failing_since_ns() is not None


def test_an_intent_is_synced_soon_and_other_rows_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(module.os, "fdatasync", lambda fd: (real(fd), synced.append(os.fstat(fd).st_ino)))
    monkeypatch.setattr(module, "REST_EVERY", 10**9)
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal:
        log = (tmp_path / "journal.sqlite-wal").stat().st_ino
        journal.open_part(1, Trigger(7, 123))
        wait_until(lambda: len(read_parts(path)) == 1)
        time.sleep(3 * module.SYNC_S)
        assert synced == []
        journal.intent(1, PASS, timeout_s=5)
        wait_until(lambda: bool(synced))
        monkeypatch.setattr(module, "REST_EVERY", 1)
        journal.event("x")
        wait_until(lambda: len(synced) == 2)
    assert set(synced) == {log}


def test_checkpoints_keep_the_log_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 1)
    path = tmp_path / "journal.sqlite"
    with Journal(path, CLOCK, {}) as journal:
        for part in range(1, 4):
            for number in range(200):
                journal.event("filler", str(part), number=number, text="x" * 300)
            main_size = path.stat().st_size
            journal.open_part(part, Trigger(part, 1))
            wait_until(lambda size=main_size: path.stat().st_size > size)
        assert journal.failing_since_ns() is None


@pytest.mark.parametrize("content", [b"this is no database, but it is long enough to look at" * 40])
def test_a_damaged_file_is_refused_with_the_next_step(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="cannot use the journal") as caught:
        Journal(path, CLOCK, {})
    assert caught.value.exit_code == 3
    assert path.read_bytes() == content


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(StorageError, match="version 9"):
        Journal(path, CLOCK, {})


def test_reading_a_journal_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        read_parts(tmp_path / "none.sqlite")
