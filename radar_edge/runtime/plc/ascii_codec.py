"""Lines of text with a checksum: `BODY*SUM` and CR. Pure; knows no port, no time and no template.

    from the PLC   P,<trigger id>,<acknowledged sequence>,<heartbeat>*SUM   always all three: a lost line costs nothing
                   C,<command>,<product>*SUM
    to the PLC     what the templates of line.yaml say, *SUM

SUM covers every character before `*`, as capital hexadecimal: four digits of CRC-16 (the Modbus polynomial), or two of
the characters' exclusive or, which lets one damaged line in 256 through and is there for PLCs that can do no better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from radar_edge.runtime.plc.rtu import crc16

END = b"\r"
MAX_LINE_BYTES = 120
MAX_NUMBER = 65535


@dataclass(frozen=True, slots=True)
class Said:
    """What a line of the PLC says: values for the holding registers from `start`."""

    start: int
    values: tuple[int, ...]


def checksum(body: bytes, kind: str) -> bytes:
    if kind == "crc16":
        return b"%04X" % crc16(body)
    return b"%02X" % reduce(lambda a, b: a ^ b, body, 0)


def seal_line(text: str, kind: str) -> bytes:
    body = text.encode("ascii")
    return body + b"*" + checksum(body, kind) + END


SHAPES = {b"P": (0, 3), b"C": (3, 2)}
"""First field -> (first holding register, count of numbers)."""


def parse_line(line: bytes, kind: str) -> Said | None:
    """What `line` (without its CR) says; None if it is not exactly a line of ours. Never raises."""
    body, star, found = line.rpartition(b"*")
    if not star or found != checksum(body, kind):
        return None
    name, *fields = body.split(b",")
    if name not in SHAPES or len(fields) != SHAPES[name][1]:
        return None
    numbers = [number(field) for field in fields]
    if any(value is None for value in numbers):
        return None
    return Said(SHAPES[name][0], tuple(value for value in numbers if value is not None))


def number(field: bytes) -> int | None:
    """A decimal number of 0 to 65535 without sign, space or needless zero."""
    if not (1 <= len(field) <= 5 and field.isdigit()) or (len(field) > 1 and field[:1] == b"0"):
        return None
    value = int(field)
    return value if value <= MAX_NUMBER else None


class Lines:
    """Finds the lines in a stream of bytes. A line that grows too long is noise and is dropped up to its end."""

    def __init__(self) -> None:
        self._held = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what arrived; give every complete line without its CR; a leading LF is dropped."""
        self._held += data
        *whole, self._held = self._held.split(END)
        for line in whole:
            if not self._skipping and len(line) <= MAX_LINE_BYTES:
                yield line.removeprefix(b"\n")
            self._skipping = False
        if len(self._held) > MAX_LINE_BYTES:
            self._held, self._skipping = b"", True
