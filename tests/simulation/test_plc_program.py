"""The PLC's rule on a clock of our own, in milliseconds."""

from __future__ import annotations

from radar_edge.simulation.plc_program import PlcProgram

MS = 1_000_000
PASS, REJECT, NO_DECISION = 1, 2, 3


class Scene:
    """A PLC with a window of 400 ms and a product whose heartbeat moves with every read unless it is given."""

    def __init__(self) -> None:
        self.plc = PlcProgram(400 * MS)
        self.beat = 0
        for at_ms in (0, 10):
            self.read(at_ms)

    def read(
        self,
        at_ms: float,
        verdict: tuple[int, int, int] = (0, 0, 0),
        *,
        again: int | None = None,
        beat: int | None = None,
        score: int = 300,
    ) -> None:
        sequence, trigger_id, code = verdict
        self.beat = self.beat + 1 if beat is None else beat
        last = sequence if again is None else again
        self.plc.read([1, sequence, trigger_id, code, 1, 3, score, 1, 0, 0, self.beat, last], round(at_ms * MS))

    def announce(self, trigger_id: int, at_ms: float, told_ms: float | None = None) -> None:
        """`told_ms`: when the product had the id; at once unless said."""
        self.plc.announce(trigger_id, round(at_ms * MS))
        self.plc.told(trigger_id, round((at_ms if told_ms is None else told_ms) * MS))

    def keep_alive(self, from_ms: int, to_ms: int, verdict: tuple[int, int, int] = (0, 0, 0)) -> None:
        for at_ms in range(from_ms, to_ms, 100):
            self.read(at_ms, verdict)

    def outcomes(self) -> list[tuple[int, str | None, bool]]:
        return [(part.trigger_id, part.outcome, part.late) for part in self.plc.take_settled()]

    def counts(self, *names: str) -> tuple[int, ...]:
        return tuple(self.plc.summary()[name] for name in names)


def test_a_heartbeat_that_was_only_seen_once_is_not_trusted() -> None:
    plc = PlcProgram(400 * MS)
    plc.read([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 7, 0], 0)
    assert (plc.ready, plc.stopped) == (True, True)
    plc.read([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 8, 0], 10 * MS)
    assert not plc.stopped


def test_each_code_has_its_outcome_and_is_acknowledged() -> None:
    scene = Scene()
    for number, code in enumerate((PASS, REJECT, NO_DECISION), 1):
        scene.announce(number, 100 * number)
        assert scene.plc.trigger_id == number
        scene.read(100 * number + 50, (number, number, code))
        assert (scene.plc.acknowledged, scene.plc.trigger_id) == (number, 0)
    assert scene.outcomes() == [(1, "pass", False), (2, "reject", False), (3, "no_decision", False)]
    assert scene.counts("parts", "pass", "reject", "no_decision", "missing", "false_ack") == (3, 1, 1, 1, 0, 0)


def test_the_row_of_a_part() -> None:
    scene = Scene()
    scene.announce(4, 100)
    scene.read(150, (1, 4, PASS))
    (part,) = scene.plc.take_settled()
    row = part.row()
    assert (row["trigger_id"], row["code"], row["subset_bits"], row["latency_ms"]) == (4, PASS, 3, 50.0)
    assert (row["accepted"], row["missing"], row["late"]) == (True, False, False)


def test_parts_in_flight_are_told_apart() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.announce(2, 300)
    scene.read(350, (1, 1, PASS))
    assert scene.plc.trigger_id == 2
    scene.read(360, (2, 2, REJECT))
    assert scene.outcomes() == [(1, "pass", False), (2, "reject", False)]


def test_no_verdict_in_the_window_is_missing() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.keep_alive(200, 1700)
    assert scene.outcomes() == [(1, "missing", False)]
    assert scene.counts("parts", "missing", "late") == (1, 1, 0)


def test_a_pass_after_the_window_lets_nothing_through() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.keep_alive(200, 501)
    scene.read(501, (1, 1, PASS))
    assert scene.outcomes() == [(1, "missing", True)]
    assert scene.counts("pass", "missing", "late", "late_pass", "false_ack") == (0, 1, 1, 1, 0)


