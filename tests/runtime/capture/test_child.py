"""What a camera's process reports and delivers, without the process: every pipe end is held by the test."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from radar_edge.records import Image
from radar_edge.runtime.capture.child import Reporter, look_at, newest_trigger, usable
from radar_edge.runtime.capture.report import SIZE, Look, Report, dtype_of, shape_of, unpack
from radar_edge.runtime.capture.ring import SLOTS, Ring, RingReader, RingWriter, create_memory
from radar_edge.runtime.capture.seam import FrameKind


class Bench:
    """A reporter, and the runtime's ends of its pipes."""

    def __init__(self, repeats: bool = False) -> None:
        self.memory_fd = create_memory()
        self.reports_fd, reports_w = os.pipe2(os.O_NONBLOCK)
        returns_r, returns_w = os.pipe2(os.O_NONBLOCK)
        self.ring = Ring(self.memory_fd)
        self.reader = RingReader(self.ring, returns_w)
        self.reporter = Reporter(RingWriter(self.ring, returns_r), reports_w, repeats)
        self.fds = (self.memory_fd, self.reports_fd, reports_w, returns_r, returns_w)

    def report(self, image: Image | None, trigger_id: int = 0) -> Report:
        self.reporter.pending = trigger_id or self.reporter.pending
        self.reporter.report(image, 123)
        return self.read()[-1]

    def read(self) -> list[Report]:
        return unpack(os.read(self.reports_fd, 5000 * SIZE))

    def give_back(self, report: Report) -> Image | None:
        assert report.frame is not None
        assert report.kind is not None
        return self.reader.take(report.frame.slot, shape_of(report.kind), dtype_of(report.kind), report.checksum)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.ring.close()
    for fd in made.fds:
        os.close(fd)


def picture(value: int) -> Image:
    return np.full((32, 32), value, np.uint8)


def test_a_period_without_trigger_is_a_heartbeat_only(bench: Bench) -> None:
    report = bench.report(picture(51))
    assert (report.frame_id, report.stamp_ns, report.ok, report.frame) == (1, 123, True, None)
    assert report.look.mean == pytest.approx(0.2)
    assert report.look.clipped == 0


def test_a_trigger_gets_one_frame(bench: Bench) -> None:
    report = bench.report(picture(1), trigger_id=9)
    assert report.frame is not None
    assert report.frame.trigger_id == 9
    np.testing.assert_array_equal(bench.give_back(report), picture(1))
    assert bench.report(picture(2)).frame is None


def test_a_buffer_seen_before_is_no_frame_of_this_part(bench: Bench) -> None:
    bench.report(picture(1))
    assert bench.report(picture(1), trigger_id=9).frame is None
    assert bench.report(None).frame is None
    bench.reporter.pending = 9
    assert bench.report(picture(1)).frame is None
    later = bench.report(picture(2))
    assert later.frame is not None
    assert later.frame.trigger_id == 9
    assert later.dropped == 1  # the bad one


def test_a_source_that_repeats_delivers_equal_frames(bench: Bench) -> None:
    bench.reporter.repeats = True
    bench.report(picture(1))
    report = bench.report(picture(1), trigger_id=9)
    assert report.frame is not None
    assert report.repeats


def test_a_bad_frame_is_a_heartbeat_without_frame(bench: Bench) -> None:
    report = bench.report(None, trigger_id=9)
    assert (report.ok, report.frame, report.dropped) == (False, None, 1)
    assert bench.report(picture(1)).frame is None  # the part has moved on


def test_a_stalled_reader_costs_frames_never_heartbeats(bench: Bench) -> None:
    kept = [bench.report(picture(i), trigger_id=i + 1) for i in range(SLOTS)]
    late = [bench.report(picture(50 + i), trigger_id=50 + i) for i in range(10)]
    assert all(report.ok and report.frame is None for report in late)
    assert late[-1].dropped == 10
    for i, report in enumerate(kept):
        np.testing.assert_array_equal(bench.give_back(report), picture(i))
    assert bench.report(picture(99), trigger_id=99).frame is not None


def test_a_full_pipe_blocks_nothing_and_loses_no_slot(bench: Bench) -> None:
    for i in range(3000):
        bench.reporter.pending = 0 if i < 2900 else i
        bench.reporter.report(picture(i % 200), i)
    held = [report for report in bench.read() if report.frame is not None]
    assert held == []
    for i in range(SLOTS):
        assert bench.report(picture(220 + i), trigger_id=1 + i).frame is not None
    assert bench.reporter.dropped == 100


def test_frame_ids_wrap_to_one(bench: Bench) -> None:
    bench.reporter._frame_id = 65534
    assert [bench.report(picture(i)).frame_id for i in range(3)] == [65535, 1, 2]


def test_a_look_is_relative_to_full_scale() -> None:
    image = np.zeros((64, 64), np.uint16)
    image[:32] = 65535
    assert look_at(image, with_sharpness=False) == Look(0.5, 0.5, 0.0, 1.0, None)
    assert look_at(np.full((16, 16, 3), 255, np.uint8), with_sharpness=False) == Look(1.0, 1.0, 1.0, 1.0, None)


def test_the_ends_of_a_picture_leave_out_single_pixels() -> None:
    image = np.full((512, 640), 30000, np.uint16)
    image[0, 0], image[8, 8] = 65535, 0
    look = look_at(image, with_sharpness=False)
    assert (round(look.low * 65535), round(look.high * 65535)) == (30000, 30000)


def test_a_blurred_picture_is_less_sharp() -> None:
    sharp = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 8)
    found = [look_at(image, with_sharpness=True).sharpness for image in (sharp, blurred)]
    assert found[1] < found[0] / 10
    assert look_at(np.zeros((8, 8), np.uint8), with_sharpness=True).sharpness is None


def test_sharpness_is_measured_twice_a_second(bench: Bench) -> None:
    image = np.zeros((64, 64), np.uint8)
    for k in range(31):
        bench.reporter.report(image + np.uint8(k), 10**9 + k * 10**9 // 30)
    measured = [report for report in bench.read() if report.look.sharpness is not None]
    assert len(measured) == 3


def test_what_the_driver_says_of_clock_and_shutter_is_passed_on(bench: Bench) -> None:
    bench.reporter.report(np.zeros((4, 5, 3), np.uint8), 123, 456, True)
    (report,) = bench.read()
    assert (report.device_ns, report.shutter, report.kind) == (456, True, FrameKind(4, 5, 3, 8))


def test_only_the_newest_trigger_counts() -> None:
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK)
    assert newest_trigger(read_fd, 5) == 5
    os.write(write_fd, struct.pack("<HHH", 1, 2, 3))
    assert newest_trigger(read_fd, 5) == 3
    os.write(write_fd, struct.pack("<H", 7) * 5000)
    assert newest_trigger(read_fd, 0) == 7
    os.close(write_fd)
    assert newest_trigger(read_fd, 5) is None
    os.close(read_fd)


@pytest.mark.parametrize("image", [None, np.zeros((16, 16), np.float32), np.zeros((16, 16), np.int16)])
def test_images_that_no_driver_should_give_are_bad(image: Image | None) -> None:
    assert usable(image) is None


def test_an_image_of_a_good_kind_passes() -> None:
    image = picture(1)
    assert usable(image) is image


def test_it_starts_light() -> None:
    program = (
        "import sys, radar_edge.runtime.capture.child, radar_edge.runtime.capture.replay, "
        "radar_edge.runtime.capture.synthetic; "
        "print(*{'torch', 'onnx', 'onnxruntime', 'scipy', 'typer', 'rich', 'serial'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "\n"
