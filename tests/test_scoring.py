from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.errors import UsageError
from radar_edge.scoring import calibrate, groups_needed, image_score, smallest_frr


def test_the_score_is_the_mean_of_the_highest_half_percent() -> None:
    anomaly_map = np.zeros((1, 1, 20, 100), np.float32)
    anomaly_map[0, 0, 3, :10] = 5.0
    assert image_score(anomaly_map) == 5.0
    anomaly_map[0, 0, 3, 0] = 0.0
    assert image_score(anomaly_map) == 4.5


def test_a_map_that_is_not_finite_has_no_score() -> None:
    with pytest.raises(UsageError):
        image_score(np.full((4, 4), np.nan, np.float32))


def test_without_groups_the_threshold_is_the_split_conformal_order_statistic() -> None:
    calibration = calibrate(list(range(1, 100)), 0.05)  # 99 parts: ceil(100 * 0.95) = 95th smallest
    assert calibration.threshold == 95.0
    assert calibration.p_value(95.5) == pytest.approx(5 / 100)
    assert calibration.p_value(-1) == 1.0
    assert calibration.p_value(1000) == pytest.approx(1 / 100)


def test_six_pictures_of_a_part_count_as_one() -> None:
    scores = [s + 0.01 * k for s in range(30) for k in range(6)]
    groups = [s for s in range(30) for _ in range(6)]
    assert calibrate(scores, 0.05, groups).groups == 30
    with pytest.raises(UsageError, match="at least 99"):
        calibrate(scores, 0.01, groups)


def test_the_limit_is_said() -> None:
    assert groups_needed(0.05) == 19
    assert groups_needed(0.01) == 99
    assert smallest_frr(99) == pytest.approx(0.01)
    with pytest.raises(UsageError, match=r"found:  18 independent(.|\n)*at least 19"):
        calibrate([0.0] * 18, 0.05)
    assert calibrate([float(i) for i in range(19)], 0.05).threshold == 18.0


def test_the_false_reject_rate_is_kept_on_average() -> None:
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(300):
        threshold = calibrate(rng.normal(size=59).tolist(), 0.05).threshold
        rates.append((rng.normal(size=200) > threshold).mean())
    assert 0.035 < np.mean(rates) <= 0.053


@given(st.lists(st.floats(-50, 50), min_size=19, max_size=60), st.floats(-100, 100))
def test_the_wire_score_and_the_threshold_never_disagree(scores: list[float], score: float) -> None:
    calibration = calibrate(scores, 0.05)
    wire = calibration.wire_score(score)
    assert 0 <= wire <= 1000
    assert (wire > 500) == (score > calibration.threshold)
