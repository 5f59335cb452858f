"""Lines of text: the codec alone, and the link with a PLC that is a small program at the other end of a pty."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import serial
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from radar_edge.clock import MonotonicClock
from radar_edge.config import AsciiConfig
from radar_edge.records import Code, Ne107, Reason, Verdict
from radar_edge.runtime.plc import open_link
from radar_edge.runtime.plc.ascii_codec import MAX_LINE_BYTES, Lines, Said, parse_line, seal_line
from radar_edge.runtime.plc.link import DeliveryState, PlcLink, StatusBit
from radar_edge.simulation.cable import Cable

FAR_NS = 60_000_000_000


def crc_of(body: bytes) -> int:
    """CRC-16/MODBUS bit by bit, from its definition: no table of ours."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def sealed(text: str) -> bytes:
    return f"{text}*{crc_of(text.encode()):04X}\r".encode()


def test_lines_by_hand() -> None:
    assert seal_line("P,1,2,3", "crc16") == sealed("P,1,2,3")
    assert seal_line("P,1,2,3", "xor8") == b"P,1,2,3*4C\r"
    assert parse_line(sealed("P,65535,0,7")[:-1], "crc16") == Said(0, (65535, 0, 7))
    assert parse_line(sealed("C,2,9")[:-1], "crc16") == Said(3, (2, 9))


@pytest.mark.parametrize(
    "body",
    [
        "P,1,2",
        "P,1,2,3,4",
        "P,1,2,65536",
        "P,-1,2,3",
        "P,01,2,3",
        "P, 1,2,3",
        "P,1,,3",
        "Q,1,2,3",
        "p,1,2,3",
        "",
        "P,١,2,3",
    ],
)
def test_what_is_not_exactly_a_line_of_ours_says_nothing(body: str) -> None:
    assert parse_line(body.encode() + b"*%04X" % crc_of(body.encode()), "crc16") is None


@given(st.binary(max_size=200), st.sampled_from(["crc16", "xor8"]))
@example(b"*", "xor8")
@example(b"*00", "xor8")
def test_junk_never_raises_and_never_speaks(junk: bytes, kind: str) -> None:
    said = parse_line(junk, kind)
    assert said is None or seal_line(junk.rpartition(b"*")[0].decode(), kind)[:-1] == junk


@given(st.binary(max_size=400), st.integers(1, 40), st.tuples(*[st.integers(0, 65535)] * 3))
def test_a_line_behind_junk_is_found_however_it_arrives(junk: bytes, step: int, values: tuple[int, ...]) -> None:
    stream = junk + b"\r" + sealed("P,{},{},{}".format(*values))
    lines = Lines()
    found = [line for i in range(0, len(stream), step) for line in lines.feed(stream[i : i + step])]
    assert parse_line(found[-1], "crc16") == Said(0, values)


def test_a_line_without_end_is_dropped() -> None:
    lines = Lines()
    assert list(lines.feed(b"x" * 10 * MAX_LINE_BYTES)) == []
    assert list(lines.feed(b"tail\r" + sealed("P,1,2,3"))) == [sealed("P,1,2,3")[:-1]]


@given(st.integers(0, 65535), st.integers(0, 7), st.integers(0, 12))
def test_one_flipped_bit_is_never_accepted(value: int, bit: int, place: int) -> None:
    line = bytearray(sealed(f"P,{value},1,1")[:-1])
    line[place % len(line)] ^= 1 << bit
    assert parse_line(bytes(line), "crc16") is None


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"verdict": "V,{sequence},{code}"}, "the field trigger_id must be there"),
        ({"verdict": "V,{sequence},{trigger_id},{code},{colour}"}, "unknown field colour"),
        ({"verdict": "V*{sequence},{trigger_id},{code}"}, "without '*'"),
        ({"verdict": "V,{sequence},{trigger_id},{code}\r"}, "printable"),
        ({"state": "S,{heartbeat"}, "expected '}'"),
        ({"state": "S"}, "the field heartbeat must be there"),
    ],
)
def test_templates_are_checked_when_line_yaml_is_read(settings: dict, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault.replace("*", r"\*")):
        AsciiConfig.model_validate({"driver": "ascii", "port": "p", **settings})


class Plc:
    """Reads lines, keeps the last verdict and state, and says its own three numbers every 20 ms."""

    def __init__(self, port: str) -> None:
        self.port = serial.Serial(port, 115200, timeout=0.02)
        self.verdicts: list[list[int]] = []
        self.states: list[list[str]] = []
        self.trigger_id = self.acknowledged = 0
        self.acknowledges = True
        self.speaks = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        held, beat, said_s = b"", 0, 0.0
        while not self._stopping.is_set():
            *lines, held = (held + self.port.read(1) + self.port.read(self.port.in_waiting)).split(b"\r")
            for line in lines:
                self._take(line)
            if self.speaks and time.monotonic() - said_s > 0.02:
                said_s, beat = time.monotonic(), beat % 65535 + 1
                self.port.write(sealed(f"P,{self.trigger_id},{self.acknowledged},{beat}"))

    def _take(self, line: bytes) -> None:
        body, _, found = line.rpartition(b"*")
        assert found == b"%04X" % crc_of(body)
        name, *fields = body.decode().split(",")
        if name == "S":
            self.states.append(fields)
        else:
            self.verdicts.append([int(field) for field in fields])
            if self.acknowledges:
                self.acknowledged = self.verdicts[-1][0]

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.port.close()


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as cable:
        yield cable


