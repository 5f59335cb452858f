"""The driver `modbus-slave`: a Modbus RTU slave on a serial port, which the PLC polls. Knows no verdict's making.

    port --bytes--> Slave: rtu.Assembler --request--> exchange.Exchange (under one lock) --registers--> reply --> port

One thread owns the port. It answers polls and never moves our heartbeat. What it hears and cannot use is told in words.
Slave is the protocol without its port, thread and lock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import serial

from radar_edge.clock import NS_PER_S, Clock
from radar_edge.config import ModbusSlaveConfig
from radar_edge.runtime.plc.exchange import Exchange
from radar_edge.runtime.plc.link import Trigger
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


class Slave:
    """Bytes in, triggers and reply bytes out. Time is an argument; its owner holds the lock of `exchange`."""

    def __init__(self, config: ModbusSlaveConfig, exchange: Exchange) -> None:
        self._config = config
        self._exchange = exchange
        self._char_ns = char_ns(config)
        self._assembler = Assembler()
        self._listener = Listener(config.unit_id)
        self.trouble: str | None = None
        """What is wrong with what is heard, in words."""

    def hear(self, data: bytes, now_ns: int) -> tuple[list[Trigger], Request | None]:
        """What `data` announces, and the request that wants an answer now; no `data` means that the wire is silent."""
        frames = self._assembler.feed(data) if data else self._assembler.flush()
        asked = [parse_request(frame) for frame in frames]
        self.trouble = self._listener.heard(len(data), [request.unit for request in asked], now_ns)
        ours = [request for request in asked if request.unit in (BROADCAST, self._config.unit_id)]
        triggers = [trigger for request in ours if (trigger := self._written(request, now_ns)) is not None]
        # A request with another behind it was given up by its master: its answer would pass for the next one's.
        answered = ours and ours[-1] is asked[-1] and ours[-1].unit != BROADCAST
        return triggers, ours[-1] if answered else None

    def _written(self, request: Request, now_ns: int) -> Trigger | None:
        if not isinstance(request, Write) or self._fault(request) is not None:
            return None
        return self._exchange.write_holding(request.address - self._config.holding_base, request.values, now_ns)

    def _fault(self, request: Read | Write) -> Fault | None:
        """ILLEGAL_ADDRESS unless the request lies within its block."""
        inputs = request.function == READ_INPUT
        base = self._config.input_base if inputs else self._config.holding_base
        size = INPUT_COUNT if inputs else HOLDING_COUNT
        count = request.count if isinstance(request, Read) else len(request.values)
        inside = base <= request.address and request.address + count <= base + size
        return None if inside else Fault.ILLEGAL_ADDRESS

    def reply(self, request: Request, now_ns: int) -> bytes:
        """The answer, whose first byte leaves at `now_ns`."""
        if isinstance(request, Refused):
            return exception_reply(request, request.fault)
        fault = self._fault(request)
        if fault is not None:
            return exception_reply(request, fault)
        return write_reply(request) if isinstance(request, Write) else read_reply(request, self._read(request, now_ns))

    def _read(self, request: Read, now_ns: int) -> tuple[int, ...]:
        if request.function != READ_INPUT:
            return self._exchange.read_holding(request.address - self._config.holding_base, request.count)
        done_ns = now_ns + read_reply_bytes(request.count) * self._char_ns
        return self._exchange.read_inputs(request.address - self._config.input_base, request.count, now_ns, done_ns)


class ModbusSlaveLink(SerialLink[ModbusSlaveConfig]):
    """Opens the port at once. Raises PortError if that cannot be done."""

    def __init__(self, config: ModbusSlaveConfig, clock: Clock) -> None:
        self._turn_s = max(SHORTEST_TURN_NS, char_ns(config) * 7 // 2) / NS_PER_S
        super().__init__(config, clock, SILENCE_S)

    def _serve(self, port: serial.Serial) -> None:
        """Answer polls until the link is closed. Raises one of PORT_FAULTS when the port is lost."""
        slave = Slave(self._config, self._exchange)
        while not self._stopping.is_set():
            data = port.read(1)
            data += port.read(port.in_waiting) if data else b""
            received_ns = self._clock.now_ns()
            with self._lock:
                triggers, request = slave.hear(data, received_ns)
            self._trouble = slave.trouble
            for trigger in triggers:
                self._triggers.put(trigger)
            if request is not None:
                time.sleep(self._turn_s)
                with self._lock:
                    reply = slave.reply(request, self._clock.now_ns())
                port.write(reply)
