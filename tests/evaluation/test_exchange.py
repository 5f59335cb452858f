"""Whether good test parts are like the held-out ones, and test parts that must not be used at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp
from small_set import write_set

from radar_edge.data.layouts import Sample, index
from radar_edge.errors import DatasetError, UsageError
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.exchange import exchangeability, ks_p
from radar_edge.evaluation.metrics import rate_interval
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.evaluation.trust import check_thresholds, check_unseen
from radar_edge.modality import Subset
from radar_edge.scoring import calibrate

RGB = Subset(("rgb",))
FLAT = np.zeros((MAP_SIDE, MAP_SIDE), np.float32)


def goods(scores: np.ndarray, per_group: int = 1) -> list[Judged]:
    return [
        Judged(Sample("test", "good", str(i), {}, group=str(i // per_group)), float(score), FLAT, None)
        for i, score in enumerate(scores)
    ]


def drawn(count: int = 100, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, size=count)


def numbers(mean: float, seed: int) -> list[dict[str, float]]:
    return [
        {"rgb.mean": float(v), "rgb.std": float(i % 7), "tir.mean": 9.0} for i, v in enumerate(drawn(100, mean, seed))
    ]


def found(shift: float, per_group: int = 1) -> dict[str, object]:
    calibration = calibrate(drawn().tolist(), 0.05, [str(i // per_group) for i in range(100)])
    parts = goods(drawn(mean=shift, seed=1), per_group)
    rejected = np.array([p.score > calibration.threshold for p in parts])
    interval = rate_interval(rejected, [p.sample.group for p in parts])
    return exchangeability(RGB, calibration, parts, interval, numbers(0, 2), numbers(3, 3))


def test_the_same_source_is_exchangeable() -> None:
    one = found(0)
    assert one["verdict"] == "exchangeable"
    assert one["differs"] == []
    assert (one["held_out_good"], one["test_good"]) == (100, 100)


@pytest.mark.parametrize(("shift", "way"), [(2.0, "higher"), (-2.0, "lower")])
def test_another_source_is_not_and_what_differs_is_named(shift: float, way: str) -> None:
    one = found(shift)
    assert one["verdict"] == "not exchangeable"
    scores, images = one["differs"]  # type: ignore[misc]
    assert f"{way}" in scores
    assert images.startswith("rgb.mean: 3.")
    assert images.endswith("standard deviations higher")


def test_a_rate_above_the_target_is_enough() -> None:
    calibration = calibrate(drawn().tolist(), 0.05)
    one = exchangeability(RGB, calibration, goods(drawn(seed=1)), (0.06, 0.2), None, [])
    assert one["verdict"] == "not exchangeable"
    assert one["ks_p"] > 0.05
    assert len(one["differs"]) == 1


def test_parts_of_few_groups_prove_less() -> None:
    alone, grouped = found(0.5), found(0.5, per_group=5)
    assert alone["ks_p"] < grouped["ks_p"]  # type: ignore[operator]


def test_p_is_scipys_where_parts_are_independent() -> None:
    a, b = drawn(300), drawn(200, 0.15, seed=1)
    own = ks_p(a, np.ones(300), 300, b, np.ones(200), 200)
    assert own == pytest.approx(ks_2samp(a, b, method="asymp").pvalue, abs=0.02)


def test_a_test_image_that_was_trained_on_is_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    check_unseen(index(tmp_path))
    shutil.copy(tmp_path / "train/good/tir/002.png", tmp_path / "test/hole/tir/001.png")
    with pytest.raises(DatasetError, match="seen before") as caught:
        check_unseen(index(tmp_path))
    assert caught.value.faults == ("test/hole/tir/001.png is the file train/good/tir/002.png",)


def test_a_threshold_from_test_parts_is_refused() -> None:
    scores = drawn()
    judged = {RGB: goods(scores)}
    check_thresholds({RGB: calibrate(drawn(seed=7).tolist(), 0.05)}, judged)
    with pytest.raises(UsageError, match="threshold of rgb was set on the test parts") as caught:
        check_thresholds({RGB: calibrate(scores.tolist(), 0.05)}, judged)
    assert "100%" in str(caught.value.found)
