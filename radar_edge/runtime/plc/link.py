"""The PLC seam: triggers in, one verdict a trigger out, and what became of each. Knows no wire format.

A driver owns its port and its own thread. It never makes a verdict and never moves the heartbeat by
itself: `beat` is called by the inspection loop, so that a dead loop behind a living link is seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from types import TracebackType

from radar_edge.records import Code, Ne107, Verdict


class StatusBit(IntFlag):
    """Register 7, lower byte. PRODUCT: none is selected, or it is being changed. The upper byte is its number."""

    READY = 1
    BUSY = 2
    DEGRADED = 4
    FAULT = 8
    JOURNAL = 16
    PRODUCT = 32


@dataclass(frozen=True, slots=True)
class Trigger:
    """A part is there. `received_ns` is when the last byte of its announcement arrived.

    `fresh` is False for an id that stood there when we came: it may be of a part that passed long ago.
    """

    trigger_id: int
    received_ns: int
    fresh: bool = True


class CommandCode(IntEnum):
    """Holding register 3. SELECT means the product whose number stands in holding register 4."""

    NONE = 0
    RESET = 1
    SELECT = 2


@dataclass(frozen=True, slots=True)
class Command:
    """What the PLC wants besides verdicts. `code` may be a number that is no CommandCode."""

    code: int
    product: int
    received_ns: int


class DeliveryState(str, Enum):
    """SHOWN: the PLC read its code for the first time, which is final from then on. ACKNOWLEDGED: the PLC wrote its
    sequence after that. NOT_DELIVERED: nobody read it in its time, or the link ended; nobody ever will."""

    SHOWN = "shown"
    ACKNOWLEDGED = "acknowledged"
    NOT_DELIVERED = "not_delivered"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a published verdict. `code` is what the PLC read: a PASS that came too late was shown as
    NO_DECISION; NONE if it was not delivered. `sequence` is 0 if it never got one."""

    trigger_id: int
    sequence: int
    state: DeliveryState
    code: Code
    at_ns: int


class PlcLink(ABC):
    """One link to one PLC. All methods may be called from any thread; none blocks on the wire."""

    @abstractmethod
    def wait_trigger(self, timeout_s: float) -> Trigger | None:
        """The next trigger with an id not seen just before; None after `timeout_s` without one."""

    @abstractmethod
    def publish(self, verdict: Verdict, *, wire_score: int, subset_bits: int, deadline_ns: int) -> None:
        """Queue a verdict for the wire. It is shown when the one before it is acknowledged or its hold time is
        over; a PASS that the PLC would first read after `deadline_ns` reads NO_DECISION, reason DEADLINE."""

    @abstractmethod
    def beat(self, status: StatusBit, health: Sequence[Ne107]) -> None:
        """Advance our heartbeat by one and set the status and the health of each modality in config order.
        Called by the inspection loop only while it makes progress."""

    @abstractmethod
    def take_deliveries(self) -> list[Delivery]:
        """What became of verdicts since the last call."""

    def take_commands(self) -> list[Command]:
        """Commands since the last call, in order. One that came before a trigger is there when `wait_trigger` gives
        that trigger. A link whose wire carries no commands has none."""
        return []

    @property
    @abstractmethod
    def plc_alive(self) -> bool:
        """Whether the PLC's heartbeat moved within its timeout."""

    @property
    def trouble(self) -> str | None:
        """What is wrong with the link, in words, for a person; None while nothing is."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Make the registers unreadable or NO_DECISION, stop the thread and free the port. May be called twice."""

    def __enter__(self) -> PlcLink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
