"""What the drivers with registers or lines of text share: a port, a thread, the Exchange under one lock. No protocol.

A port that is lost is opened again with capped back-off; meanwhile verdicts whose time is over are reported
NOT_DELIVERED. The thread never moves our heartbeat.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import serial

from radar_edge.clock import NS_PER_MS, Clock
from radar_edge.config import PortConfig
from radar_edge.records import Ne107, Verdict
from radar_edge.runtime.plc.exchange import Exchange
from radar_edge.runtime.plc.link import Command, Delivery, PlcLink, StatusBit, Trigger
from radar_edge.runtime.plc.port import JOIN_S, PORT_FAULTS, char_ns, open_port, reopen

AnyPort = TypeVar("AnyPort", bound=PortConfig)


class SerialLink(PlcLink, Generic[AnyPort]):
    """Opens the port at once. Raises PortError if that cannot be done. A driver adds `_serve`."""

    acknowledge_confirms = False
    """Whether the PLC's acknowledge is all that shows that a verdict arrived."""

    def __init__(self, config: AnyPort, clock: Clock, read_timeout_s: float) -> None:
        self._config = config
        self._clock = clock
        self._read_timeout_s = read_timeout_s
        self._char_ns = char_ns(config)
        self._exchange = Exchange(
            hold_ns=round(config.hold_ms * NS_PER_MS),
            heartbeat_timeout_ns=round(config.heartbeat_timeout_ms * NS_PER_MS),
            acknowledge_confirms=self.acknowledge_confirms,
        )
        self._lock = threading.Lock()
        self._triggers: queue.SimpleQueue[Trigger] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._trouble: str | None = None
        port = open_port(config, read_timeout_s)
        self._thread = threading.Thread(target=self._run, args=(port,), name="plc-link", daemon=True)
        self._thread.start()

    @abstractmethod
    def _serve(self, port: serial.Serial) -> None:
        """Talk until `_stopping` is set. Raises one of PORT_FAULTS when the port is lost."""

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

    def take_commands(self) -> list[Command]:
        with self._lock:
            return self._exchange.take_commands()

    @property
    def plc_alive(self) -> bool:
        with self._lock:
            return self._exchange.plc_alive(self._clock.now_ns())

    @property
    def trouble(self) -> str | None:
        return self._trouble

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(JOIN_S)
        with self._lock:
            self._exchange.close(self._clock.now_ns())

    def _take_holding(self, start: int, values: Sequence[int], received_ns: int) -> None:
        """What the PLC says in its registers, from offset `start`."""
        with self._lock:
            trigger = self._exchange.write_holding(start, values, received_ns)
        if trigger is not None:
            self._triggers.put(trigger)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise RuntimeError("the PLC link's thread died") from self._error

    def _run(self, port: serial.Serial) -> None:
        try:
            current: serial.Serial | None = port
            while current is not None:
                with contextlib.closing(current), contextlib.suppress(*PORT_FAULTS):
                    self._serve(current)
                current = reopen(lambda: open_port(self._config, self._read_timeout_s), self._stopping, self._tell)
        except BaseException as error:  # noqa: BLE001 - kept, and raised by the next wait_trigger or publish
            self._error = error

    def _tell(self, problem: str | None) -> None:
        """Of a try to open the port again. While it is gone, verdicts whose time is over are given up."""
        self._trouble = problem
        with self._lock:
            self._exchange.lose_link(self._clock.now_ns())
