"""`radar-edge plc test` with a PLC at the other end that does more and more of what it should."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusException
from typer import Typer
from typer.testing import CliRunner, Result

from radar_edge.cli import plc
from radar_edge.errors import PortError, ShortfallError, UsageError
from radar_edge.simulation.cable import Cable

STEPS = ["port", "heartbeat", "trigger", "verdict", "acknowledge"]


def call(*arguments: str) -> Result:
    app = Typer()
    plc.register(app)
    return CliRunner().invoke(app, ["plc", "test", *arguments])


@contextmanager
def plc_on(port: str, does: int, unit: int = 1) -> Iterator[None]:
    """A pymodbus master that beats (1), announces a part (2), reads the verdict (3), acknowledges it (4)."""
    stopping = threading.Event()

    def run() -> None:
        client = ModbusSerialClient(port, baudrate=115200, timeout=0.3, retries=0)
        client.connect()
        beat = acknowledged = 0
        while not stopping.wait(0.02):
            beat += 1
            trigger_id = 42 if does >= 2 and beat > 10 else 0
            try:
                client.write_registers(0, [trigger_id, acknowledged, beat if does else 0], device_id=unit)
                if does >= 3:
                    registers = client.read_input_registers(0, count=12, device_id=unit).registers
                    assert registers[3] != 1, "a test must tell no PLC to let a part through"
                    assert not registers[7] & 1, "nor be READY"
                    acknowledged = registers[1] if does >= 4 else 0
            except ModbusException:
                continue
        client.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.mark.parametrize("does", range(5))
def test_the_first_step_that_fails_is_named(does: int) -> None:
    with Cable() as cable, plc_on(cable.b, does):
        result = call("--port", cable.a, "--wait-s", "5" if does == 4 else "1.5", "--json")
    document = json.loads(result.stdout.splitlines()[-1])
    assert document["passed"] == STEPS[: does + 1]
    if does == 4:
        assert (result.exit_code, document["failed"]) == (0, None)
    else:
        assert document["failed"] == STEPS[does + 1]
        assert isinstance(result.exception, ShortfallError)
        assert result.exception.next_step


def test_a_plc_that_asks_another_unit_is_told_so() -> None:
    with Cable() as cable, plc_on(cable.b, 4, unit=9):
        result = call("--port", cable.a, "--wait-s", "4")
    assert "the PLC asks unit 9; we are unit 1" in str(result.exception)


def test_a_silent_line_says_so() -> None:
    with Cable() as cable:
        result = call("--port", cable.a, "--driver", "modbus-master", "--wait-s", "1", "--unit-id", "3")
    assert "the PLC, unit 3, does not answer" in str(result.exception)


def test_nonsense_is_the_users_mistake() -> None:
    assert isinstance(call("--port", "/dev/ttyNONE7").exception, PortError)
    for options in (("--driver", "canbus"), ("--driver", "line"), ("--baud", "7"), ("--parity", "mark")):
        assert isinstance(call("--port", "x", *options).exception, UsageError)
