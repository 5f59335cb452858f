"""The change from one product to another: the rules alone, then a running line of fakes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from line_fakes import BAD, GOOD, MODALITIES, FakeEngine, bench, product_of, wait_until

from radar_edge.config import OWN, LineConfig, validate
from radar_edge.errors import ConfigError
from radar_edge.modality import all_subsets
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.journal_file import read_events, read_parts
from radar_edge.runtime.plc.link import Command, CommandCode, StatusBit, Trigger
from radar_edge.runtime.products import NUMBER_SHIFT, Changeover, Product, check_products
from radar_edge.runtime.slot import SlotTable
from radar_edge.simulation.example_line import line_document

SELECT, RESET = CommandCode.SELECT, CommandCode.RESET
PASSING, REJECTING = 1, 2


def product(logit: float = GOOD, hold: threading.Event | None = None) -> Product:
    """Judges every part alike; with `hold` part 2 waits for it."""

    def judged(part: int) -> float:
        if hold is not None and part == 2:
            hold.wait(20)
        return logit

    return product_of({subset: FakeEngine(subset, judged) for subset in all_subsets(MODALITIES)}, f"sha{logit:g}")


def changeover(*numbers: int) -> Changeover:
    return Changeover({number: product() for number in numbers}, lambda *_, **__: None)


def test_without_products_the_lines_own_bundle_judges_from_the_start() -> None:
    own = changeover(OWN)
    assert (own.active, own.due(), own.status()) == (OWN, None, StatusBit(0))
    assert own.refusal(Trigger(1, 0)) is None
    assert own.take(Command(SELECT, 4, 10)), "a PLC that wants another product must not have this one's verdicts"
    assert (own.active, own.due(), own.status()) == (None, None, StatusBit.PRODUCT)


def test_nothing_is_judged_before_a_selection_or_between_two() -> None:
    line = changeover(1, 2)
    assert (line.active, line.due(), line.status()) == (None, None, StatusBit.PRODUCT)
    assert line.refusal(Trigger(1, 5)) is Reason.CHANGEOVER
    assert line.take(Command(SELECT, 2, 10))
    assert (line.due(), line.refusal(Trigger(2, 15))) == (2, Reason.CHANGEOVER)
    line.in_place(2, 20)
    assert (line.active, line.due(), line.status()) == (2, None, StatusBit(2 << NUMBER_SHIFT))
    assert line.refusal(Trigger(2, 19)) is Reason.CHANGEOVER, "it came before the product stood there"
    assert line.refusal(Trigger(3, 20)) is None
    assert not line.take(Command(SELECT, 2, 30)), "selected already: nothing is interrupted"


def test_the_last_of_two_quick_selections_counts() -> None:
    line = changeover(1, 2)
    line.take(Command(SELECT, 1, 10))
    line.take(Command(SELECT, 2, 11))
    line.in_place(1, 12)
    assert (line.active, line.due()) == (None, 2)


def test_a_verdict_that_is_ready_when_the_selection_is_taken_fills_no_slot() -> None:
    change = changeover(1, 2)
    change.take(Command(CommandCode.SELECT, 1, 0))
    change.in_place(1, 10)
    slot = SlotTable(1000, 0).open(Trigger(7, 20))
    assert slot is not None
    change.take(Command(CommandCode.SELECT, 2, 0))  # the open slots are answered a moment later
    assert not change.fill(slot, Verdict(7, Code.PASS, Reason.GOOD), 30)
    change.in_place(2, 40)
    assert not change.fill(slot, Verdict(7, Code.PASS, Reason.GOOD), 50)
    assert slot.refuse(Reason.CHANGEOVER, 60) is not None
    later = SlotTable(1000, 0).open(Trigger(8, 70))
    assert later is not None
    assert change.fill(later, Verdict(8, Code.PASS, Reason.GOOD), 80)


def test_a_reset_is_told_once_and_an_unknown_command_does_nothing() -> None:
    line = changeover(1)
    assert not line.take(Command(RESET, 0, 0))
    assert not line.take(Command(99, 0, 0))
    assert [line.take_reset(), line.take_reset()] == [True, False]


def test_products_that_take_other_cameras_images() -> None:
    one = product()
    spec = one.preprocess.modalities["rgb"].model_copy(update={"bit_depth": 8})
    other = Product(one.preprocess.model_copy(update={"modalities": {"rgb": spec}}), {}, one.open_engines)
    check_products({1: one, 2: one})
    with pytest.raises(ConfigError, match="same cameras"):
        check_products({1: one, 2: other})


def test_a_line_changes_over_and_every_part_is_its_own_products(tmp_path: Path) -> None:
    products = {PASSING: product(GOOD), REJECTING: product(BAD)}
    with bench(tmp_path, products=products) as line:
        wait_until(lambda: StatusBit.PRODUCT in line.link.status)
        line.link.announce(1)
        line.wait_verdicts(1)
        for trigger_id, number in ((2, PASSING), (3, REJECTING), (4, PASSING)):
            line.link.command(SELECT, number)
            wait_until(lambda wanted=number: line.link.status >> NUMBER_SHIFT == wanted)
            line.wait_ready()
            line.link.announce(trigger_id)
            line.wait_verdicts(trigger_id)
        line.link.command(SELECT, 77)
        wait_until(lambda: StatusBit.PRODUCT in line.link.status)
        assert StatusBit.READY not in line.link.status
        line.link.announce(5)
        line.wait_verdicts(5)
        line.link.command(SELECT, PASSING)
        line.wait_ready()
    wanted = [Reason.CHANGEOVER, Reason.GOOD, Reason.ANOMALY, Reason.GOOD, Reason.CHANGEOVER]
    assert [verdict.reason for verdict in line.link.verdicts] == wanted
    assert line.link.verdicts[4].code is Code.NO_DECISION
    events = [(e["kind"], e["subject"]) for e in read_events(tmp_path / "journal.sqlite") if "product" in e["kind"]]
    assert events[-3:] == [("product_selected", "77"), ("product_selected", "1"), ("product", "1")]
    assert line.error is None


def test_a_part_in_hand_is_answered_at_once_and_the_former_products_result_is_never_sent(tmp_path: Path) -> None:
    hold = threading.Event()
    with bench(tmp_path, products={PASSING: product(GOOD, hold), REJECTING: product(BAD)}, deadline_ms=2000) as line:
        line.link.command(SELECT, PASSING)
        line.wait_ready()
        line.link.announce(2)
        time.sleep(0.1)  # the engine has it now
        line.link.command(SELECT, REJECTING)
        line.wait_verdicts(1)
        line.link.announce(3)
        line.wait_verdicts(2)
        hold.set()
        wait_until(lambda: line.link.status >> NUMBER_SHIFT == REJECTING)
        line.link.announce(4)
        line.wait_verdicts(3)
    reasons = [Reason.CHANGEOVER, Reason.CHANGEOVER, Reason.ANOMALY]
    assert [verdict.reason for verdict in line.link.verdicts] == reasons
    assert read_parts(tmp_path / "journal.sqlite")[0]["late_code"] == "PASS"


def test_a_reset_ends_the_stop_after_too_many_degraded_parts(tmp_path: Path) -> None:
    routing = {"degraded": "may_pass", "max_degraded_parts": 2}
    with bench(tmp_path, routing=routing) as line:
        line.cameras.dead.add("tir")
        wait_until(lambda: StatusBit.DEGRADED in line.link.status)
        for part in (1, 2, 3):
            line.link.announce(part)
            line.wait_verdicts(part)
        wait_until(lambda: StatusBit.READY not in line.link.status)
        line.link.command(RESET)
        line.wait_ready()
        line.link.announce(4)
        line.wait_verdicts(4)
    assert [v.reason for v in line.link.verdicts] == [Reason.GOOD, Reason.GOOD, Reason.STOPPED, Reason.GOOD]
    kinds = [event["kind"] for event in read_events(tmp_path / "journal.sqlite")]
    assert "command" in kinds


def test_what_line_yaml_may_say_of_products() -> None:
    document = {**line_document("/dev/null"), "products": {1: "bundle", 2: {"bundle": "other"}}}
    line = validate(LineConfig, document, "test")
    assert line.of_product(2).bundle == Path("other")
    assert line.of_product(2).products == {}
    for change, words in (
        ({"products": {1: "other"}}, "must be those of one of products"),
        ({"products": {0: "bundle"}}, "greater than or equal to 1"),
        ({"products": {1: "bundle", 2: {"bundle": "b", "device": "d"}}}, "device belongs to engine tensorrt"),
        ({"plc": {"driver": "line", "port": "p"}, "trigger": {"source": "interval"}}, "carries no commands"),
    ):
        with pytest.raises(ConfigError, match=words):
            validate(LineConfig, {**document, **change}, "test")
