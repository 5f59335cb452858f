from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from line_fakes import BAD, GOOD, bench, codes, wait_until

from radar_edge.errors import MachineError, UsageError
from radar_edge.records import Code, Ne107, Reason
from radar_edge.runtime.inspection import MOST_ENGINE_FAULTS
from radar_edge.runtime.journal_file import read_events, read_parts
from radar_edge.runtime.plc.link import StatusBit


def test_every_trigger_gets_one_verdict_from_its_own_frames(tmp_path: Path) -> None:
    with bench(tmp_path, logit=lambda part: BAD if part % 3 == 0 else GOOD) as line:
        for part in range(1, 31):
            line.link.announce(part)
            time.sleep(0.01)
        line.wait_verdicts(30)
    assert [v.trigger_id for v in line.link.verdicts] == list(range(1, 31))
    assert codes(line.link.verdicts) == {n: Code.REJECT if n % 3 == 0 else Code.PASS for n in range(1, 31)}
    assert line.judged["rgb_tir"] == [(n, n) for n in range(1, 31)]
    assert line.link.wire[:3] == [(250, 3), (250, 3), (1000, 3)]
    parts = read_parts(tmp_path / "journal.sqlite")
    assert {part["state"] for part in parts} == {"acknowledged"}
    assert [part["code"] for part in parts] == [v.code.name for v in line.link.verdicts]
    assert line.error is None


def test_the_intent_is_safe_before_the_verdict_is_published(tmp_path: Path) -> None:
    seen = []
    with bench(tmp_path) as line:
        publish = line.link.publish

        def look(verdict, **wire) -> None:
            seen.append(read_parts(tmp_path / "journal.sqlite")[-1]["intent_code"])
            publish(verdict, **wire)

        line.link.publish = look
        for part in range(1, 6):
            line.link.announce(part)
            line.wait_verdicts(part)
    assert seen == ["PASS"] * 5


def test_a_hung_engine_costs_a_no_decision_and_its_late_result_is_never_sent(tmp_path: Path) -> None:
    release = threading.Event()

    def logit(part: int) -> float:
        if part == 2:
            release.wait(20)
        return GOOD

    with bench(tmp_path, logit=logit) as line:
        line.link.announce(1)
        line.wait_verdicts(1)
        line.link.announce(2)
        line.wait_verdicts(2)
        beats = len(line.link.beats)
        time.sleep(0.1)
        assert len(line.link.beats) == beats, "a hung inspection must not beat"
        release.set()
        wait_until(lambda: line.line.state()["late_results"] == 1)
        line.link.announce(3)
        line.wait_verdicts(3)
    second, at_ns = line.link.published[1]
    assert (second.code, second.reason) == (Code.NO_DECISION, Reason.DEADLINE)
    assert at_ns - line.link.announced_ns[2] >= 220e6, "not before the deadline less the wire's margin"
    assert [v.trigger_id for v in line.link.verdicts] == [1, 2, 3]
    assert line.link.wire[1] == (1000, 0)
    part = read_parts(tmp_path / "journal.sqlite")[1]
    assert (part["code"], part["late_code"], part["state"]) == ("NO_DECISION", "PASS", "acknowledged")


def test_a_full_queue_refuses_and_answers_all(tmp_path: Path) -> None:
    release = threading.Event()

    def logit(part: int) -> float:
        release.wait(20)
        return GOOD

    with bench(tmp_path, logit=logit, queue_depth=2, deadline_ms=3000) as line:
        line.link.announce(1)
        wait_until(lambda: bool(line.judged["rgb_tir"]))
        for part in range(2, 6):
            line.link.announce(part)
        line.wait_verdicts(2)
        assert {v.trigger_id: v.reason for v in line.link.verdicts} == {4: Reason.BUSY, 5: Reason.BUSY}
        release.set()
        line.wait_verdicts(5)
    assert sorted(codes(line.link.verdicts)) == [1, 2, 3, 4, 5]


def test_a_lost_camera_changes_the_engine_and_changes_it_back(tmp_path: Path) -> None:
    with bench(tmp_path) as line:
        line.link.announce(1)
        line.wait_verdicts(1)
        line.cameras.dead.add("tir")
        line.link.announce(2)
        line.wait_verdicts(2)
        line.wait(lambda: StatusBit.DEGRADED in line.link.status)
        assert StatusBit.READY in line.link.status
        assert line.link.beats[-1][1] == (Ne107.GOOD, Ne107.FAILURE)
        line.link.announce(3)
        line.wait_verdicts(3)
        line.cameras.dead.clear()
        line.wait(lambda: StatusBit.DEGRADED not in line.link.status)
        line.link.announce(4)
        line.wait_verdicts(4)
    assert [v.subset.slug for v in line.link.verdicts] == ["rgb_tir", "rgb", "rgb", "rgb_tir"]
    assert [v.degraded for v in line.link.verdicts] == [False, True, True, False]
    assert [bits for _, bits in line.link.wire] == [3, 1, 1, 3]
    events = read_events(tmp_path / "journal.sqlite")
    assert [event["subject"] for event in events if event["kind"] == "engine"] == ["rgb_tir", "rgb", "rgb_tir"]
    tir = [event["detail"]["usable"] for event in events if event["subject"] == "tir-camera"]
    assert tir[-3:].count(True) == 1
    assert False in tir


