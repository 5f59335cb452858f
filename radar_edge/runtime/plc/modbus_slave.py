"""The driver `modbus-slave`: a Modbus RTU slave on a serial port, which the PLC polls. Knows no verdict's making.

    port --bytes--> rtu.Assembler --request--> exchange.Exchange (under one lock) --registers--> reply --> port

One thread owns the port. It answers polls and never moves our heartbeat. A port that is lost is opened again with
capped back-off; meanwhile verdicts whose time is over are reported NOT_DELIVERED.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Sequence

import serial

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import PlcConfig
from radar_edge.errors import PortError
from radar_edge.records import Ne107, Verdict
from radar_edge.runtime.plc.exchange import Exchange
from radar_edge.runtime.plc.link import Delivery, PlcLink, StatusBit, Trigger
from radar_edge.runtime.plc.port import PORT_FAULTS, char_ns, open_port
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

# Longer than any gap within a frame: USB adapters hold bytes back for up to 16 ms.
SILENCE_S = 0.03
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 2.0
JOIN_S = 3.0

# A reply begins 3.5 characters after the request, 1.75 ms above 19200 baud (Modbus over Serial Line V1.02, 2.5.1.1):
# the time in which a two-wire master turns its transceiver round.
SHORTEST_TURN_NS = 1_750_000


class ModbusSlaveLink(PlcLink):
    """Opens the port at once. Raises PortError if that cannot be done."""

    def __init__(self, config: PlcConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._char_ns = char_ns(config)
        self._turn_s = max(SHORTEST_TURN_NS, self._char_ns * 7 // 2) / NS_PER_S
        self._exchange = Exchange(
            hold_ns=round(config.hold_ms * NS_PER_MS),
            heartbeat_timeout_ns=round(config.heartbeat_timeout_ms * NS_PER_MS),
        )
        self._lock = threading.Lock()
        self._triggers: queue.SimpleQueue[Trigger] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        port = open_port(config, SILENCE_S)
        self._thread = threading.Thread(target=self._run, args=(port,), name="plc-link", daemon=True)
        self._thread.start()

    def wait_trigger(self, timeout_s: float) -> Trigger | None:
        self._raise_error()
        try:
            return self._triggers.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def publish(self, verdict: Verdict, *, wire_score: int, subset_bits: int, deadline_ns: int) -> None:
        self._raise_error()
        with self._lock:
            self._exchange.publish(
                verdict,
                wire_score=wire_score,
                subset_bits=subset_bits,
                deadline_ns=deadline_ns,
                now_ns=self._clock.now_ns(),
            )

    def beat(self, status: StatusBit, health: Sequence[Ne107]) -> None:
        with self._lock:
            self._exchange.beat(status, health)

    def take_deliveries(self) -> list[Delivery]:
        with self._lock:
            return self._exchange.take_deliveries()

    @property
    def plc_alive(self) -> bool:
        with self._lock:
            return self._exchange.plc_alive(self._clock.now_ns())

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(JOIN_S)
        with self._lock:
            self._exchange.close(self._clock.now_ns())

    def _raise_error(self) -> None:
        if self._error is not None:
            raise RuntimeError("the PLC link's thread died") from self._error

    def _run(self, port: serial.Serial) -> None:
        try:
            current: serial.Serial | None = port
            while current is not None:
                with contextlib.closing(current), contextlib.suppress(*PORT_FAULTS):
                    self._serve(current)
                current = self._reopen()
        except BaseException as error:  # noqa: BLE001 - kept, and raised by the next wait_trigger or publish
            self._error = error

    def _reopen(self) -> serial.Serial | None:
        """Try until the port is back; None once the link is being closed."""
        wait_s = FIRST_RETRY_S
        while not self._stopping.wait(wait_s):
            wait_s = min(2 * wait_s, LAST_RETRY_S)
            with self._lock:
                self._exchange.lose_link(self._clock.now_ns())
            with contextlib.suppress(PortError):
                return open_port(self._config, SILENCE_S)
        return None

    def _serve(self, port: serial.Serial) -> None:
        """Answer polls until the link is closed. Raises one of PORT_FAULTS when the port is lost."""
        assembler = Assembler()
        while not self._stopping.is_set():
            data = port.read(1)
            data += port.read(port.in_waiting) if data else b""
            frames = assembler.feed(data) if data else assembler.flush()
            received_ns = self._clock.now_ns()
            asked = [parse_request(frame) for frame in frames]
            ours = [request for request in asked if request.unit in (BROADCAST, self._config.unit_id)]
            for request in ours:
                self._take_write(request, received_ns)
            # A request with another behind it was given up by its master: its answer would pass for the next one's.
            if ours and ours[-1] is asked[-1] and ours[-1].unit != BROADCAST:
                time.sleep(self._turn_s)
                port.write(self._reply(ours[-1]))

    def _take_write(self, request: Request, received_ns: int) -> None:
        if not isinstance(request, Write) or self._fault(request) is not None:
            return
        with self._lock:
            trigger = self._exchange.write_holding(
                request.address - self._config.holding_base, request.values, received_ns
            )
        if trigger is not None:
            self._triggers.put(trigger)

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
