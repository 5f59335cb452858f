"""Modbus RTU requests as bytes: frames out of a stream, what they ask, and the replies. Knows no port, no time, no map.

    unit | function 3, 4  | address | count                    | crc     8 bytes
    unit | function 6     | address | value                    | crc     8 bytes
    unit | function 16    | address | count | n | n bytes      | crc     9 + n bytes

Numbers are big-endian, the CRC is low byte first. Sources: Modbus Application Protocol V1.1b3 sections 6.3, 6.4, 6.6,
6.12 and 7; Modbus over Serial Line V1.02 sections 2.5.1 and 6.2.2.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

READ_HOLDING = 3
READ_INPUT = 4
WRITE_ONE = 6
WRITE_MANY = 16

BROADCAST = 0
MAX_FRAME_BYTES = 256
MAX_READ = 125
MAX_WRITE = 123

# Bytes of a request by function; with a byte count at the given place, the bytes beside those it counts. The functions
# that we refuse stand here too: a request of known length can be refused at once.
_FIXED = {1: 8, 2: 8, READ_HOLDING: 8, READ_INPUT: 8, 5: 8, WRITE_ONE: 8, 22: 10}
_COUNTED = {15: (6, 9), WRITE_MANY: (6, 9), 23: (10, 13)}


class Fault(IntEnum):
    """The exception codes that we answer with."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3


@dataclass(frozen=True, slots=True)
class Read:
    """FC 3 or 4: `count` registers from `address`."""

    unit: int
    function: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Write:
    """FC 6 or 16: `values` from `address`."""

    unit: int
    function: int
    address: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A whole frame that asks for what no slave of ours can do."""

    unit: int
    function: int
    fault: Fault


Request = Read | Write | Refused


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16 of Modbus: polynomial 0xA001 (reflected), start 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def seal(body: bytes) -> bytes:
    """`body` (unit, function, data) with its CRC."""
    return body + struct.pack("<H", crc16(body))


def is_whole(frame: bytes) -> bool:
    """Whether the CRC at the end of `frame` is that of the bytes before it."""
    return len(frame) >= 4 and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")


def parse_request(frame: bytes) -> Request:
    """What a whole frame (as the Assembler gives it) asks. Never raises on what came over a wire."""
    unit, function = frame[0], frame[1]
    if function in (READ_HOLDING, READ_INPUT):
        address, count = struct.unpack(">HH", frame[2:6])
        good = 1 <= count <= MAX_READ
        return Read(unit, function, address, count) if good else Refused(unit, function, Fault.ILLEGAL_VALUE)
    if function == WRITE_ONE:
        address, value = struct.unpack(">HH", frame[2:6])
        return Write(unit, function, address, (value,))
    if function == WRITE_MANY:
        address, count, size = struct.unpack(">HHB", frame[2:7])
        if not 1 <= count <= MAX_WRITE or size != 2 * count:
            return Refused(unit, function, Fault.ILLEGAL_VALUE)
        return Write(unit, function, address, struct.unpack(f">{count}H", frame[7:-2]))
    return Refused(unit, function, Fault.ILLEGAL_FUNCTION)


def read_reply(request: Read, values: Sequence[int]) -> bytes:
    return seal(struct.pack(f">BBB{len(values)}H", request.unit, request.function, 2 * len(values), *values))


def read_reply_bytes(count: int) -> int:
    """Length of the reply with `count` registers."""
    return 5 + 2 * count


def write_reply(request: Write) -> bytes:
    """FC 6 echoes the value, FC 16 the count."""
    last = request.values[0] if request.function == WRITE_ONE else len(request.values)
    return seal(struct.pack(">BBHH", request.unit, request.function, request.address, last))


def exception_reply(request: Request, fault: Fault) -> bytes:
    return seal(struct.pack(">BBB", request.unit, request.function | 0x80, fault))


class Assembler:
    """Finds the requests in a stream of bytes: their length follows from the function code, their end from the CRC.

    Where no frame begins, one byte is dropped and the next is tried, so noise costs no frame behind it once that
    frame is known to be whole. Noise that announces a long frame holds up the rest until `flush`.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; give every frame that is complete and has the right CRC, in order."""
        self._held += data
        return self._take(waiting=True)

    def flush(self) -> list[bytes]:
        """The line fell silent: nothing held can be completed. Gives the frames behind the noise."""
        frames = self._take(waiting=False)
        self._held = b""
        return frames

    def _take(self, waiting: bool) -> list[bytes]:
        frames, start = [], 0
        while start < len(self._held):
            length = _request_bytes(self._held, start)
            if length > len(self._held) - start and waiting:
                break
            frame = self._held[start : start + length]
            if length == len(frame) and is_whole(frame):
                frames.append(frame)
                start += length
            else:
                start += 1
        self._held = self._held[start:]
        return frames


def _request_bytes(data: bytes, start: int) -> int:
    """Length of the request that begins at `start`; at least one more than is there while it cannot be known, and
    0 where none can begin."""
    there = len(data) - start
    if there < 2:
        return 2
    function = data[start + 1]
    if function in _FIXED:
        return _FIXED[function]
    if function not in _COUNTED:
        return 0
    place, beside = _COUNTED[function]
    if there <= place:
        return place + 1
    length = beside + data[start + place]
    return length if length <= MAX_FRAME_BYTES else 0
