from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.errors import UsageError
from radar_edge.scoring import (
    Calibration,
    calibrate,
    chance_of_rejects,
    default_ng_frr,
    groups_needed,
    image_score,
    realised_bound,
    smallest_frr,
)


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


def test_two_rates_make_three_bands() -> None:
    calibration = calibrate(list(range(1, 200)), 0.05)  # 199 parts: the 190th and the 198th smallest
    assert (calibration.threshold, calibration.ng_threshold, calibration.ng_frr) == (190.0, 198.0, 0.01)
    assert [calibration.band(score) for score in (-1, 190, 190.1, 198, 198.1)] == ["ok", "ok", "review", "review", "ng"]
    with pytest.raises(ValueError, match="not a number"):
        calibration.band(float("nan"))


def test_the_ng_band_asks_for_no_more_than_the_parts_can_guarantee() -> None:
    assert default_ng_frr(0.05, 1000) == pytest.approx(0.01)
    assert default_ng_frr(0.05, 49) == pytest.approx(0.02)
    few = calibrate([float(i) for i in range(19)], 0.05)
    assert (few.ng_frr, few.ng_threshold) == (0.05, few.threshold), "no review band with the fewest parts"
    with pytest.raises(UsageError, match=r"0.50%(.|\n)*at least 199"):
        calibrate(list(range(90)), 0.05, ng_frr=0.005)
    with pytest.raises(UsageError, match="at most the target"):
        calibrate(list(range(90)), 0.05, ng_frr=0.1)


def test_a_calibration_whose_bands_overlap_is_refused() -> None:
    fields = calibrate(list(range(99)), 0.05).model_dump()
    with pytest.raises(ValueError, match="below the threshold"):
        Calibration.model_validate(fields | {"ng_threshold": fields["threshold"] - 1})


# Expected values: scipy.stats 1.17.1, beta.ppf(0.95, k, n + 1 - k) and betabinom.sf(x - 1, m, k, n + 1 - k).
@pytest.mark.parametrize(
    ("groups", "rate", "bound"),
    [
        (30, 1 / 31, 0.0950338529),
        (90, 0.05, 0.0839000242),
        (100, 0.01, 0.0295130496),
        (1000, 0.02, 0.027755286),
        (20000, 0.05, 0.0525575361),
    ],
)
def test_the_bound_is_the_beta_quantile(groups: int, rate: float, bound: float) -> None:
    assert realised_bound(groups, rate) == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize(
    ("groups", "rejected", "parts", "chance"),
    [(90, 11, 90, 0.0239961), (19, 0, 5, 1.0), (300, 140, 2000, 0.0787897)],
)
def test_the_chance_of_so_many_rejects_is_beta_binomial(groups: int, rejected: int, parts: int, chance: float) -> None:
    assert chance_of_rejects(groups, 0.05, rejected, parts) == pytest.approx(chance, rel=1e-4)


def test_the_bound_holds_for_19_sets_of_parts_in_20() -> None:
    rng = np.random.default_rng(1)
    bound = realised_bound(90, 0.05)
    realised = [1 - calibrate(rng.random(90).tolist(), 0.05).threshold for _ in range(400)]
    assert 0.92 <= np.mean(np.array(realised) <= bound) <= 0.98