@pytest.fixture
def plc(cable: Cable) -> Iterator[Plc]:
    plc = Plc(cable.b)
    yield plc
    plc.close()


@contextmanager
def opened(port: str, **settings: object) -> Iterator[PlcLink]:
    with open_link(AsciiConfig.model_validate({"driver": "ascii", "port": port, **settings}), MonotonicClock()) as link:
        yield link


def publish(link: PlcLink, trigger_id: int, code: Code = Code.PASS, in_ns: int = FAR_NS) -> None:
    verdict = Verdict(trigger_id, code, Reason.GOOD if code is Code.PASS else Reason.ANOMALY)
    link.publish(verdict, wire_score=300, subset_bits=3, deadline_ns=time.monotonic_ns() + in_ns)


def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def test_one_part_from_trigger_to_acknowledge(cable: Cable, plc: Plc) -> None:
    with opened(cable.a) as link:
        link.beat(StatusBit.READY, [Ne107.GOOD, Ne107.FAILURE])
        until(lambda: ["1", "1", "00000051"] in plc.states)
        until(lambda: link.plc_alive)
        plc.trigger_id = 42
        trigger = link.wait_trigger(10)
        assert trigger is not None
        assert (trigger.trigger_id, trigger.fresh) == (42, True)
        publish(link, 42)
        until(lambda: bool(plc.verdicts))
        assert plc.verdicts[0] == [1, 42, 1, 1, 3, 300, 1]
        told: list[DeliveryState] = []
        until(lambda: told.extend(d.state for d in link.take_deliveries()) or len(told) == 2)
        assert told == [DeliveryState.SHOWN, DeliveryState.ACKNOWLEDGED]


def test_a_verdict_is_said_again_until_it_is_acknowledged(cable: Cable, plc: Plc) -> None:
    plc.acknowledges = False
    with opened(cable.a) as link:
        publish(link, 7)
        until(lambda: len(plc.verdicts) >= 3)
        assert {tuple(verdict) for verdict in plc.verdicts} == {(1, 7, 1, 1, 3, 300, 0)}
        assert link.take_deliveries() == []
        plc.acknowledged = 1
        until(lambda: bool(link.take_deliveries()))
    assert all(verdict[1] == 7 for verdict in plc.verdicts)


def test_a_pass_is_not_said_after_its_deadline(cable: Cable, plc: Plc) -> None:
    plc.acknowledges = False
    with opened(cable.a) as link:
        publish(link, 7, in_ns=-1)
        until(lambda: bool(plc.verdicts))
        assert plc.verdicts[0][:4] == [1, 7, Code.NO_DECISION, Reason.DEADLINE]
        publish(link, 8, in_ns=150_000_000)
        until(lambda: any(verdict[1] == 8 for verdict in plc.verdicts))
        time.sleep(0.3)
        count = len(plc.verdicts)
        time.sleep(0.2)
        assert len(plc.verdicts) == count


def test_the_templates_of_line_yaml_are_used(cable: Cable, plc: Plc) -> None:
    with opened(cable.a, verdict="X,{sequence},{code},{trigger_id}", beat_ms=20) as link:
        publish(link, 9, Code.REJECT)
        until(lambda: bool(plc.verdicts))
        assert plc.verdicts[0] == [1, 2, 9]


def test_the_heartbeat_stands_still_with_the_loop(cable: Cable, plc: Plc) -> None:
    with opened(cable.a, beat_ms=10) as link:
        link.beat(StatusBit.READY, [])
        until(lambda: len(plc.states) > 20)
        assert {state[0] for state in plc.states[5:]} == {"1"}


def test_damaged_lines_and_another_baud_are_told(cable: Cable) -> None:
    with opened(cable.a) as link, serial.Serial(cable.b, 115200) as port:
        port.write(b"P,1,2,3*0000\r" * 4)
        until(lambda: "lines are damaged" in (link.trouble or ""))
        port.write(sealed("P,0,0,1"))
        until(lambda: link.trouble is None)
        assert link.wait_trigger(0.1) is None
        end = time.monotonic() + 30
        while "no lines ended by CR" not in (link.trouble or ""):
            assert time.monotonic() < end
            port.write(b"\x80\xf8\x00")
            time.sleep(0.05)
