"""A port that cannot be used: one clear message each, exit code 3."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from radar_edge.clock import MonotonicClock
from radar_edge.config import ModbusSlaveConfig
from radar_edge.errors import PortError
from radar_edge.runtime.plc import open_link
from radar_edge.runtime.plc.port import char_ns, port_error
from radar_edge.simulation.cable import Cable

HOLD_PORT = """
import sys, serial
port = serial.Serial(sys.argv[1], exclusive=True)
print("open", flush=True)
sys.stdin.read()
"""


def refusal(port: str) -> PortError:
    with pytest.raises(PortError) as caught:
        open_link(ModbusSlaveConfig(driver="modbus-slave", port=port), MonotonicClock())
    assert caught.value.exit_code == 3
    assert caught.value.next_step
    return caught.value


def test_a_port_that_does_not_exist() -> None:
    error = refusal("/dev/ttyNONE7")
    assert error.problem == "the serial port /dev/ttyNONE7 does not exist"


def test_a_port_that_another_process_has_names_the_process() -> None:
    with Cable() as cable:
        command = [sys.executable, "-c", HOLD_PORT, cable.a]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            error = refusal(cable.a)
            assert "in use by another process" in error.problem
            assert f"pid {holder.pid} (" in str(error.found)
            holder.communicate()
        open_link(ModbusSlaveConfig(driver="modbus-slave", port=cable.a), MonotonicClock()).close()


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot open" in refusal(str(tmp_path / "file")).problem


def test_an_adapter_is_found_by_its_serial_number(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters = [SimpleNamespace(serial_number=None, device="/dev/ttyS0")]
    monkeypatch.setattr(list_ports, "comports", lambda: adapters)
    config = ModbusSlaveConfig(driver="modbus-slave", usb_serial="A10K1234")
    with pytest.raises(PortError, match="no USB serial adapter has the serial number A10K1234"):
        open_link(config, MonotonicClock())
    with Cable() as cable:
        adapters.append(SimpleNamespace(serial_number="A10K1234", device=cable.a))
        open_link(config, MonotonicClock()).close()


def test_a_port_that_cannot_switch_a_transceiver_says_so() -> None:
    with Cable() as cable, pytest.raises(PortError) as caught:
        open_link(ModbusSlaveConfig(driver="modbus-slave", port=cable.a, rs485=True), MonotonicClock())
    assert caught.value.exit_code == 3


def test_missing_rights_are_told_apart() -> None:
    error = port_error("/dev/ttyS0", PermissionError(errno.EACCES, "Permission denied"))
    assert "no permission" in error.problem
    assert "dialout" in str(error.next_step)


@pytest.mark.parametrize(
    ("baud", "parity", "stop_bits", "wanted_ns"),
    [(115200, "none", 1, 86_805), (9600, "even", 1, 1_145_833), (19200, "none", 2, 572_916)],
)
def test_the_time_of_a_character(baud: int, parity: str, stop_bits: int, wanted_ns: int) -> None:
    config = ModbusSlaveConfig(driver="modbus-slave", port="p", baud=baud, parity=parity, stop_bits=stop_bits)
    assert char_ns(config) == wanted_ns
