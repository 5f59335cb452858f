"""The link as a PLC meets it: a real pty, a foreign Modbus master at its other end."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import serial
from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from radar_edge.clock import MonotonicClock
from radar_edge.config import ModbusSlaveConfig
from radar_edge.records import Code, Ne107, Reason, Verdict
from radar_edge.runtime.plc import modbus_slave, open_link
from radar_edge.runtime.plc.link import DeliveryState, PlcLink, StatusBit
from radar_edge.runtime.plc.registers import Condition, Shown, read_input_registers
from radar_edge.runtime.plc.rtu import Assembler, seal
from radar_edge.simulation.cable import Cable

READ_INPUTS = seal(bytes.fromhex("01 04 0000 000c"))
FAR_NS = 60_000_000_000


class Master:
    """pymodbus as a PLC with one unit. `read` gives what is shown."""

    def __init__(self, port: str) -> None:
        self.client = ModbusSerialClient(port, baudrate=115200, timeout=1, retries=0)
        assert self.client.connect()

    def registers(self) -> list[int]:
        return list(self.client.read_input_registers(0, count=12, device_id=1).registers)

    def read(self) -> Shown:
        return read_input_registers(self.registers())[0]

    def write(self, address: int, *values: int) -> None:
        assert not self.client.write_registers(address, list(values), device_id=1).isError()


@contextmanager
def opened(port: str, **settings: object) -> Iterator[PlcLink]:
    config = ModbusSlaveConfig.model_validate({"driver": "modbus-slave", "port": port, **settings})
    with open_link(config, MonotonicClock()) as link:
        yield link


@contextmanager
def master_on(port: str) -> Iterator[Master]:
    master = Master(port)
    try:
        yield master
    finally:
        master.client.close()


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as cable:
        yield cable


@pytest.fixture
def link(cable: Cable) -> Iterator[PlcLink]:
    with opened(cable.a) as link:
        yield link


@pytest.fixture
def master(cable: Cable) -> Iterator[Master]:
    with master_on(cable.b) as master:
        yield master


def publish(link: PlcLink, trigger_id: int, code: Code = Code.PASS, in_ns: int = FAR_NS) -> None:
    reason = Reason.GOOD if code is Code.PASS else Reason.ANOMALY
    deadline_ns = time.monotonic_ns() + in_ns
    link.publish(Verdict(trigger_id, code, reason), wire_score=300, subset_bits=3, deadline_ns=deadline_ns)


def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def told(link: PlcLink) -> list[tuple[int, DeliveryState]]:
    return [(d.trigger_id, d.state) for d in link.take_deliveries()]


def test_one_part_from_trigger_to_acknowledge(link: PlcLink, master: Master) -> None:
    before_ns = time.monotonic_ns()
    master.write(0, 42, 0, 1)
    trigger = link.wait_trigger(5)
    assert trigger is not None
    assert trigger.trigger_id == 42
    assert before_ns < trigger.received_ns < time.monotonic_ns()
    assert link.plc_alive
    assert master.read() == Shown()
    publish(link, 42)
    assert master.read() == Shown(1, 42, Code.PASS, Reason.GOOD, 3, 300)
    assert told(link) == [(42, DeliveryState.SHOWN)]
    master.write(1, 1)
    assert told(link) == [(42, DeliveryState.ACKNOWLEDGED)]


def test_the_same_trigger_twice_is_one_trigger_and_one_verdict(link: PlcLink, master: Master) -> None:
    master.write(0, 42)
    assert link.wait_trigger(5) is not None
    publish(link, 42)
    first = master.read()
    master.write(0, 42)
    assert link.wait_trigger(0.1) is None
    assert master.read() == first


def test_two_verdicts_in_flight_are_shown_one_after_another(link: PlcLink, master: Master) -> None:
    publish(link, 1)
    publish(link, 2, Code.REJECT)
    assert (master.read().trigger_id, master.read().sequence) == (1, 1)
    master.write(1, 1)
    assert (master.read().trigger_id, master.read().sequence) == (2, 2)


def test_without_acknowledge_the_next_is_shown_after_the_hold_time(cable: Cable, master: Master) -> None:
    with opened(cable.a, hold_ms=0) as link:
        publish(link, 1)
        publish(link, 2)
        assert [master.read().trigger_id for _ in range(2)] == [1, 2]


def test_a_late_pass_is_never_readable(link: PlcLink, master: Master) -> None:
    publish(link, 7, in_ns=-1)
    publish(link, 8, in_ns=1)
    shown = master.read()
    assert (shown.trigger_id, shown.code, shown.reason) == (7, Code.NO_DECISION, Reason.DEADLINE)
    master.write(1, shown.sequence)
    assert (master.read().trigger_id, master.read().code) == (8, Code.NO_DECISION)


def test_the_time_of_the_reply_on_the_wire_counts(cable: Cable, master: Master) -> None:
    with opened(cable.a, baud=1200) as link:
        publish(link, 7, in_ns=200_000_000)  # the reply of 29 bytes takes 242 ms
        assert master.read().code is Code.NO_DECISION


def test_the_heartbeat_moves_only_when_the_loop_beats(link: PlcLink, master: Master) -> None:
    link.beat(StatusBit.READY, [Ne107.GOOD, Ne107.FAILURE])
    first = master.registers()
    assert read_input_registers(first)[1] == Condition(StatusBit.READY, (Ne107.GOOD, Ne107.FAILURE), 1)
    for _ in range(20):
        assert master.registers() == first
    link.beat(StatusBit.READY, [Ne107.GOOD, Ne107.FAILURE])
    assert master.registers()[10] == 2


def test_function_codes_and_refusals(link: PlcLink, master: Master) -> None:
    client = master.client
    client.write_register(4, 9, device_id=1)
    client.write_registers(1, [5, 6], device_id=1)
    assert client.read_holding_registers(0, count=5, device_id=1).registers == [0, 5, 6, 0, 9]
    assert client.read_input_registers(11, count=2, device_id=1).exception_code == 2
    assert client.read_holding_registers(5, count=1, device_id=1).exception_code == 2
    assert client.write_registers(3, [1, 2, 3], device_id=1).exception_code == 2
    assert client.read_coils(0, count=1, device_id=1).exception_code == 1
    assert client.read_holding_registers(0, count=5, device_id=1).registers == [0, 5, 6, 0, 9]


def test_the_blocks_lie_where_the_configuration_says(cable: Cable, master: Master) -> None:
    with opened(cable.a, input_base=1000, holding_base=2000, unit_id=9) as link:
        assert not master.client.write_registers(2000, [42], device_id=9).isError()
        trigger = link.wait_trigger(5)
        assert trigger is not None
        assert trigger.trigger_id == 42
        assert master.client.read_input_registers(1000, count=1, device_id=9).registers == [1]
        assert master.client.read_input_registers(999, count=1, device_id=9).exception_code == 2


def test_a_broadcast_is_obeyed_and_another_units_frame_is_not(link: PlcLink, cable: Cable) -> None:
    with serial.Serial(cable.b, 115200, timeout=0.3) as port:
        port.write(seal(bytes.fromhex("02 06 0000 0007")))
        assert link.wait_trigger(0.1) is None
        port.write(seal(bytes.fromhex("00 06 0000 0008")))
        trigger = link.wait_trigger(5)
        assert trigger is not None
        assert trigger.trigger_id == 8
        assert port.read(1) == b""


def test_noise_between_frames_costs_no_answer(link: PlcLink, cable: Cable) -> None:
    with serial.Serial(cable.b, 115200, timeout=5) as port:
        for noise in (b"", b"\x00", b"\xff\x01\x04", bytes(range(40)), b"\x01\x10\x00\x00\x00\x7b\xf6"):
            port.write(noise + READ_INPUTS)
            assert port.read(29)[:5] == b"\x01\x04\x18\x00\x01", noise
        assert port.in_waiting == 0


def test_a_request_with_another_behind_it_is_not_answered_twice(link: PlcLink, cable: Cable) -> None:
    with serial.Serial(cable.b, 115200, timeout=0.3) as port:
        port.write(READ_INPUTS * 5)
        assert len(port.read(200)) == 29


def test_a_frame_in_pieces_is_understood(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modbus_slave, "SILENCE_S", 1.0)
    with opened(cable.a), serial.Serial(cable.b, 115200, timeout=5) as port:
        for piece in (READ_INPUTS[:3], READ_INPUTS[3:7], READ_INPUTS[7:]):
            port.write(piece)
            port.flush()
        assert len(port.read(29)) == 29


def test_the_plc_may_go_and_come_back(link: PlcLink, cable: Cable) -> None:
    with master_on(cable.b) as first:
        publish(link, 1)
        shown = first.read()
    with master_on(cable.b) as second:
        assert second.read() == shown
        second.write(0, 77)
        trigger = link.wait_trigger(5)
        assert trigger is not None
        assert trigger.trigger_id == 77


def test_a_cut_cable_loses_polls_and_nothing_else(link: PlcLink, cable: Cable, master: Master) -> None:
    master.client.comm_params.timeout_connect = 0.2
    publish(link, 1)
    before = master.read()
    cable.cut()
    with pytest.raises(ModbusIOException):
        master.client.read_input_registers(0, count=12, device_id=1)
    cable.join()
    assert master.read() == before


def test_an_unplugged_adapter_is_opened_again(link: PlcLink, cable: Cable, master: Master) -> None:
    publish(link, 1, in_ns=0)
    publish(link, 2, in_ns=1_000_000)
    cable.unplug()
    ends: list[tuple[int, DeliveryState]] = []
    until(lambda: len(ends.extend(told(link)) or ends) == 2)
    assert ends == [(1, DeliveryState.NOT_DELIVERED), (2, DeliveryState.NOT_DELIVERED)]
    cable.plug()
    publish(link, 3)
    until(lambda: answers(cable))
    assert master.read().trigger_id == 3
    master.write(0, 9)
    trigger = link.wait_trigger(5)
    assert trigger is not None
    assert trigger.trigger_id == 9


def answers(cable: Cable) -> bool:
    with serial.Serial(cable.b, 115200, timeout=0.1) as port:
        port.write(READ_INPUTS)
        return len(port.read(29)) == 29


def test_after_the_end_there_is_silence_and_the_port_is_free(cable: Cable) -> None:
    with opened(cable.a) as link:
        publish(link, 1)
    assert told(link) == [(1, DeliveryState.NOT_DELIVERED)]
    link.close()
    assert not answers(cable)
    with opened(cable.a):
        assert answers(cable)


def test_a_dead_thread_is_not_silent(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Assembler):
        def feed(self, data: bytes) -> list[bytes]:
            raise ZeroDivisionError

    monkeypatch.setattr(modbus_slave, "Assembler", Broken)
    with opened(cable.a) as link, serial.Serial(cable.b, 115200) as port:
        port.write(b"\x01")
        with pytest.raises(RuntimeError, match="thread died"):
            until(lambda: link.wait_trigger(0.01) is not None)


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed: make peers")
def test_mbpoll_reads_and_writes(link: PlcLink, cable: Cable) -> None:
    common = ["mbpoll", "-m", "rtu", "-a", "1", "-b", "115200", "-P", "none", "-o", "5", "-1", "-q"]
    subprocess.run([*common, "-t", "4", "-r", "1", cable.b, "42", "0", "3"], check=True, capture_output=True)
    trigger = link.wait_trigger(5)
    assert trigger is not None
    assert trigger.trigger_id == 42
    publish(link, 42, Code.REJECT)
    command = [*common, "-t", "3", "-r", "1", "-c", "12", cable.b]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    values = [int(line.split("\t")[1]) for line in out.splitlines() if line.startswith("[")]
    assert values == [1, 1, 42, 2, 2, 3, 300, 0, 0, 0, 0, 1]


def test_bytes_that_are_no_modbus_and_another_unit_are_told(link: PlcLink, cable: Cable) -> None:
    with serial.Serial(cable.b, 115200, timeout=0) as port:
        tell_until(port, b"\x80\xf8\x00\xf8", lambda: "no Modbus RTU: check baud" in (link.trouble or ""))
        port.write(READ_INPUTS)
        until(lambda: link.trouble is None)
        others = seal(bytes.fromhex("07 04 0000 000c"))
        tell_until(port, others, lambda: "asks unit 7; we are unit 1" in (link.trouble or ""))


def tell_until(port: serial.Serial, data: bytes, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it was never told"
        port.write(data)
        time.sleep(0.05)
