"""Slots have one owner at a time, copies are whole, and a writer killed at any moment leaves no torn frame."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import numpy as np
import pytest

from radar_edge.config import SyntheticCamera
from radar_edge.records import Image
from radar_edge.runtime.capture.process import CameraProcess
from radar_edge.runtime.capture.report import dtype_of, shape_of
from radar_edge.runtime.capture.ring import SLOTS, Ring, RingReader, RingWriter, checksum, create_memory
from radar_edge.runtime.capture.synthetic import Synthetic

Ends = tuple[RingWriter, RingReader, Ring]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Writer and reader over two mappings of the same memory, as two processes have them."""
    fd = create_memory()
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK)
    theirs, ours = Ring(fd), Ring(fd)
    yield RingWriter(theirs, read_fd), RingReader(ours, write_fd), theirs
    theirs.close()
    ours.close()
    for opened in (fd, read_fd, write_fd):
        os.close(opened)


def picture(value: int, shape: tuple[int, ...] = (32, 48), dtype: type = np.uint16) -> Image:
    return np.full(shape, value, dtype)


@pytest.mark.parametrize(("shape", "dtype"), [((20, 30), np.uint8), ((20, 30, 3), np.uint8), ((31, 17), np.uint16)])
def test_pixels_arrive_as_they_were(ends: Ends, shape: tuple[int, ...], dtype: type) -> None:
    writer, reader, _ = ends
    image = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    slot = writer.put(image)
    assert slot is not None
    copy = reader.take(slot, shape, image.dtype, checksum(image))
    assert copy is not None
    np.testing.assert_array_equal(copy, image)
    assert copy.dtype == image.dtype


def test_a_strided_image_is_stored_in_order(ends: Ends) -> None:
    writer, reader, _ = ends
    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)[::2, ::-3]
    slot = writer.put(image)
    assert slot is not None
    np.testing.assert_array_equal(reader.take(slot, image.shape, image.dtype, checksum(image)), image)


def test_the_copy_is_the_readers_own(ends: Ends) -> None:
    writer, reader, ring = ends
    image = picture(5)
    slot = writer.put(image)
    assert slot is not None
    copy = reader.take(slot, image.shape, image.dtype, checksum(image))
    ring.view(slot, image.shape, image.dtype)[:] = 9
    assert copy is not None
    assert (copy == 5).all()


def test_a_frame_that_changed_after_its_checksum_is_refused(ends: Ends) -> None:
    writer, reader, ring = ends
    image = picture(5)
    slot = writer.put(image)
    assert slot is not None
    ring.view(slot, image.shape, image.dtype)[3, 4] ^= 1
    assert reader.take(slot, image.shape, image.dtype, checksum(image)) is None


def test_a_slot_is_reused_only_when_returned(ends: Ends) -> None:
    writer, reader, _ = ends
    slots = [writer.put(picture(i)) for i in range(SLOTS)]
    assert sorted(slot for slot in slots if slot is not None) == list(range(SLOTS))
    assert writer.put(picture(99)) is None
    for i, slot in enumerate(slots):
        assert slot is not None
        copy = reader.take(slot, (32, 48), np.dtype(np.uint16), checksum(picture(i)))
        assert copy is not None  # nothing was overwritten
        assert writer.put(picture(50 + i)) == slot
    assert writer.put(picture(99)) is None


def test_a_slot_whose_index_was_not_sent_is_free_again(ends: Ends) -> None:
    writer, _, _ = ends
    for _ in range(SLOTS * 3):
        slot = writer.put(picture(1))
        assert slot is not None
        writer.take_back(slot)


def test_a_dead_writer_does_not_trouble_the_reader() -> None:
    fd = create_memory()
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK)
    ring = Ring(fd)
    RingWriter(ring, read_fd).put(picture(5))
    os.close(read_fd)
    copy = RingReader(ring, write_fd).take(SLOTS - 1, (32, 48), np.dtype(np.uint16), checksum(picture(5)))
    assert copy is not None
    ring.close()
    os.close(fd)
    os.close(write_fd)


def test_no_torn_frame_from_a_writer_killed_at_random_moments() -> None:
    camera = SyntheticCamera(
        backend="synthetic", camera_id="a", modality="rgb", fps=500, height=1200, width=1600, seed=3
    )
    drawn = Synthetic(camera)
    known = {checksum(image) for image in (drawn.grab(0) for _ in range(64)) if image is not None}
    chance = random.Random(7)
    frames = 0
    for _ in range(6):
        process = CameraProcess(camera, time.monotonic_ns())
        try:
            kill_at_s = float("inf")
            while not process.dead:
                process.trigger(1)
                for report in process.read(time.monotonic_ns()):
                    if report.frame is not None:
                        assert report.kind is not None
                        where = (report.frame.slot, shape_of(report.kind), dtype_of(report.kind))
                        image = process.reader.take(*where, report.checksum)
                        assert image is not None
                        assert checksum(image) in known
                        frames += 1
                        kill_at_s = min(kill_at_s, time.monotonic() + chance.uniform(0, 0.05))
                if time.monotonic() > kill_at_s:
                    process.kill()
        finally:
            process.close()
    assert frames >= 6
