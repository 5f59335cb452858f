from __future__ import annotations

import os
from pathlib import Path

import pytest
import serial

from radar_edge.errors import MachineError
from radar_edge.simulation.cable import Cable

EVERY_BYTE = bytes(range(256))


def test_every_byte_arrives_both_ways_and_without_echo() -> None:
    with Cable() as cable, serial.Serial(cable.a, timeout=5) as a, serial.Serial(cable.b, timeout=5) as b:
        a.write(EVERY_BYTE)
        assert b.read(256) == EVERY_BYTE
        b.write(EVERY_BYTE)
        assert a.read(256) == EVERY_BYTE
        assert (a.in_waiting, b.in_waiting) == (0, 0)


def test_a_cut_cable_loses_bytes_until_it_is_joined() -> None:
    with Cable() as cable, serial.Serial(cable.a, timeout=0.1) as a, serial.Serial(cable.b, timeout=0.1) as b:
        cable.cut()
        a.write(b"lost")
        assert b.read(4) == b""
        cable.join()
        b.timeout = 5
        a.write(b"here")
        assert b.read(4) == b"here"


def test_an_unplugged_end_is_an_error_and_a_missing_device() -> None:
    with Cable() as cable, serial.Serial(cable.b, timeout=0.1) as b:
        with serial.Serial(cable.a, timeout=5) as a:
            cable.unplug()
            assert not Path(cable.a).exists()
            with pytest.raises((OSError, serial.SerialException)):
                a.read(1)
        b.write(b"lost")
        assert b.read(1) == b""
        cable.plug()
        with serial.Serial(cable.a, timeout=5) as a:
            a.write(b"back")
            b.timeout = 5
            assert b.read(4) == b"back"
            assert a.in_waiting == 0


def test_a_port_may_be_opened_again() -> None:
    with Cable() as cable, serial.Serial(cable.b, timeout=5) as b:
        for _ in range(3):
            with serial.Serial(cable.a, timeout=5) as a:
                a.write(b"x")
                assert b.read(1) == b"x"


def test_what_nobody_reads_is_lost_and_stops_nothing() -> None:
    with Cable() as cable, serial.Serial(cable.a, timeout=5) as a, serial.Serial(cable.b, timeout=5) as b:
        for _ in range(20):
            a.write(bytes(4096))
        b.write(b"still")
        assert a.read(5) == b"still"


def test_nothing_is_left_behind() -> None:
    with Cable() as cable:
        folder = Path(cable.a).parent
        relay = cable._relay.pid
        os.kill(relay, 0)
    cable.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(relay, 0)
    with pytest.raises(MachineError):
        cable.cut()