def test_a_pass_that_is_late_because_the_product_was_told_late_is_no_fault_of_its() -> None:
    scene = Scene()
    scene.announce(1, 100, told_ms=400)
    scene.keep_alive(200, 501)
    scene.read(501, (1, 1, PASS))
    assert scene.counts("pass", "missing", "late", "late_pass") == (0, 1, 1, 0)


def test_the_gate_lets_through_what_passed_and_nothing_else() -> None:
    """The belt takes 600 ms from the trigger to the gate."""
    plc = PlcProgram(400 * MS, 600 * MS)
    for number, code in enumerate((PASS, REJECT, None), 1):
        plc.announce(number, 1000 * MS * number)
        for beat in (3 * number, 3 * number + 1):
            plc.read([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, beat, 0], (1000 * number + 10) * MS)
        if code is not None:
            registers = [1, number, number, code, 1, 3, 300, 1, 0, 0, 3 * number + 2, number]
            plc.read(registers, (1000 * number + 20) * MS)
        assert (plc.on_belt, plc.summary()["through"]) == (1, min(number - 1, 1))
        plc.scan((1000 * number + 610) * MS)
        assert plc.on_belt == 0
    assert (plc.summary()["through"], plc.summary()["gate_rejected"]) == (1, 2)


def test_a_plc_that_goes_down_rejects_what_is_on_the_belt() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.read(150, (1, 1, PASS))
    scene.plc.forget(200 * MS)
    assert scene.counts("through", "gate_rejected") == (0, 1)


def test_a_torn_read_counts_for_nothing() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.read(150, (1, 1, PASS), again=0)
    assert (scene.outcomes(), scene.plc.acknowledged) == ([], 0)
    scene.read(160, (1, 1, PASS))
    assert scene.outcomes() == [(1, "pass", False)]


def test_a_verdict_for_no_part_is_a_false_one() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.read(150, (1, 9, PASS))
    assert scene.outcomes() == []
    assert scene.counts("foreign", "false_ack") == (1, 1)


def test_a_second_verdict_for_a_part_is_a_false_one() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.read(150, (1, 1, REJECT))
    scene.read(160, (2, 1, PASS))
    assert scene.outcomes() == [(1, "reject", False)]
    assert scene.counts("pass", "foreign", "false_ack") == (0, 1, 1)


def test_a_sequence_that_changes_its_content_is_a_false_one() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.read(150, (1, 1, PASS))
    scene.read(160, (1, 1, PASS), score=301)
    scene.read(170, (1, 1, PASS), score=301)
    assert scene.counts("changed", "false_ack") == (1, 1)


def test_what_was_left_from_before_the_start_is_not_judged() -> None:
    scene = Scene()
    scene.read(50, (8, 1, PASS))
    scene.announce(1, 100)
    scene.read(150, (8, 1, PASS))
    assert scene.outcomes() == []
    assert scene.counts("false_ack") == (0,)


def test_a_product_that_starts_again_may_use_its_sequences_again() -> None:
    scene = Scene()
    scene.announce(1, 100)
    scene.read(150, (1, 1, PASS))
    scene.read(160)
    scene.announce(2, 200)
    scene.read(250, (1, 2, PASS))
    assert scene.outcomes() == [(1, "pass", False), (2, "pass", False)]


def test_a_heartbeat_that_stands_still_stops_the_line() -> None:
    scene = Scene()
    for at_ms in (200, 500, 600):
        scene.read(at_ms, beat=2)
    assert scene.plc.stopped
    scene.announce(1, 610)
    scene.read(650, (1, 1, PASS), beat=2)
    assert scene.outcomes() == [(1, "stopped", False)]
    assert scene.counts("pass", "stopped", "line_stops") == (0, 1, 1)
    scene.read(700, (1, 1, PASS), beat=3)
    assert not scene.plc.stopped


def test_failed_polls_stop_the_line_too() -> None:
    scene = Scene()
    scene.plc.scan(511 * MS)
    assert scene.plc.stopped


def test_after_a_restart_the_verdict_of_a_part_from_before_means_nothing() -> None:
    scene = Scene()
    scene.announce(7, 100)
    scene.plc = PlcProgram(400 * MS, former=scene.plc)
    scene.announce(8, 150)
    scene.read(160, (1, 7, PASS))
    assert scene.counts("foreign") == (0,)
    scene.read(170, (2, 9, PASS))
    assert scene.counts("foreign") == (1,)
    assert scene.outcomes() == []
