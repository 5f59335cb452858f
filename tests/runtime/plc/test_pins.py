"""Two pins, watched through every change: a shim gives the pty modem lines and logs each of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from peer_programs import modem_lines

from radar_edge.clock import MonotonicClock
from radar_edge.config import LinePinsConfig
from radar_edge.errors import PortError
from radar_edge.runtime.plc import open_link
from radar_edge.runtime.plc.link import Trigger
from radar_edge.runtime.plc.triggers import EdgeCounter, IntervalTriggers
from radar_edge.simulation.cable import Cable

PASS, REJECT, IDLE, BLIP = (1, 0), (0, 1), (0, 0), (1, 1)

# Publishes a verdict for each word on stdin: pass, late, reject; beat and stale set the loop's heartbeat.
PROGRAM = """
import sys, time
from radar_edge.clock import MonotonicClock
from radar_edge.config import LinePinsConfig
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.plc import open_link
from radar_edge.runtime.plc.link import StatusBit

config = LinePinsConfig(driver="line", port=sys.argv[1], pulse_ms=50, heartbeat_timeout_ms=60000)
with open_link(config, MonotonicClock()) as link:
    link.beat(StatusBit.READY, [])
    print("ready", flush=True)
    for number, word in enumerate(sys.stdin, 1):
        word = word.strip()
        if word == "trigger":
            trigger = link.wait_trigger(20)
            print("trigger", trigger.trigger_id if trigger else None, flush=True)
            continue
        code = Code.REJECT if word == "reject" else Code.PASS
        deadline_ns = time.monotonic_ns() + (-1 if word == "late" else 10**10)
        link.publish(Verdict(number, code, Reason.GOOD), wire_score=0, subset_bits=0, deadline_ns=deadline_ns)
        print("published", flush=True)
    time.sleep(0.3)
    print([(d.trigger_id, d.state.value, int(d.code)) for d in link.take_deliveries()], flush=True)
"""


class Pins:
    def __init__(self, folder: Path, port: str, program: str = PROGRAM) -> None:
        self.log, self.inputs = folder / "pins.log", folder / "inputs"
        self.inputs.write_text("0")
        environment = {
            **os.environ,
            "LD_PRELOAD": str(modem_lines()),
            "MODEM_LOG": str(self.log),
            "MODEM_INPUTS": str(self.inputs),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, port],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "ready"

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait()

    def levels(self) -> list[tuple[int, int]]:
        """(DTR, RTS) after each change, doubles left out."""
        found: list[tuple[int, int]] = []
        for row in self.log.read_text().splitlines():
            *_, dtr, rts = row.split()
            if not found or found[-1] != (int(dtr), int(rts)):
                found.append((int(dtr), int(rts)))
        return found


def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Pins]:
    with Cable() as cable:
        pins = Pins(tmp_path, cable.a)
        yield pins
        pins.close()


def test_opening_never_reads_pass(pins: Pins) -> None:
    until(lambda: pins.levels()[-1] == IDLE)
    assert pins.levels() == [BLIP, REJECT, IDLE]


def test_verdicts_come_up_from_idle_and_go_back(pins: Pins) -> None:
    for word in ("pass", "reject", "pass", "late"):
        pins.say(word)
        assert pins.line() == "published"
    pins.process.stdin.close()  # type: ignore[union-attr]
    told = pins.line()
    assert pins.process.wait(20) == 0
    assert pins.levels() == [BLIP, REJECT, IDLE, PASS, IDLE, REJECT, IDLE, PASS, IDLE, REJECT, IDLE]
    assert told == str([(1, "shown", 1), (2, "shown", 2), (3, "shown", 1), (4, "shown", 3)])


def test_a_killed_process_leaves_no_change_that_reads_pass(pins: Pins) -> None:
    """The kernel drops both pins together at the last close; before it, they stay as they were."""
    pins.say("pass")
    assert pins.line() == "published"
    until(lambda: pins.levels()[-1] == PASS)
    before = pins.levels()
    pins.process.send_signal(signal.SIGKILL)
    pins.process.wait()
    assert pins.levels() == before
    with Cable() as cable:
        again = Pins(pins.log.parent, cable.a)
        until(lambda: again.levels()[-1] == IDLE)
        after = again.levels()[len(before) :]
        again.close()
    assert PASS not in after


def test_an_edge_on_the_input_is_a_trigger_and_a_level_is_not(pins: Pins) -> None:
    pins.say("trigger")
    time.sleep(0.05)
    pins.inputs.write_text("1")
    assert pins.line() == "trigger 1"
    pins.inputs.write_text("0")
    time.sleep(0.05)
    pins.inputs.write_text("1")
    pins.say("trigger")
    assert pins.line() == "trigger 2"


EDGES = """
import sys, time
from radar_edge.clock import MonotonicClock
from radar_edge.config import TriggerConfig
from radar_edge.runtime.plc.triggers import EdgeTriggers

with EdgeTriggers(TriggerConfig(source="edge", port=sys.argv[1]), MonotonicClock()) as edges:
    print("ready", flush=True)
    for _ in sys.stdin:
        trigger = edges.wait(20)
        print("trigger", trigger.trigger_id, flush=True)
"""


def test_edges_on_a_port_of_their_own_are_triggers(tmp_path: Path) -> None:
    with Cable() as cable:
        pins = Pins(tmp_path, cable.a, EDGES)
        try:
            for number in (1, 2):
                time.sleep(0.05)
                pins.inputs.write_text("1")
                pins.say("wait")
                assert pins.line() == f"trigger {number}"
                pins.inputs.write_text("0")
        finally:
            pins.close()


def test_a_port_without_pins_is_refused() -> None:
    with Cable() as cable, pytest.raises(PortError, match="has no pins DTR and RTS") as caught:
        open_link(LinePinsConfig(driver="line", port=cable.a), MonotonicClock())
    assert caught.value.exit_code == 3


def test_edges_are_counted_and_the_first_level_is_none() -> None:
    edges = EdgeCounter()
    levels = [True, True, False, True, True, False, False, True]
    assert [edges.look(level, at) for at, level in enumerate(levels)] == [
        None,
        None,
        None,
        Trigger(1, 3),
        None,
        None,
        None,
        Trigger(2, 7),
    ]


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns


def test_a_fixed_period_does_not_drift() -> None:
    clock = Hand()
    source = IntervalTriggers(100, clock)
    assert source.wait(0) is None
    clock.ns = 99_000_000
    assert source.wait(0) is None
    clock.ns = 130_000_000
    assert source.wait(0) == Trigger(1, 100_000_000)
    assert source.wait(0) is None
    clock.ns = 205_000_000
    assert source.wait(0) == Trigger(2, 200_000_000)
