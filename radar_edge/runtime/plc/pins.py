"""The driver `line`: a verdict on two output pins, antivalent. Knows no bytes.

    DTR  RTS
    on   off   PASS, if this came up after the trigger
    off  on    REJECT or NO_DECISION
    off  off   idle, and what a dead process leaves
    on   on    the kernel's blip when the port is opened

Only the first reads PASS, and only as a change: before every verdict the pins lie idle for IDLE_S. On every way one
pin is dropped before the other rises, DTR first, so that no state in between reads PASS. What the PLC took is not
known: SHOWN means that the pins stood.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import serial

from radar_edge.clock import NS_PER_MS, Clock
from radar_edge.config import LinePinsConfig
from radar_edge.errors import PortError
from radar_edge.records import Code, Ne107, Verdict
from radar_edge.runtime.plc.link import Delivery, DeliveryState, PlcLink, StatusBit, Trigger
from radar_edge.runtime.plc.port import JOIN_S, PORT_FAULTS, open_port, reopen
from radar_edge.runtime.plc.registers import next_number
from radar_edge.runtime.plc.triggers import EdgeCounter, level_of

IDLE_S = 0.005
STEP_S = 0.001


@dataclass(frozen=True)
class Due:
    verdict: Verdict
    deadline_ns: int


class PinsLink(PlcLink):
    """Opens the port at once, both pins off. Raises PortError if that cannot be done."""

    def __init__(self, config: LinePinsConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._due: queue.SimpleQueue[Due] = queue.SimpleQueue()
        self._triggers: queue.SimpleQueue[Trigger] = queue.SimpleQueue()
        self._deliveries: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._edges = EdgeCounter()
        self._sequence = 0
        self._trouble: str | None = None
        self._beat_ns = 0
        self._stopping = threading.Event()
        port = open_with_pins(config)
        self._thread = threading.Thread(target=self._run, args=(port,), name="plc-link", daemon=True)
        self._thread.start()

    def wait_trigger(self, timeout_s: float) -> Trigger | None:
        try:
            return self._triggers.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def publish(
        self,
        verdict: Verdict,
        *,
        wire_score: int,  # noqa: ARG002 - two pins carry a verdict and no more
        subset_bits: int,  # noqa: ARG002
        deadline_ns: int,
    ) -> None:
        self._due.put(Due(verdict, deadline_ns))

    def beat(self, status: StatusBit, health: Sequence[Ne107]) -> None:  # noqa: ARG002 - pins carry no health
        self._beat_ns = self._clock.now_ns()

    def take_deliveries(self) -> list[Delivery]:
        taken = []
        with contextlib.suppress(queue.Empty):
            while True:
                taken.append(self._deliveries.get_nowait())
        return taken

    @property
    def plc_alive(self) -> bool:
        """Pins carry no heartbeat: whether the port is there."""
        return self._trouble is None

    @property
    def trouble(self) -> str | None:
        return self._trouble

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(JOIN_S)
        with contextlib.suppress(queue.Empty):
            while True:
                self._report(self._due.get_nowait(), DeliveryState.NOT_DELIVERED, Code.NONE)

    def _run(self, port: serial.Serial) -> None:
        current: serial.Serial | None = port
        while current is not None:
            with contextlib.closing(current), contextlib.suppress(*PORT_FAULTS):
                self._serve(current)
            current = reopen(lambda: open_with_pins(self._config), self._stopping, self._tell)

    def _tell(self, problem: str | None) -> None:
        self._trouble = problem

    def _serve(self, port: serial.Serial) -> None:
        idle(port)
        try:
            while not self._stopping.wait(STEP_S):
                self._look(port)
                with contextlib.suppress(queue.Empty):
                    self._show(port, self._due.get_nowait())
        finally:
            idle(port)

    def _look(self, port: serial.Serial) -> None:
        trigger = self._edges.look(level_of(port, self._config.trigger_pin), self._clock.now_ns())
        if trigger is not None:
            self._triggers.put(trigger)

    def _show(self, port: serial.Serial, due: Due) -> None:
        """Put a verdict on the pins for its pulse. A PASS that is late, or of a loop that stopped, is a reject."""
        try:
            self._stopping.wait(IDLE_S)
            now_ns = self._clock.now_ns()
            fresh = now_ns - self._beat_ns <= self._config.heartbeat_timeout_ms * NS_PER_MS
            code = due.verdict.code
            if code is Code.PASS and not (fresh and now_ns <= due.deadline_ns):
                code = Code.NO_DECISION
            if code is Code.PASS:
                port.dtr = True
            else:
                port.rts = True
        except PORT_FAULTS:
            self._report(due, DeliveryState.NOT_DELIVERED, Code.NONE)
            raise
        self._report(due, DeliveryState.SHOWN, code)
        end_ns = now_ns + round(self._config.pulse_ms * NS_PER_MS)
        while self._clock.now_ns() < end_ns and not self._stopping.wait(STEP_S):
            self._look(port)
        idle(port)

    def _report(self, due: Due, state: DeliveryState, code: Code) -> None:
        self._sequence = next_number(self._sequence)
        self._deliveries.put(Delivery(due.verdict.trigger_id, self._sequence, state, code, self._clock.now_ns()))


def open_with_pins(config: LinePinsConfig) -> serial.Serial:
    """The port with both pins off. Raises PortError if it cannot be opened or has no such pins."""
    port = open_port(config, 0)
    try:
        idle(port)
    except PORT_FAULTS as error:
        port.close()
        raise PortError(
            f"{config.where} has no pins DTR and RTS",
            found=str(error),
            wanted="a serial port with modem lines: a USB adapter's or a board's full RS-232 port",
            next_step="name another port, or use the driver modbus-slave, modbus-master or ascii",
        ) from error
    return port


def idle(port: serial.Serial) -> None:
    """Both pins off, DTR first: with RTS first the pair would read PASS for a moment."""
    port.dtr = False
    port.rts = False
