"""The register blocks in motion, on a clock of our own: MS counts milliseconds from the start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.records import Code, Ne107, Reason, Verdict
from radar_edge.runtime.plc.exchange import MAX_WAITING, Exchange
from radar_edge.runtime.plc.link import Delivery, DeliveryState, StatusBit, Trigger
from radar_edge.runtime.plc.registers import Condition, Shown, read_input_registers

MS = 1_000_000
HOLD_MS = 100
SHOWN, ACKNOWLEDGED, NOT_DELIVERED = DeliveryState


def exchange() -> Exchange:
    return Exchange(hold_ns=HOLD_MS * MS, heartbeat_timeout_ns=1000 * MS)


def publish(
    to: Exchange, trigger_id: int, at_ms: float, code: Code = Code.PASS, deadline_ms: float | None = None
) -> None:
    reason = Reason.GOOD if code is Code.PASS else Reason.ANOMALY
    deadline_ns = round((at_ms + 250 if deadline_ms is None else deadline_ms) * MS)
    to.publish(
        Verdict(trigger_id, code, reason),
        wire_score=300,
        subset_bits=3,
        deadline_ns=deadline_ns,
        now_ns=round(at_ms * MS),
    )


def poll(of: Exchange, at_ms: float, done_ms: float | None = None) -> Shown:
    registers = of.read_inputs(0, 12, round(at_ms * MS), round((done_ms or at_ms) * MS))
    return read_input_registers(registers)[0]


def acknowledge(to: Exchange, sequence: int, at_ms: float) -> None:
    to.write_holding(1, [sequence], round(at_ms * MS))


def states(of: Exchange) -> list[tuple[int, DeliveryState, Code]]:
    return [(d.trigger_id, d.state, d.code) for d in of.take_deliveries()]


def test_a_verdict_is_shown_read_and_acknowledged() -> None:
    link = exchange()
    publish(link, 5, 10)
    assert states(link) == []
    assert poll(link, 12) == Shown(1, 5, Code.PASS, Reason.GOOD, 3, 300)
    acknowledge(link, 1, 15)
    assert link.take_deliveries() == [
        Delivery(5, 1, SHOWN, Code.PASS, 12 * MS),
        Delivery(5, 1, ACKNOWLEDGED, Code.PASS, 15 * MS),
    ]
    assert poll(link, 9999) == Shown(1, 5, Code.PASS, Reason.GOOD, 3, 300)


def test_a_plc_that_begins_again_finds_no_old_pass_for_its_first_part() -> None:
    link = exchange()
    assert link.write_holding(0, [1, 0, 0], 5 * MS) is not None
    publish(link, 1, 10)
    assert poll(link, 12).code is Code.PASS
    link.write_holding(0, [0, 1, 0], 15 * MS)
    assert poll(link, 16).code is Code.NONE
    assert link.write_holding(0, [1, 0, 0], 500 * MS) is None
    assert poll(link, 510).code is Code.NONE


def test_a_verdict_that_was_not_read_is_not_blanked() -> None:
    link = exchange()
    publish(link, 5, 10)
    link.write_holding(0, [0, 0, 1], 11 * MS)
    assert poll(link, 12).trigger_id == 5


def test_the_second_waits_until_the_first_is_acknowledged() -> None:
    link = exchange()
    publish(link, 5, 10)
    publish(link, 6, 11)
    assert poll(link, 12).trigger_id == 5
    assert poll(link, 50).trigger_id == 5
    acknowledge(link, 1, 60)
    assert poll(link, 61).trigger_id == 6
    assert poll(link, 62).sequence == 2


def test_without_acknowledge_the_second_waits_for_the_hold_time() -> None:
    link = exchange()
    publish(link, 5, 10)
    publish(link, 6, 11)
    assert [poll(link, t).trigger_id for t in (20, 119, 120)] == [5, 5, 6]


def test_a_slow_plc_misses_no_verdict() -> None:
    link = exchange()
    publish(link, 5, 0)
    publish(link, 6, 1)
    assert [poll(link, t).trigger_id for t in (150, 240, 251)] == [5, 5, 6]


def test_a_late_pass_is_never_readable() -> None:
    link = exchange()
    publish(link, 5, 10, deadline_ms=100)
    late = poll(link, 100.5)
    assert (late.trigger_id, late.code, late.reason) == (5, Code.NO_DECISION, Reason.DEADLINE)
    assert states(link) == [(5, SHOWN, Code.NO_DECISION)]


def test_the_last_byte_counts() -> None:
    link = exchange()
    publish(link, 5, 10, deadline_ms=100)
    assert poll(link, 98, done_ms=101).code is Code.NO_DECISION
    assert poll(link, 99, done_ms=99.5).code is Code.NO_DECISION


def test_a_pass_that_was_read_in_time_stays() -> None:
    link = exchange()
    publish(link, 5, 10, deadline_ms=100)
    assert poll(link, 90).code is Code.PASS
    assert poll(link, 5000).code is Code.PASS


def test_a_pass_that_waited_too_long_behind_another_is_no_decision() -> None:
    link = exchange()
    publish(link, 5, 0)
    publish(link, 6, 0, deadline_ms=90)
    assert poll(link, 10).trigger_id == 5
    assert (poll(link, 111).trigger_id, poll(link, 111).code) == (6, Code.NO_DECISION)


def test_a_late_reject_stays_a_reject() -> None:
    link = exchange()
    publish(link, 5, 10, Code.REJECT, deadline_ms=100)
    assert poll(link, 500).code is Code.REJECT


def test_a_read_that_leaves_out_the_code_is_no_reading() -> None:
    link = exchange()
    publish(link, 5, 10, deadline_ms=100)
    link.read_inputs(7, 5, 20 * MS, 20 * MS)
    assert states(link) == []
    assert poll(link, 101).code is Code.NO_DECISION


def test_a_verdict_that_nobody_reads_makes_way_and_is_told() -> None:
    link = exchange()
    publish(link, 5, 0)
    publish(link, 6, 200)
    assert poll(link, 300).trigger_id == 6
    assert states(link) == [(5, NOT_DELIVERED, Code.NONE), (6, SHOWN, Code.PASS)]


def test_an_acknowledge_of_what_was_not_read_is_none() -> None:
    link = exchange()
    publish(link, 5, 0)
    publish(link, 6, 1)
    acknowledge(link, 1, 2)
    assert poll(link, 3).trigger_id == 5
    assert states(link) == [(5, SHOWN, Code.PASS)]


def test_a_number_left_in_the_acknowledge_is_skipped() -> None:
    link = exchange()
    acknowledge(link, 1, 0)
    publish(link, 5, 1)
    assert poll(link, 2).sequence == 2


def test_sequences_wrap_to_one() -> None:
    link = exchange()
    last = 0
    for number in range(65537):
        publish(link, 5, number)
        last = poll(link, number).sequence
        acknowledge(link, last, number)
        link.take_deliveries()
    assert last == 2


def test_only_a_new_id_is_a_trigger() -> None:
    link = exchange()
    written = [(0, 1), (7, 2), (7, 3), (0, 4), (7, 5), (8, 6)]
    found = [link.write_holding(0, [trigger_id, 0, at], at) for trigger_id, at in written]
    assert found == [None, Trigger(7, 2), None, None, None, Trigger(8, 6)]
    assert link.read_holding(0, 5) == (8, 0, 6, 0, 0)


def test_the_same_id_again_finds_its_verdict_there() -> None:
    link = exchange()
    assert link.write_holding(0, [7], 0) == Trigger(7, 0, fresh=False)
    publish(link, 7, 5)
    first = poll(link, 10)
    assert link.write_holding(0, [7], 20) is None
    assert poll(link, 30) == first


def test_the_plc_lives_while_its_heartbeat_moves() -> None:
    link = exchange()
    assert not link.plc_alive(0)
    link.write_holding(2, [0], 0)
    assert not link.plc_alive(0)
    link.write_holding(2, [1], 10 * MS)
    assert link.plc_alive(1010 * MS)
    link.write_holding(2, [1], 1010 * MS)
    assert not link.plc_alive(1011 * MS)


def test_only_beat_moves_our_heartbeat() -> None:
    link = exchange()
    poll(link, 1)
    link.beat(StatusBit.READY, [Ne107.GOOD, Ne107.FAILURE])
    registers = link.read_inputs(0, 12, 2, 2)
    assert read_input_registers(registers)[1] == Condition(StatusBit.READY, (Ne107.GOOD, Ne107.FAILURE), 1)
    assert link.read_inputs(0, 12, 3, 3) == registers


def test_a_lost_link_gives_verdicts_up_once_their_time_is_over() -> None:
    link = exchange()
    publish(link, 5, 0, deadline_ms=250)
    publish(link, 6, 200, deadline_ms=450)
    link.lose_link(200 * MS)
    assert states(link) == []
    link.lose_link(251 * MS)
    assert states(link) == [(5, NOT_DELIVERED, Code.NONE)]
    assert poll(link, 300).trigger_id == 6


def test_what_was_given_up_cannot_be_read_any_more() -> None:
    link = exchange()
    publish(link, 5, 0, Code.REJECT)
    link.lose_link(500 * MS)
    assert poll(link, 600) == Shown()
    assert states(link) == [(5, NOT_DELIVERED, Code.NONE)]


def test_a_verdict_that_was_read_outlives_a_lost_link() -> None:
    link = exchange()
    publish(link, 5, 0)
    first = poll(link, 10)
    link.lose_link(9000 * MS)
    assert poll(link, 9001) == first


def test_at_the_end_the_unread_are_told() -> None:
    link = exchange()
    for trigger_id in (5, 6, 7):
        publish(link, trigger_id, trigger_id)
    poll(link, 20)
    link.close(21 * MS)
    link.close(22 * MS)
    assert states(link) == [(5, SHOWN, Code.PASS), (6, NOT_DELIVERED, Code.NONE), (7, NOT_DELIVERED, Code.NONE)]


def test_the_queue_is_bounded() -> None:
    link = exchange()
    for trigger_id in range(1, MAX_WAITING + 3):
        publish(link, trigger_id, 0)
    assert states(link) == [(2, NOT_DELIVERED, Code.NONE)]


def test_an_id_that_stands_there_at_the_first_contact_is_told_apart() -> None:
    """It may be of a part that passed while we were down."""
    first, second = exchange(), exchange()
    assert first.write_holding(0, [7, 0, 1], 0) == Trigger(7, 0, fresh=False)
    assert first.write_holding(0, [8, 0, 2], 1) == Trigger(8, 1)
    assert second.write_holding(2, [1], 0) is None
    assert second.write_holding(0, [0], 1) is None
    assert second.write_holding(0, [7], 2) == Trigger(7, 2)


@pytest.mark.parametrize("confirms", [True, False])
def test_an_acknowledge_left_from_an_earlier_run_acknowledges_nothing(confirms: bool) -> None:
    """The first verdict went out before the PLC was heard: its number may be the one that stands there."""
    link = Exchange(HOLD_MS * MS, 1000 * MS, acknowledge_confirms=confirms)
    publish(link, 5, 0)
    sequence = offered(link, 1).sequence
    for at_ms in (2, 3):
        link.write_holding(0, [0, sequence, at_ms], at_ms * MS)
    assert states(link) == []
    link.write_holding(0, [0, 0, 4], 4 * MS)
    if not confirms:
        link.confirm(sequence, 5 * MS)
    link.write_holding(0, [0, sequence, 6], 6 * MS)
    assert states(link) == [(5, SHOWN, Code.PASS), (5, DeliveryState.ACKNOWLEDGED, Code.PASS)]


def offered(link: Exchange, at_ms: int) -> Shown:
    return read_input_registers(link.offer(at_ms * MS, at_ms * MS))[0]


def test_what_is_sent_counts_as_read_only_when_confirmed() -> None:
    link = exchange()
    publish(link, 5, 0)
    first = offered(link, 10)
    assert (first.trigger_id, first.code) == (5, Code.PASS)
    assert states(link) == []
    link.confirm(first.sequence + 1, 15 * MS)
    assert states(link) == []
    link.confirm(first.sequence, 20 * MS)
    link.confirm(first.sequence, 21 * MS)
    assert states(link) == [(5, SHOWN, Code.PASS)]


def test_a_pass_that_may_have_arrived_is_not_said_again_after_its_deadline() -> None:
    link = exchange()
    publish(link, 5, 0, deadline_ms=100)
    publish(link, 6, 1, deadline_ms=400)
    assert offered(link, 90).trigger_id == 5
    assert offered(link, 100).trigger_id == 5
    assert offered(link, 101).trigger_id == 6
    assert states(link) == [(5, NOT_DELIVERED, Code.NONE)]


def test_a_pass_that_was_never_sent_becomes_no_decision_at_its_deadline() -> None:
    link = exchange()
    publish(link, 5, 0, deadline_ms=100)
    late = offered(link, 101)
    assert (late.trigger_id, late.code, late.reason) == (5, Code.NO_DECISION, Reason.DEADLINE)
    assert offered(link, 150) == late
    link.confirm(late.sequence, 151 * MS)
    assert states(link) == [(5, SHOWN, Code.NO_DECISION)]


def test_a_reject_may_be_said_late() -> None:
    link = exchange()
    publish(link, 5, 0, Code.REJECT, deadline_ms=100)
    assert offered(link, 90).code is Code.REJECT
    assert offered(link, 500).code is Code.REJECT


def test_saying_it_again_is_worth_it_until_it_is_confirmed_or_late() -> None:
    link = exchange()
    publish(link, 5, 0, deadline_ms=100)
    sequence = offered(link, 10).sequence
    assert link.worth_repeating(sequence, 100 * MS)
    assert not link.worth_repeating(sequence, 101 * MS)
    assert not link.worth_repeating(sequence + 1, 20 * MS)
    link.confirm(sequence, 20 * MS)
    assert not link.worth_repeating(sequence, 30 * MS)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "poll", "acknowledge", "stale", "lost", "wait"]),
        st.integers(0, 130),
        st.sampled_from([Code.PASS, Code.REJECT, Code.NO_DECISION]),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_each_verdict_has_one_end_and_no_pass_is_read_late(steps: list) -> None:
    link, now, published, faces = exchange(), 0, {}, {}
    seen = Shown()
    for kind, pause_ms, code in steps:
        now += pause_ms
        if kind == "publish":
            published[len(published) + 1] = now + 250
            publish(link, len(published), now, code)
        elif kind == "poll":
            seen = poll(link, now)
            first = faces.setdefault(seen.sequence, (seen, now))
            assert first[0] == seen, "a sequence changed its content"
            assert seen.code is not Code.PASS or first[1] <= published[seen.trigger_id]
        elif kind == "acknowledge":
            acknowledge(link, seen.sequence, now)
        elif kind == "stale":
            acknowledge(link, max(seen.sequence - 1, 0), now)
        elif kind == "lost":
            link.lose_link(now * MS)
    link.close(now * MS)
    told = states(link)
    ends = [trigger_id for trigger_id, state, _ in told if state in (SHOWN, NOT_DELIVERED)]
    assert sorted(ends) == sorted(published)
    read = {face.trigger_id for face, _ in faces.values() if face.sequence}
    assert read == {trigger_id for trigger_id, state, _ in told if state is SHOWN}
    assert {trigger_id for trigger_id, state, _ in told if state is ACKNOWLEDGED} <= read


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["publish", "send", "send and arrive", "confirm", "stale", "lost"]),
        st.integers(0, 130),
        st.sampled_from([Code.PASS, Code.REJECT, Code.NO_DECISION]),
    ),
    max_size=60,
)


@given(MESSAGES)
def test_whatever_gets_lost_no_pass_arrives_late_and_no_sequence_changes(steps: list) -> None:
    """`arrived` is what the PLC's registers hold; `confirm` reads them back."""
    link, now, published, faces = exchange(), 0, {}, {}
    arrived = Shown()
    for kind, pause_ms, code in steps:
        now += pause_ms
        if kind == "publish":
            published[len(published) + 1] = now + 250
            publish(link, len(published), now, code)
        elif kind.startswith("send"):
            sent = offered(link, now)
            assert faces.setdefault(sent.sequence, sent) == sent, "a sequence changed its content"
            if kind == "send and arrive":
                # What the PLC holds already, confirmed in time, may be written again: nothing arrives by that.
                assert sent.code is not Code.PASS or now <= published[sent.trigger_id] or arrived == sent
                arrived = sent
        elif kind == "confirm":
            link.confirm(arrived.sequence, now * MS)
        elif kind == "stale":
            link.confirm(max(arrived.sequence - 1, 0), now * MS)
        elif kind == "lost":
            link.lose_link(now * MS)
    link.close(now * MS)
    told = states(link)
    assert sorted(trigger_id for trigger_id, state, _ in told if state in (SHOWN, NOT_DELIVERED)) == sorted(published)


def commands(of: Exchange) -> list[tuple[int, int]]:
    return [(command.code, command.product) for command in of.take_commands()]


def test_a_command_counts_once_however_often_it_is_written() -> None:
    to = exchange()
    for at_ms in (0, 10, 20):
        to.write_holding(3, [2, 7], at_ms * MS)
    assert commands(to) == [(2, 7)]
    to.write_holding(0, [0, 0, 1, 2, 8], 30 * MS)
    assert commands(to) == [(2, 8)]
    to.write_holding(3, [0, 8], 40 * MS)
    to.write_holding(3, [1, 8], 50 * MS)
    to.write_holding(4, [9], 60 * MS)
    assert commands(to) == [(1, 8)]
    to.write_holding(3, [0], 70 * MS)
    to.write_holding(3, [1], 80 * MS)
    assert commands(to) == [(1, 9)]


def test_a_command_is_there_when_the_trigger_of_the_same_request_is() -> None:
    to = exchange()
    trigger = to.write_holding(0, [5, 0, 1, 2, 3], 10 * MS)
    (command,) = to.take_commands()
    assert trigger is not None
    assert (command.code, command.product, command.received_ns) == (2, 3, trigger.received_ns)
