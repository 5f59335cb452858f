"""The boards as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from radar_edge.errors import UsageError
from radar_edge.targets import target, targets

FOLDER = Path(__file__).parent.parent / "engines" / "targets"


def test_every_file_is_a_target() -> None:
    assert sorted(targets()) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert {"orin-nano-4gb", "orin-nano-8gb", "orin-nx-8gb", "orin-nx-16gb", "agx-orin-32gb", "agx-orin-64gb"} < set(
        targets()
    )


def test_peaks_follow_from_the_boards_own_numbers() -> None:
    for name, one in targets().items():
        for mode in one.modes:
            assert mode.int8_tops is None or mode.int8_tops == pytest.approx(2 * mode.fp16_tflops, rel=0.02), name
        assert one.workspace_mib * 4 <= one.memory_gb * 1024, "a builder that takes the memory kills the line"
        assert one.compute_capability == ("11.0" if name.startswith("thor") else "8.7")


def test_an_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="orin-nano-8gb"):
        target("nano")
