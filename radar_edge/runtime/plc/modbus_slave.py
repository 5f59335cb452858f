"""The driver `modbus-slave`: a Modbus RTU slave on a serial port, which the PLC polls. Knows no verdict's making.

    port --bytes--> rtu.Assembler --request--> exchange.Exchange (under one lock) --registers--> reply --> port

One thread owns the port. It answers polls and never moves our heartbeat. What it hears and cannot use is told in words.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import serial

from radar_edge.clock import NS_PER_S, Clock
from radar_edge.config import ModbusSlaveConfig
from radar_edge.runtime.plc.port import char_ns
from radar_edge.runtime.plc.registers import HOLDING_COUNT, INPUT_COUNT
from radar_edge.runtime.plc.rtu import (
    BROADCAST,
    READ_INPUT,
    Assembler,
    Fault,
    Read,
    Refused,
    Request,
    Write,
    exception_reply,
    parse_request,
    read_reply,
    read_reply_bytes,
    write_reply,
)
from radar_edge.runtime.plc.serial_link import SerialLink

# Longer than any gap within a frame: USB adapters hold bytes back for up to 16 ms.
SILENCE_S = 0.03

TELL_AFTER_NS = 1 * NS_PER_S
LEAST_JUNK = 16
"""A few stray bytes are noise; so many in a second without one frame are another baud rate."""

# A reply begins 3.5 characters after the request, 1.75 ms above 19200 baud (Modbus over Serial Line V1.02, 2.5.1.1):
# the time in which a two-wire master turns its transceiver round.
SHORTEST_TURN_NS = 1_750_000


class Listener:
    """What is wrong with what we hear, in words: other units, or bytes that are no Modbus. Time is an argument."""

    def __init__(self, unit: int) -> None:
        self._unit = unit
        self._junk = 0
        self._since_ns: int | None = None
        self._others: set[int] = set()

    def heard(self, size: int, units: Sequence[int], now_ns: int) -> str | None:
        """`size` bytes arrived, and with them whole requests to `units`."""
        if any(unit in (BROADCAST, self._unit) for unit in units):
            self._junk, self._others, self._since_ns = 0, set(), None
            return None
        self._others.update(units)
        self._junk = 0 if units else self._junk + size
        if (self._junk or self._others) and self._since_ns is None:
            self._since_ns = now_ns
        if self._since_ns is None or now_ns - self._since_ns < TELL_AFTER_NS:
            return None
        if self._others:
            return f"the PLC asks unit {', '.join(map(str, sorted(self._others)))}; we are unit {self._unit}"
        if self._junk >= LEAST_JUNK:
            return "what arrives is no Modbus RTU: check baud, parity and stop bits, and the wiring"
        return None


class ModbusSlaveLink(SerialLink[ModbusSlaveConfig]):
    """Opens the port at once. Raises PortError if that cannot be done."""

    def __init__(self, config: ModbusSlaveConfig, clock: Clock) -> None:
        self._listener = Listener(config.unit_id)
        self._turn_s = max(SHORTEST_TURN_NS, char_ns(config) * 7 // 2) / NS_PER_S
        super().__init__(config, clock, SILENCE_S)

    def _serve(self, port: serial.Serial) -> None:
        """Answer polls until the link is closed. Raises one of PORT_FAULTS when the port is lost."""
        assembler = Assembler()
        while not self._stopping.is_set():
            data = port.read(1)
            data += port.read(port.in_waiting) if data else b""
            frames = assembler.feed(data) if data else assembler.flush()
            received_ns = self._clock.now_ns()
            asked = [parse_request(frame) for frame in frames]
            self._trouble = self._listener.heard(len(data), [request.unit for request in asked], received_ns)
            ours = [request for request in asked if request.unit in (BROADCAST, self._config.unit_id)]
            for request in ours:
                self._take_write(request, received_ns)
            # A request with another behind it was given up by its master: its answer would pass for the next one's.
            if ours and ours[-1] is asked[-1] and ours[-1].unit != BROADCAST:
                time.sleep(self._turn_s)
                port.write(self._reply(ours[-1]))

    def _take_write(self, request: Request, received_ns: int) -> None:
        if isinstance(request, Write) and self._fault(request) is None:
            self._take_holding(request.address - self._config.holding_base, request.values, received_ns)

    def _fault(self, request: Read | Write) -> Fault | None:
        """ILLEGAL_ADDRESS unless the request lies within its block."""
        inputs = request.function == READ_INPUT
        base = self._config.input_base if inputs else self._config.holding_base
        size = INPUT_COUNT if inputs else HOLDING_COUNT
        count = request.count if isinstance(request, Read) else len(request.values)
        inside = base <= request.address and request.address + count <= base + size
        return None if inside else Fault.ILLEGAL_ADDRESS

    def _reply(self, request: Request) -> bytes:
        if isinstance(request, Refused):
            return exception_reply(request, request.fault)
        fault = self._fault(request)
        if fault is not None:
            return exception_reply(request, fault)
        return write_reply(request) if isinstance(request, Write) else read_reply(request, self._read(request))

    def _read(self, request: Read) -> tuple[int, ...]:
        with self._lock:
            if request.function != READ_INPUT:
                return self._exchange.read_holding(request.address - self._config.holding_base, request.count)
            now_ns = self._clock.now_ns()
            done_ns = now_ns + read_reply_bytes(request.count) * self._char_ns
            return self._exchange.read_inputs(request.address - self._config.input_base, request.count, now_ns, done_ns)
