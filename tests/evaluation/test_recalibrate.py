"""When new good parts may set new thresholds. The command itself: tests/cli/test_bundle_commands.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_bundle import CONTENT, manifest

from radar_edge.bundle import Bundle
from radar_edge.errors import UsageError
from radar_edge.evaluation.recalibrate import check_known, rejected_share
from radar_edge.scoring import Calibration, calibrate

BUNDLE = Bundle(Path("bundle"), manifest(dict.fromkeys(CONTENT, "0" * 64)), "1" * 64, None)
OLD = BUNDLE.manifest.engines[0]
"""Calibrated on scores from 0.0 to 1.9."""


def new(rejected: int, parts: int = 40) -> Calibration:
    return calibrate([5.0] * rejected + [0.5] * (parts - rejected), 0.05)


def of_all(calibration: Calibration) -> dict[tuple[str, str], Calibration]:
    return {(entry.subset, entry.precision): calibration for entry in BUNDLE.manifest.engines}


def test_a_drift_may_be_calibrated_away() -> None:
    check_known(BUNDLE, of_all(new(rejected=20)))


def test_parts_that_the_network_does_not_know_set_no_threshold() -> None:
    with pytest.raises(UsageError, match=r"tir fp32: 52%(.|\n)*train again"):
        check_known(BUNDLE, of_all(new(rejected=0)) | {("tir", "fp32"): new(rejected=21)})


def test_the_share_counts_groups_and_not_pictures() -> None:
    scores, groups = [5.0] * 30 + [0.5] * 29, [0] * 30 + list(range(1, 30))
    assert rejected_share(OLD, calibrate(scores, 0.05, groups)) == pytest.approx(1 / 30)
