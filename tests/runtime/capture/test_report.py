"""Reports survive the trip as bytes, several at once too, and fit into one atomic write."""

from __future__ import annotations

import select

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.runtime.capture.report import SIZE, Report, SlotFrame, pack, unpack
from radar_edge.runtime.capture.ring import SLOTS

SIDES = st.integers(1, 2**32 - 1)
FRAMES = st.builds(
    SlotFrame,
    st.integers(0, SLOTS - 1),
    st.integers(1, 65535),
    SIDES,
    SIDES,
    st.sampled_from([0, 1, 3, 4]),
    st.sampled_from([1, 2]),
)
REPORTS = st.builds(
    Report,
    st.integers(1, 65535),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.none() | FRAMES,
)


@given(st.lists(REPORTS, max_size=5))
def test_round_trip(reports: list[Report]) -> None:
    assert unpack(b"".join(pack(report) for report in reports)) == reports


@given(REPORTS)
def test_one_report_is_one_atomic_write(report: Report) -> None:
    assert len(pack(report)) == SIZE <= select.PIPE_BUF


def test_the_shape_of_a_frame() -> None:
    assert SlotFrame(0, 1, 4, 5, 0, 2).shape == (4, 5)
    assert SlotFrame(0, 1, 4, 5, 3, 1).shape == (4, 5, 3)
    assert SlotFrame(0, 1, 4, 5, 0, 2).dtype == np.uint16
    assert SlotFrame(0, 1, 4, 5, 0, 1).dtype == np.uint8


def test_a_source_that_repeats_gives_no_content_hash() -> None:
    report = Report(1, 2, 77, 0.5, 0.25, True, False, 0)
    assert report.heartbeat("cam").content_hash == 77
    assert Report(1, 2, 77, 0.5, 0.25, True, True, 0).heartbeat("cam").content_hash is None
