"""Modbus RTU as a master: requests as bytes, and what a reply says. Knows no port, no time and no map.

RTU has no transaction id, so a reply can only be held against what was asked: unit, function, length, and for a write
the address and count. That does not tell a late reply from the right one; whoever asks must (modbus_master).

Sources: Modbus Application Protocol V1.1b3 sections 6.3, 6.12 and 7.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from radar_edge.runtime.plc.rtu import READ_HOLDING, WRITE_MANY, is_whole, seal

EXCEPTION_BYTES = 5
FAULTS = {
    1: "it does not know the function",
    2: "it has no such registers",
    3: "it refuses the value",
    4: "it failed",
    6: "it is busy",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and what a right reply to it begins with and how long it is."""

    frame: bytes
    begins: bytes
    length: int

    @property
    def unit(self) -> int:
        return self.frame[0]

    @property
    def function(self) -> int:
        return self.frame[1]


def read_holding(unit: int, address: int, count: int) -> Ask:
    frame = seal(struct.pack(">BBHH", unit, READ_HOLDING, address, count))
    return Ask(frame, bytes((unit, READ_HOLDING, 2 * count)), 5 + 2 * count)


def write_holding(unit: int, address: int, values: Sequence[int]) -> Ask:
    """Function 16. The reply echoes address and count, never the values."""
    head = struct.pack(">BBHH", unit, WRITE_MANY, address, len(values))
    return Ask(seal(head + struct.pack(f">B{len(values)}H", 2 * len(values), *values)), head, 8)


def reply_length(ask: Ask, there: bytes) -> int:
    """How long the reply that begins with `there` will be."""
    is_exception = len(there) >= 2 and there[1] == ask.function | 0x80
    return EXCEPTION_BYTES if is_exception else ask.length


def exception_of(ask: Ask, reply: bytes) -> str | None:
    """Why the slave refused, in words; None if `reply` is no exception to `ask`."""
    if len(reply) != EXCEPTION_BYTES or not is_whole(reply) or reply[:2] != bytes((ask.unit, ask.function | 0x80)):
        return None
    return FAULTS.get(reply[2], f"exception {reply[2]}")


def values_of(ask: Ask, reply: bytes) -> tuple[int, ...] | None:
    """The registers that were read, () for a write; None if `reply` is no reply to `ask`."""
    if len(reply) != ask.length or not reply.startswith(ask.begins) or not is_whole(reply):
        return None
    return struct.unpack(f">{(len(reply) - 5) // 2}H", reply[3:-2]) if ask.function == READ_HOLDING else ()
