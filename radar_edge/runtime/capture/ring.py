"""Owned frame slots in memory shared by a camera's process and the runtime. Knows pixels and slots, no camera.

    writer (child)  --- slot index + checksum, in a report --->  reader (runtime)
                    <------- slot index, one byte ------------

A slot belongs to the writer until its index is sent, then to the reader until the index comes back; so
nobody writes what another reads, and a stalled reader costs frames, never a torn one. The reader checks
the CRC-32 of its own copy: aarch64 orders memory weakly and Python has no fences.

The memory is a memfd: it has no name, so nothing is left behind whoever dies, it is not bound by the size
of /dev/shm (64 MiB in a container), and its pages exist only once touched.
"""

from __future__ import annotations

import mmap
import os
import zlib
from contextlib import suppress
from typing import TypeAlias

import numpy as np

from radar_edge.records import Image

PixelType: TypeAlias = "np.dtype[np.uint8] | np.dtype[np.uint16]"

SLOTS = 4
SLOT_BYTES = 512 << 20
"""Room for the largest frame that line.yaml can ask for: 8192 x 8192 x 3 of 16 bit. Address space, not memory."""


def create_memory() -> int:
    """A file descriptor of fresh memory for a Ring. Not inherited unless passed on."""
    fd = os.memfd_create("radar-edge-ring")
    os.ftruncate(fd, SLOTS * SLOT_BYTES)
    return fd


def checksum(image: Image) -> int:
    """CRC-32 of the pixels in C order."""
    return zlib.crc32(np.ascontiguousarray(image).data)


class Ring:
    """SLOTS slots in the memory of `fd`. Owns its mapping, not `fd`."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SLOTS * SLOT_BYTES)

    def view(self, slot: int, shape: tuple[int, ...], dtype: PixelType) -> Image:
        """The slot's pixels themselves. Let go of it before `close`."""
        pixels: Image = np.ndarray(shape, dtype, self._memory, offset=slot * SLOT_BYTES)
        return pixels

    def close(self) -> None:
        self._memory.close()


class RingWriter:
    """The camera process's end. `returns_fd`: the non-blocking read end of the pipe of returned indices."""

    def __init__(self, ring: Ring, returns_fd: int) -> None:
        self._ring = ring
        self._returns_fd = returns_fd
        self._free = list(range(SLOTS))

    def put(self, image: Image) -> int | None:
        """The slot that now holds the image, the reader's once its index is sent; None if no slot is free."""
        self._collect()
        if not self._free:
            return None
        slot = self._free.pop()
        self._ring.view(slot, image.shape, image.dtype)[:] = image
        return slot

    def take_back(self, slot: int) -> None:
        """Own a slot again whose index could not be sent."""
        self._free.append(slot)

    def _collect(self) -> None:
        try:
            self._free += os.read(self._returns_fd, SLOTS)
        except BlockingIOError:
            return


class RingReader:
    """The runtime's end. `returns_fd`: the write end, which never fills: at most SLOTS bytes are on their way."""

    def __init__(self, ring: Ring, returns_fd: int) -> None:
        self._ring = ring
        self._returns_fd = returns_fd

    def take(self, slot: int, shape: tuple[int, ...], dtype: PixelType, wanted_checksum: int) -> Image | None:
        """A copy of the slot's frame, None if its checksum is another. The slot goes back to the writer,
        unless that has died and its slots with it."""
        image: Image = self._ring.view(slot, shape, dtype).copy()
        with suppress(BrokenPipeError):
            os.write(self._returns_fd, bytes([slot]))
        return image if checksum(image) == wanted_checksum else None
