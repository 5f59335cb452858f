from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.plc.link import Trigger
from radar_edge.runtime.slot import Slot, SlotTable

PASS = Verdict(7, Code.PASS, Reason.GOOD)
REJECT = Verdict(7, Code.REJECT, Reason.ANOMALY)
DEADLINE = Verdict(7, Code.NO_DECISION, Reason.DEADLINE)


def slot() -> Slot:
    return Slot(1, Trigger(7, 1000), deadline_ns=1200, wire_deadline_ns=1250)


def test_a_slot_takes_the_first_verdict_only() -> None:
    one = slot()
    assert one.fill(PASS, 1100)
    assert not one.fill(REJECT, 1100)
    assert not one.fill(DEADLINE, 1300)
    assert one.verdict is PASS


def test_at_the_deadline_a_result_is_in_time_and_after_it_not() -> None:
    assert slot().fill(PASS, 1200)
    late = slot()
    assert not late.fill(PASS, 1201)
    assert not late.filled
    assert late.fill(DEADLINE, 1201)
    assert late.verdict is DEADLINE


def test_after_the_deadline_no_other_no_decision_is_taken() -> None:
    assert not slot().fill(Verdict(7, Code.NO_DECISION, Reason.BUSY), 1201)


def test_a_verdict_of_another_trigger_is_a_bug() -> None:
    with pytest.raises(ValueError, match="trigger 8"):
        slot().fill(Verdict(8, Code.PASS, Reason.GOOD), 1100)


def test_refuse_says_deadline_once_that_has_passed() -> None:
    early, late = slot().refuse(Reason.BUSY, 1100), slot().refuse(Reason.BUSY, 1201)
    assert early is not None
    assert late is not None
    assert (early.code, early.reason) == (Code.NO_DECISION, Reason.BUSY)
    assert (late.code, late.reason) == (Code.NO_DECISION, Reason.DEADLINE)
    filled = slot()
    filled.fill(PASS, 1100)
    assert filled.refuse(Reason.DEADLINE, 1300) is None


def test_a_deadline_outside_its_part_is_refused() -> None:
    with pytest.raises(ValueError, match="deadline"):
        Slot(1, Trigger(7, 1000), deadline_ns=1300, wire_deadline_ns=1250)


@given(st.lists(st.tuples(st.sampled_from([PASS, REJECT, DEADLINE]), st.integers(1000, 1400)), min_size=1))
def test_whatever_is_offered_one_verdict_wins_and_never_a_late_result(offers: list[tuple[Verdict, int]]) -> None:
    one = slot()
    taken = [(verdict, now_ns) for verdict, now_ns in offers if one.fill(verdict, now_ns)]
    assert len(taken) <= 1
    assert [verdict for verdict, _ in taken] == ([one.verdict] if one.filled else [])
    for verdict, now_ns in taken:
        assert now_ns <= 1200 or verdict is DEADLINE


def test_of_many_threads_exactly_one_fills() -> None:
    for _ in range(50):
        one, won, gate = slot(), [], threading.Barrier(4)

        def offer(one: Slot = one, won: list[bool] = won, gate: threading.Barrier = gate) -> None:
            gate.wait()
            won.append(one.fill(PASS, 1100))

        threads = [threading.Thread(target=offer) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == [False, False, False, True]


def test_the_table_numbers_parts_and_knows_their_deadlines() -> None:
    table = SlotTable(deadline_ns=250, wire_margin_ns=50)
    first, second = table.open(Trigger(7, 1000)), table.open(Trigger(8, 1100))
    assert first is not None
    assert second is not None
    assert (first.part, first.deadline_ns, first.wire_deadline_ns) == (1, 1200, 1250)
    assert second.part == 2
    assert table.next_deadline_ns() == 1200
    assert table.overdue(1200) == []
    assert table.overdue(1201) == [first]
    table.close(first)
    assert table.next_deadline_ns() == 1300
    table.close(second)
    assert table.next_deadline_ns() is None


def test_an_id_that_is_open_gets_no_second_slot() -> None:
    table = SlotTable(deadline_ns=250, wire_margin_ns=50)
    first = table.open(Trigger(7, 1000))
    assert first is not None
    assert table.open(Trigger(7, 1010)) is None
    table.close(first)
    again = table.open(Trigger(7, 2000))
    assert again is not None
    assert again.part == 2
