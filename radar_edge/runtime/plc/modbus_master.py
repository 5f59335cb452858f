"""The driver `modbus-master`: we read and write the PLC's holding registers. Knows no verdict's making.

    round: read the PLC's five -> write our twelve -> read our twelve back -> the same? then they are delivered

The acknowledge of a write says nothing: RTU has no transaction id, and the reply to the part before, 30 ms late, looks
just like it. So delivered is what reads back, sequence included, and after a reply that did not come in time
everything that arrives is thrown away until the line has been silent for as long. One thread owns the port.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import serial

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import ModbusMasterConfig
from radar_edge.runtime.plc import rtu_master
from radar_edge.runtime.plc.port import PORT_FAULTS, char_ns
from radar_edge.runtime.plc.registers import (
    HOLDING_COUNT,
    INPUT_COUNT,
    Condition,
    Input,
    Shown,
    input_registers,
)
from radar_edge.runtime.plc.serial_link import SerialLink

READ_STEP_S = 0.005
TURN_NS = 1_750_000
"""Silence before a request, at least 3.5 characters (Modbus over Serial Line V1.02, 2.5.1.1)."""
LONGEST_DRAIN = 10
"""Silences waited for after a reply that did not come, on a line that is never silent."""


class Asker:
    """One request and its reply at a time. `trouble` says in words why the last one failed, None if it did not."""

    def __init__(self, config: ModbusMasterConfig, clock: Clock, stopping: Callable[[], bool] = lambda: False) -> None:
        self._config = config
        self._clock = clock
        self._stopping = stopping
        self._char_ns = char_ns(config)
        self.trouble: str | None = None

    def ask(self, port: serial.Serial, ask: rtu_master.Ask) -> tuple[int, ...] | None:
        """The registers of the reply; None if none came in time, which is told."""
        time.sleep(max(TURN_NS, self._char_ns * 7 // 2) / NS_PER_S)
        port.reset_input_buffer()
        port.write(ask.frame)
        until_ns = self._clock.now_ns() + self.wire_ns(len(ask.frame)) + self._timeout_ns(ask.length)
        reply = b""
        while len(reply) < rtu_master.reply_length(ask, reply) and self._clock.now_ns() < until_ns:
            reply += port.read(rtu_master.reply_length(ask, reply) - len(reply))
        values = rtu_master.values_of(ask, reply)
        if values is None:
            self._explain(ask, reply)
            self._drain(port)
        else:
            self.trouble = None
        return values

    def _explain(self, ask: rtu_master.Ask, reply: bytes) -> None:
        refused = rtu_master.exception_of(ask, reply)
        address = int.from_bytes(ask.frame[2:4], "big")
        if refused is not None:
            self.trouble = f"the PLC refuses function {ask.function} at register {address}: {refused}"
        elif not reply:
            self.trouble = f"the PLC, unit {ask.unit}, does not answer: check unit_id, wiring and baud"
        elif reply[0] != ask.unit:
            self.trouble = f"what answers is not unit {ask.unit}: check unit_id, baud, parity and stop bits"
        else:
            self.trouble = "the PLC's answers are damaged or late"

    def _drain(self, port: serial.Serial) -> None:
        """Throw away what comes until the line has been silent for as long as a reply may take."""
        silent_ns = round(self._config.reply_timeout_ms * NS_PER_MS)
        now_ns = self._clock.now_ns()
        quiet_from_ns, give_up_ns = now_ns, now_ns + LONGEST_DRAIN * silent_ns
        while now_ns - quiet_from_ns < silent_ns and now_ns < give_up_ns and not self._stopping():
            if port.read(256):
                quiet_from_ns = self._clock.now_ns()
            now_ns = self._clock.now_ns()

    def wire_ns(self, size: int) -> int:
        """Time of so many bytes on the wire."""
        return size * self._char_ns

    def _timeout_ns(self, reply_bytes: int) -> int:
        return self.wire_ns(reply_bytes) + round(self._config.reply_timeout_ms * NS_PER_MS)


class ModbusMasterLink(SerialLink[ModbusMasterConfig]):
    """Opens the port at once. Raises PortError if that cannot be done."""

    def __init__(self, config: ModbusMasterConfig, clock: Clock) -> None:
        self._delivered: tuple[int, ...] = ()
        self._asker = Asker(config, clock, lambda: self._stopping.is_set())
        super().__init__(config, clock, READ_STEP_S)

    @property
    def trouble(self) -> str | None:
        return self._trouble or self._asker.trouble

    def _serve(self, port: serial.Serial) -> None:
        self._delivered = ()
        while not self._stopping.wait(self._config.poll_ms / 1000):
            self._round(port)
        try:
            self._asker.ask(port, self._write(input_registers(Shown(), Condition())))
        except PORT_FAULTS:
            return

    def _round(self, port: serial.Serial) -> None:
        config = self._config
        theirs = self._asker.ask(port, rtu_master.read_holding(config.unit_id, config.holding_base, HOLDING_COUNT))
        if theirs is None:
            with self._lock:
                self._exchange.lose_link(self._clock.now_ns())
            return
        self._take_holding(0, theirs, self._clock.now_ns())
        now_ns = self._clock.now_ns()
        with self._lock:
            ours = self._exchange.offer(now_ns, now_ns + self._asker.wire_ns(9 + 2 * INPUT_COUNT))
        written = self._asker.ask(port, self._write(ours))
        verdict = ours[Input.SEQUENCE : Input.SCORE + 1]
        if verdict == self._delivered and written is not None:
            return
        self._delivered = ()
        there = self._asker.ask(port, rtu_master.read_holding(config.unit_id, config.input_base, INPUT_COUNT))
        if there == ours:
            self._delivered = verdict
            with self._lock:
                self._exchange.confirm(ours[Input.SEQUENCE], self._clock.now_ns())

    def _write(self, registers: tuple[int, ...]) -> rtu_master.Ask:
        return rtu_master.write_holding(self._config.unit_id, self._config.input_base, registers)
