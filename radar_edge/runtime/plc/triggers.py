"""Triggers that do not come over the link: an edge on an input pin, or a fixed period. Ids come from a counter.

Knows no verdict. A pin is looked at every millisecond: a pulse must last two.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from types import TracebackType

import serial

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import ModbusSlaveConfig, TriggerConfig
from radar_edge.runtime.plc.link import Trigger
from radar_edge.runtime.plc.port import JOIN_S, PORT_FAULTS, open_port, reopen
from radar_edge.runtime.plc.registers import next_number

LOOK_S = 0.001


class EdgeCounter:
    """Rising edges as triggers. The first level seen is no edge: it may have stood for long."""

    def __init__(self) -> None:
        self._level: bool | None = None
        self._trigger_id = 0

    def look(self, level: bool, now_ns: int) -> Trigger | None:
        rising = self._level is False and level
        self._level = level
        if not rising:
            return None
        self._trigger_id = next_number(self._trigger_id)
        return Trigger(self._trigger_id, now_ns)


def level_of(port: serial.Serial, pin: str) -> bool:
    """Whether the input `pin` (cts, dsr, ri, cd) is on. Raises one of PORT_FAULTS."""
    return bool(getattr(port, pin))


class IntervalTriggers:
    """A part every `period_ms`, from the first call on, on absolute times: no drift. One call at a time."""

    def __init__(self, period_ms: float, clock: Clock) -> None:
        self._period_ns = round(period_ms * NS_PER_MS)
        self._clock = clock
        self._next_ns: int | None = None
        self._trigger_id = 0

    def wait(self, timeout_s: float) -> Trigger | None:
        now_ns = self._clock.now_ns()
        if self._next_ns is None:
            self._next_ns = now_ns + self._period_ns
        if self._next_ns > now_ns:
            threading.Event().wait(min((self._next_ns - now_ns) / NS_PER_S, timeout_s))
        if self._clock.now_ns() < self._next_ns:
            return None
        self._trigger_id = next_number(self._trigger_id)
        trigger = Trigger(self._trigger_id, self._next_ns)
        self._next_ns += self._period_ns
        return trigger


class EdgeTriggers:
    """Edges on a pin of a serial port of its own. A context manager; raises PortError if the port cannot be used."""

    def __init__(self, config: TriggerConfig, clock: Clock) -> None:
        self._pin = config.pin
        self._port_config = ModbusSlaveConfig(driver="modbus-slave", port=config.port)
        self._clock = clock
        self._edges = EdgeCounter()
        self._triggers: queue.SimpleQueue[Trigger] = queue.SimpleQueue()
        self._stopping = threading.Event()
        port = open_port(self._port_config, 0)
        self._thread = threading.Thread(target=self._run, args=(port,), name="trigger", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> Trigger | None:
        try:
            return self._triggers.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _run(self, port: serial.Serial) -> None:
        current: serial.Serial | None = port
        while current is not None:
            with contextlib.closing(current), contextlib.suppress(*PORT_FAULTS):
                while not self._stopping.wait(LOOK_S):
                    trigger = self._edges.look(level_of(current, self._pin), self._clock.now_ns())
                    if trigger is not None:
                        self._triggers.put(trigger)
            current = reopen(lambda: open_port(self._port_config, 0), self._stopping, lambda _: None)

    def __enter__(self) -> EdgeTriggers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(JOIN_S)
