"""The link as a PLC meets it that is a slave: one on Debian's libmodbus, one on pymodbus with faults."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peer_programs import INPUT_BASE, Slave, slave_on

from radar_edge.clock import MonotonicClock
from radar_edge.config import ModbusMasterConfig
from radar_edge.records import Code, Ne107, Reason, Verdict
from radar_edge.runtime.plc import open_link, rtu_master
from radar_edge.runtime.plc.link import DeliveryState, PlcLink, StatusBit
from radar_edge.runtime.plc.registers import read_input_registers
from radar_edge.runtime.plc.rtu import seal
from radar_edge.simulation.cable import Cable

FAR_NS = 60_000_000_000


@contextmanager
def opened(port: str, **settings: object) -> Iterator[PlcLink]:
    config = ModbusMasterConfig.model_validate({"driver": "modbus-master", "port": port, "poll_ms": 2, **settings})
    with open_link(config, MonotonicClock()) as link:
        yield link


def publish(link: PlcLink, trigger_id: int, code: Code = Code.PASS, in_ns: int = FAR_NS) -> None:
    verdict = Verdict(trigger_id, code, Reason.GOOD if code is Code.PASS else Reason.ANOMALY)
    link.publish(verdict, wire_score=300, subset_bits=3, deadline_ns=time.monotonic_ns() + in_ns)


def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def passes(slave: Slave) -> list[int]:
    """Trigger ids of the PASS verdicts that the PLC ever had, in order."""
    seen: list[int] = []
    for block in list(slave.blocks):
        shown, _ = read_input_registers(block)
        if shown.code is Code.PASS and (not seen or seen[-1] != shown.trigger_id):
            seen.append(shown.trigger_id)
    return seen


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as cable:
        yield cable


def test_one_part_from_trigger_to_acknowledge(cable: Cable) -> None:
    with slave_on(cable.b) as slave, opened(cable.a) as link:
        link.beat(StatusBit.READY, [Ne107.GOOD, Ne107.FAILURE])
        until(lambda: bool(slave.blocks) and slave.blocks[-1][10] == 1)
        slave.put(0, 42)
        slave.put(2, 1)
        trigger = link.wait_trigger(10)
        assert trigger is not None
        assert (trigger.trigger_id, trigger.fresh) == (42, True)
        publish(link, 42)
        until(lambda: passes(slave) == [42])
        shown, condition = read_input_registers(slave.blocks[-1])
        assert (shown.trigger_id, shown.code, shown.wire_score) == (42, Code.PASS, 300)
        assert condition.health == (Ne107.GOOD, Ne107.FAILURE)
        told: list[DeliveryState] = []
        until(lambda: told.extend(d.state for d in link.take_deliveries()) or DeliveryState.SHOWN in told)
        slave.put(1, shown.sequence)
        until(lambda: told.extend(d.state for d in link.take_deliveries()) or len(told) == 2)
        assert told == [DeliveryState.SHOWN, DeliveryState.ACKNOWLEDGED]
        until(lambda: link.plc_alive)
        assert link.trouble is None


def test_an_id_that_stood_there_when_we_came_is_not_fresh(cable: Cable) -> None:
    with slave_on(cable.b) as slave:
        slave.put(0, 7)
        with opened(cable.a) as link:
            trigger = link.wait_trigger(10)
            assert trigger is not None
            assert (trigger.trigger_id, trigger.fresh) == (7, False)


def test_replies_that_are_always_late_deliver_nothing_and_acknowledge_nothing(cable: Cable) -> None:
    """130 ms against 100 ms: with every Modbus library the reply to one part would acknowledge the next."""
    with slave_on(cable.b, delay_ms=130) as slave, opened(cable.a, reply_timeout_ms=100) as link:
        for trigger_id in range(1, 6):
            publish(link, trigger_id, in_ns=300_000_000)
            time.sleep(0.35)
        until(lambda: link.trouble is not None)
    told = [(d.trigger_id, d.state) for d in link.take_deliveries()]
    assert told == [(n, DeliveryState.NOT_DELIVERED) for n in range(1, 6)]
    assert passes(slave) == []


def test_every_other_reply_lost_is_delivered_or_reported(cable: Cable) -> None:
    with slave_on(cable.b, drop_every=2) as slave, opened(cable.a, reply_timeout_ms=20, hold_ms=0) as link:
        told: dict[int, list[DeliveryState]] = {n: [] for n in range(1, 21)}
        for trigger_id in told:
            publish(link, trigger_id, in_ns=3_000_000_000)
        until(lambda: collect(link, told) and all(told.values()), 60)
        shown = [n for n, states in told.items() if states[0] is DeliveryState.SHOWN]
        assert len(shown) > 10
        assert set(shown) <= set(passes(slave))


def collect(link: PlcLink, told: dict[int, list[DeliveryState]]) -> bool:
    for delivery in link.take_deliveries():
        told[delivery.trigger_id].append(delivery.state)
    return True


def test_no_pass_arrives_after_its_deadline(cable: Cable) -> None:
    with slave_on(cable.b) as slave, opened(cable.a) as link:
        publish(link, 1, in_ns=-1)
        until(lambda: any(block[3] for block in slave.blocks))
        assert passes(slave) == []
        assert [block[3] for block in slave.blocks if block[2] == 1][-1] == Code.NO_DECISION


def test_a_cut_cable_is_told_and_comes_back(cable: Cable) -> None:
    with slave_on(cable.b) as slave, opened(cable.a, reply_timeout_ms=30) as link:
        until(lambda: bool(slave.blocks))
        cable.cut()
        until(lambda: "does not answer" in (link.trouble or ""))
        publish(link, 1, in_ns=50_000_000)
        until(lambda: [d.state for d in link.take_deliveries()] == [DeliveryState.NOT_DELIVERED])
        cable.join()
        until(lambda: link.trouble is None)
        publish(link, 2)
        until(lambda: 2 in passes(slave))
        assert 1 not in passes(slave)


def test_an_adapter_that_is_pulled_and_put_back(cable: Cable) -> None:
    with slave_on(cable.b) as slave, opened(cable.a, reply_timeout_ms=30) as link:
        until(lambda: bool(slave.blocks))
        cable.unplug()
        until(lambda: "does not exist" in (link.trouble or ""))
        cable.plug()
        until(lambda: link.trouble is None)
        publish(link, 3)
        until(lambda: 3 in passes(slave))


def test_the_wrong_unit_and_registers_that_are_not_there_are_told(cable: Cable) -> None:
    with slave_on(cable.b):
        with opened(cable.a, unit_id=9, reply_timeout_ms=30) as link:
            until(lambda: "unit 9, does not answer" in (link.trouble or ""))
        time.sleep(0.7)  # libmodbus is deaf for a while after another unit's frame
        with opened(cable.a, holding_base=500, reply_timeout_ms=200) as link:
            until(lambda: "refuses function 3 at register 500: it has no such registers" in (link.trouble or ""))


def test_at_the_end_the_block_is_blank(cable: Cable) -> None:
    with slave_on(cable.b) as slave:
        with opened(cable.a) as link:
            link.beat(StatusBit.READY, [Ne107.GOOD])
            publish(link, 1)
            until(lambda: passes(slave) == [1])
        until(lambda: slave.blocks[-1][1:11] == (0,) * 10)


def simulated(port: str, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "radar_edge.simulation.plc", "--role", "slave", "--port", port, "--out", str(out)]
    command += ["--input-base", str(INPUT_BASE), "--period-ms", "150", "--window-ms", "2000", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    "fault", [(), ("--lose-every", "7", "--damage-every", "5"), ("--stale-ack",), ("--restart-after", "10")]
)
def test_a_simulated_plc_takes_no_wrong_verdict(cable: Cable, tmp_path: Path, fault: tuple[str, ...]) -> None:
    stopping = threading.Event()
    with opened(cable.a, reply_timeout_ms=30, poll_ms=5) as link:
        thread = threading.Thread(target=answer, args=(link, stopping))
        thread.start()
        process = simulated(cable.b, tmp_path / "plc.jsonl", "--parts", "25", *fault)
        try:
            text, error = process.communicate(timeout=90)
        finally:
            process.kill()
            stopping.set()
            thread.join()
    assert process.returncode == 0, error
    summary = json.loads(text.splitlines()[-1])
    rows = [json.loads(line) for line in (tmp_path / "plc.jsonl").read_text().splitlines()]
    assert (summary["parts"], summary["false_ack"], summary["late_pass"]) == (25, 0, 0)
    # A PLC that restarts has forgotten what is on its belt, and rejects it.
    forgotten = summary["pass"] - summary["through"]
    assert 0 <= forgotten <= (14 if "--restart-after" in fault else 0)
    assert summary["through"] > 3
    assert summary["through"] + summary["gate_rejected"] == 25
    assert all(row["trigger_id"] % 2 == 0 for row in rows if row["accepted"])


def answer(link: PlcLink, stopping: threading.Event) -> None:
    """Even ids pass, odd ones are rejected."""
    while not stopping.is_set():
        link.beat(StatusBit.READY, [Ne107.GOOD])
        trigger = link.wait_trigger(0.02)
        if trigger is not None:
            publish(link, trigger.trigger_id, Code.PASS if trigger.trigger_id % 2 == 0 else Code.REJECT, 1_500_000_000)


def test_frames_of_a_master_by_hand() -> None:
    ask = rtu_master.read_holding(1, 0x6B, 3)
    assert ask.frame == bytes.fromhex("01 03 00 6b 00 03") + ask.frame[-2:]
    assert ask.frame == seal(ask.frame[:-2])
    reply = seal(bytes.fromhex("01 03 06 02 2b 00 00 00 64"))
    assert rtu_master.values_of(ask, reply) == (0x22B, 0, 0x64)
    assert rtu_master.values_of(ask, reply[:-1] + b"\x00") is None
    assert rtu_master.values_of(ask, seal(bytes.fromhex("02 03 06 02 2b 00 00 00 64"))) is None
    assert rtu_master.values_of(ask, seal(bytes.fromhex("01 03 04 02 2b 00 00"))) is None
    write = rtu_master.write_holding(1, 1, [10, 0x102])
    assert write.frame == seal(bytes.fromhex("01 10 00 01 00 02 04 00 0a 01 02"))
    assert rtu_master.values_of(write, seal(bytes.fromhex("01 10 00 01 00 02"))) == ()
    assert rtu_master.values_of(write, seal(bytes.fromhex("01 10 00 02 00 02"))) is None
    refusal = seal(bytes.fromhex("01 90 03"))
    assert rtu_master.reply_length(write, refusal[:2]) == 5
    assert rtu_master.exception_of(write, refusal) == "it refuses the value"
    assert rtu_master.exception_of(ask, refusal) is None
