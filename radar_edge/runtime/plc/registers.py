"""Register map 1 as values: the input block that the PLC reads, the holding block that it writes. Knows no wire.

Offsets are from the configurable base of each block; docs/plc.md has the map for the PLC's programmer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from radar_edge.records import Code, Ne107, Reason
from radar_edge.runtime.plc.link import StatusBit

MAP_VERSION = 1
INPUT_COUNT = 12
HOLDING_COUNT = 5
MAX_MODALITIES = 8
MAX_NUMBER = 65535
NO_STATUS = StatusBit(0)


class Input(IntEnum):
    """Offsets of the input registers (ours)."""

    MAP_VERSION = 0
    SEQUENCE = 1
    TRIGGER_ID = 2
    CODE = 3
    REASON = 4
    SUBSET_BITS = 5
    SCORE = 6
    STATUS = 7
    HEALTH = 8
    HEALTH_2 = 9
    HEARTBEAT = 10
    SEQUENCE_AGAIN = 11


class Holding(IntEnum):
    """Offsets of the holding registers (the PLC's)."""

    TRIGGER_ID = 0
    ACKNOWLEDGED = 1
    HEARTBEAT = 2
    COMMAND = 3
    PRODUCT = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """The verdict in registers 1 to 6 and 11. The default, sequence 0, is none."""

    sequence: int = 0
    trigger_id: int = 0
    code: Code = Code.NONE
    reason: Reason = Reason.NONE
    subset_bits: int = 0
    wire_score: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """Our own state in registers 7 to 10. Heartbeat 0: the inspection loop has not begun."""

    status: StatusBit = NO_STATUS
    health: tuple[Ne107, ...] = ()
    heartbeat: int = 0


def next_number(number: int) -> int:
    """The number after `number`: ids, sequences and heartbeats wrap 65535 -> 1, 0 means none."""
    return number + 1 if number < MAX_NUMBER else 1


def input_registers(shown: Shown, condition: Condition) -> tuple[int, ...]:
    """The twelve input registers. Raises ValueError for more than eight modalities."""
    health = _pack_health(condition.health)
    return (
        MAP_VERSION,
        shown.sequence,
        shown.trigger_id,
        shown.code,
        shown.reason,
        shown.subset_bits,
        shown.wire_score,
        condition.status,
        health & 0xFFFF,
        health >> 16,
        condition.heartbeat,
        shown.sequence,
    )


def read_input_registers(registers: Sequence[int]) -> tuple[Shown, Condition]:
    """What the twelve registers say. Raises ValueError unless they are a whole block of map 1."""
    if len(registers) != INPUT_COUNT or registers[Input.MAP_VERSION] != MAP_VERSION:
        raise ValueError(f"not the input block of map {MAP_VERSION}: {list(registers)}")
    if registers[Input.SEQUENCE] != registers[Input.SEQUENCE_AGAIN]:
        raise ValueError("torn read: registers 1 and 11 differ")
    shown = Shown(
        sequence=registers[Input.SEQUENCE],
        trigger_id=registers[Input.TRIGGER_ID],
        code=Code(registers[Input.CODE]),
        reason=Reason(registers[Input.REASON]),
        subset_bits=registers[Input.SUBSET_BITS],
        wire_score=registers[Input.SCORE],
    )
    packed = registers[Input.HEALTH] | registers[Input.HEALTH_2] << 16
    classes = [Ne107(packed >> 4 * i & 0xF) for i in range(MAX_MODALITIES)]
    while classes and classes[-1] is Ne107.NOT_FITTED:
        classes.pop()
    condition = Condition(StatusBit(registers[Input.STATUS]), tuple(classes), registers[Input.HEARTBEAT])
    return shown, condition


def _pack_health(health: Sequence[Ne107]) -> int:
    if len(health) > MAX_MODALITIES:
        raise ValueError(f"register map 1 has room for {MAX_MODALITIES} modalities, not {len(health)}")
    return sum(level << 4 * i for i, level in enumerate(health))