def test_without_any_camera_the_line_is_not_ready_and_answers_at_once(tmp_path: Path) -> None:
    with bench(tmp_path) as line:
        line.cameras.dead.update(("rgb", "tir"))
        line.wait(lambda: StatusBit.READY not in line.link.status)
        line.link.announce(1)
        line.wait_verdicts(1)
    assert line.link.verdicts[0].reason is Reason.NO_FRAME
    assert line.link.published[0][1] - line.link.announced_ns[1] < 220e6


def test_stop_in_the_policy_takes_ready_away(tmp_path: Path) -> None:
    with bench(tmp_path, routing={"degraded": "stop"}) as line:
        line.cameras.dead.add("tir")
        line.wait(lambda: StatusBit.READY not in line.link.status)
        line.link.announce(1)
        line.wait_verdicts(1)
    assert line.link.verdicts[0].code is Code.NO_DECISION


def test_a_dead_journal_is_told_at_once_and_stops_pass_after_the_grace(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    grace = {"path": str(path), "journal_grace_s": 1.0}
    with bench(tmp_path, journal=grace) as line, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        line.link.announce(1)
        line.wait_verdicts(1)
        line.wait(lambda: StatusBit.JOURNAL in line.link.status)
        assert StatusBit.READY in line.link.status
        line.wait(lambda: StatusBit.READY not in line.link.status)
        line.link.announce(2)
        line.wait_verdicts(2)
        other.execute("ROLLBACK")
        line.wait(lambda: StatusBit.READY in line.link.status)
        assert StatusBit.JOURNAL not in line.link.status
        line.link.announce(3)
        line.wait_verdicts(3)
    assert [v.code for v in line.link.verdicts] == [Code.PASS, Code.NO_DECISION, Code.PASS]
    assert line.link.verdicts[1].reason is Reason.JOURNAL
    assert [part["code"] for part in read_parts(path)] == ["PASS", "NO_DECISION", "PASS"]


def test_an_id_that_stood_there_when_we_came_is_not_judged(tmp_path: Path) -> None:
    """The frame taken now would be another part's."""
    with bench(tmp_path) as line:
        line.link.announce(7, fresh=False)
        line.link.announce(8)
        line.wait_verdicts(2)
    told = {verdict.trigger_id: (verdict.code, verdict.reason) for verdict in line.link.verdicts}
    assert told[7] == (Code.NO_DECISION, Reason.RESTART)
    assert told[8][0] is Code.PASS


def test_a_repeated_trigger_is_judged_once(tmp_path: Path) -> None:
    with bench(tmp_path, answer=lambda _modality, part: [(60.0, part)]) as line:
        line.link.announce(1)
        line.link.announce(2)
        line.link.announce(1)
        line.wait_verdicts(2)
    assert [v.trigger_id for v in line.link.verdicts] == [1, 2]


def test_a_stop_finishes_the_part_in_hand(tmp_path: Path) -> None:
    with bench(tmp_path, answer=lambda _modality, part: [(60.0, part)]) as line:
        line.link.announce(1)
        line.wait(lambda: StatusBit.BUSY in line.link.status)
    assert codes(line.link.verdicts) == {1: Code.PASS}
    assert line.error is None
    assert StatusBit.READY not in line.link.status


def test_an_engine_that_never_returns_is_named_at_the_end(tmp_path: Path) -> None:
    release = threading.Event()

    def logit(part: int) -> float:
        release.wait(30)
        return GOOD

    with bench(tmp_path, logit=logit) as line:
        line.link.announce(1)
        line.wait_verdicts(1)
    release.set()
    assert isinstance(line.error, MachineError)
    assert "inspection" in str(line.error)


@pytest.mark.parametrize("where", ["engine", "cameras", "desk"])
def test_an_error_in_any_thread_ends_the_line_with_no_decision_and_fault(tmp_path: Path, where: str) -> None:
    boom = UsageError("boom")

    def fail(*_args: object, **_more: object) -> float:
        raise boom

    with bench(tmp_path, logit=fail if where == "engine" else lambda _part: GOOD) as line:
        if where == "cameras":
            line.cameras.error = boom
        elif where == "desk":
            line.cameras.trigger_error = boom
        for trigger_id in range(1, MOST_ENGINE_FAULTS + 1):
            line.link.announce(trigger_id)
        line.wait(lambda: line.error is not None)
    assert line.error is boom
    assert StatusBit.FAULT in line.link.status
    assert StatusBit.READY not in line.link.status
    assert codes(line.link.verdicts).get(1, Code.NO_DECISION) is Code.NO_DECISION
    if where != "cameras":
        assert line.link.verdicts[0].reason is Reason.ENGINE_FAULT
    events = read_events(tmp_path / "journal.sqlite")
    assert [event["detail"]["error"] for event in events if event["kind"] == "fault"] == ["boom"]


def test_an_engine_that_fails_now_and_then_costs_those_parts_alone(tmp_path: Path) -> None:
    def logit(part: int) -> float:
        if part % 3 == 0:
            raise ValueError("now and then")
        return GOOD

    with bench(tmp_path, logit=logit) as line:
        for trigger_id in range(1, 13):
            line.link.announce(trigger_id)
            line.wait_verdicts(trigger_id)
    assert line.error is None
    for verdict in line.link.verdicts:
        failed = verdict.trigger_id % 3 == 0
        wanted = (Code.NO_DECISION, Reason.ENGINE_FAULT) if failed else (Code.PASS, Reason.GOOD)
        assert (verdict.code, verdict.reason) == wanted
    events = [event for event in read_events(tmp_path / "journal.sqlite") if event["kind"] == "engine_fault"]
    assert len(events) == 4
    assert events[0]["detail"]["error"] == "now and then"


def test_after_a_long_run_of_degraded_parts_the_line_is_not_ready_until_all_cameras_are_back(tmp_path: Path) -> None:
    with bench(tmp_path, routing={"degraded": "may_pass", "max_degraded_parts": 2}) as line:
        line.cameras.dead = {"tir"}
        line.wait(lambda: StatusBit.DEGRADED in line.link.status)
        for trigger_id in range(1, 4):
            line.link.announce(trigger_id)
            line.wait_verdicts(trigger_id)
        line.wait(lambda: StatusBit.READY not in line.link.status)
        line.cameras.dead = set()
        line.wait(lambda: StatusBit.READY in line.link.status)
        line.link.announce(4)
        line.wait_verdicts(4)
    assert [verdict.code for verdict in line.link.verdicts] == [Code.PASS, Code.PASS, Code.NO_DECISION, Code.PASS]
    assert line.link.verdicts[2].reason is Reason.STOPPED


def test_parts_that_a_killed_run_left_open_are_never_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with bench(tmp_path):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO parts (run, part, trigger_id, state, intent_code) VALUES (1, 9, 9, 'intent', 'PASS')")
        db.commit()
    with bench(tmp_path) as line:
        line.link.announce(1)
        line.wait_verdicts(1)
    assert [v.trigger_id for v in line.link.verdicts] == [1]
    assert [(p["code"], p["reason"]) for p in read_parts(path)] == [("NO_DECISION", "RESTART"), ("PASS", "GOOD")]


Frames = st.lists(
    st.tuples(st.sampled_from([0.0, 4.0, 15.0, 60.0, 130.0]), st.integers(-2, 1)),
    max_size=2,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(st.tuples(Frames, Frames), min_size=6, max_size=6))
def test_whatever_the_cameras_do_no_part_passes_on_another_part_s_frames(tmp_path_factory, answers) -> None:
    """Frames come late, twice, not at all, or show another part (and say so by their tag)."""

    def answer(modality: str, part: int):
        frames = answers[part - 1][0 if modality == "rgb" else 1]
        return [(delay_ms, max(1, part + shift)) for delay_ms, shift in frames]

    with bench(tmp_path_factory.mktemp("line"), answer=answer, pair_wait_ms=50) as line:
        for part in range(1, 7):
            line.link.announce(part)
            time.sleep(0.02)
        line.wait_verdicts(6)
    assert line.error is None
    assert sorted(v.trigger_id for v in line.link.verdicts) == [1, 2, 3, 4, 5, 6]
    judged = {shown[0]: (slug, shown) for slug, calls in line.judged.items() for shown in calls}
    for verdict in line.link.verdicts:
        if verdict.subset is not None:
            slug, shown = judged[verdict.trigger_id]
            assert (slug, set(shown)) == (verdict.subset.slug, {verdict.trigger_id})
        else:
            assert verdict.code is Code.NO_DECISION
