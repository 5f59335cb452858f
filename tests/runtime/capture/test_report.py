"""Reports survive the trip as bytes, several at once too, and fit into one atomic write."""

from __future__ import annotations

import select

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.runtime.capture.report import SIZE, Look, Report, SlotFrame, dtype_of, pack, shape_of, unpack
from radar_edge.runtime.capture.ring import SLOTS
from radar_edge.runtime.capture.seam import FrameKind, Heartbeat

SIDES = st.integers(1, 2**32 - 1)
SHARES = st.floats(0, 1)
KINDS = st.builds(FrameKind, SIDES, SIDES, st.sampled_from([0, 1, 3, 4]), st.sampled_from([8, 16]))
REPORTS = st.builds(
    Report,
    frame_id=st.integers(1, 65535),
    stamp_ns=st.integers(0, 2**63 - 1),
    checksum=st.integers(0, 2**32 - 1),
    ok=st.booleans(),
    repeats=st.booleans(),
    dropped=st.integers(0, 2**32 - 1),
    look=st.builds(Look, SHARES, SHARES, SHARES, SHARES, st.none() | SHARES),
    kind=st.none() | KINDS,
    device_ns=st.none() | st.integers(-(2**63), 2**63 - 1),
    shutter=st.booleans(),
    frame=st.none() | st.builds(SlotFrame, st.integers(0, SLOTS - 1), st.integers(1, 65535)),
)


@given(st.lists(REPORTS, max_size=5))
def test_round_trip(reports: list[Report]) -> None:
    assert unpack(b"".join(pack(report) for report in reports)) == reports


@given(REPORTS)
def test_one_report_is_one_atomic_write(report: Report) -> None:
    assert len(pack(report)) == SIZE <= select.PIPE_BUF


def test_the_shape_of_a_frame() -> None:
    assert shape_of(FrameKind(4, 5, 0, 16)) == (4, 5)
    assert shape_of(FrameKind(4, 5, 3, 8)) == (4, 5, 3)
    assert dtype_of(FrameKind(4, 5, 0, 16)) == np.uint16
    assert dtype_of(FrameKind(4, 5, 0, 8)) == np.uint8


def test_a_heartbeat_says_what_the_report_says() -> None:
    kind = FrameKind(4, 5, 0, 16)
    report = Report(1, 2, 77, True, False, 0, Look(0.5, 0.25, 0.1, 0.9, 0.01), kind, 99, True)
    beat = report.heartbeat("cam")
    assert beat == Heartbeat("cam", 1, 2, 77, 0.5, 0.25, True, 0.1, 0.9, kind, 0.01, 99, True)


def test_a_source_that_repeats_gives_no_content_hash() -> None:
    assert Report(1, 2, 77, True, False, 0).heartbeat("cam").content_hash == 77
    assert Report(1, 2, 77, True, True, 0).heartbeat("cam").content_hash is None
