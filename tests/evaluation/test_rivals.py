"""Numbers of images, and what a detector that loses to one of them must say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radar_edge.data.layouts import Sample
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.measure import subset_metrics
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.evaluation.rivals import leaks, numbers_of, rivals_of
from radar_edge.evaluation.scalars import scalars
from radar_edge.modality import Subset
from radar_edge.preprocess import write_png

RGB, BOTH = Subset(("rgb",)), Subset(("rgb", "tir"))
NAMES = ("mean", "std", "highpass_std", "p999_minus_p99", "background_brightness")
FLAT = np.zeros((MAP_SIDE, MAP_SIDE), np.float32)


def part(name: str, good: bool, score: float, **more: Any) -> Judged:
    return Judged(Sample("test", "good" if good else "hole", name, {}, group=name, **more), score, FLAT, None)


def parts(scores_good: np.ndarray, scores_bad: np.ndarray) -> list[Judged]:
    goods = [part(f"g{i}", True, float(s)) for i, s in enumerate(scores_good)]
    return goods + [part(f"b{i}", False, float(s)) for i, s in enumerate(scores_bad)]


def numbers(judged: list[Judged], name: str, good: float, bad: float, seed: int = 0) -> dict[str, dict[str, float]]:
    """Normal numbers whose mean is `good` or `bad`."""
    rng = np.random.default_rng(seed)
    return {
        p.sample.key: {name: rng.normal() + (good if p.sample.is_good else bad), "tir.mean": rng.normal()}
        for p in judged
    }


@pytest.fixture
def judged() -> list[Judged]:
    rng = np.random.default_rng(5)
    return parts(rng.normal(size=60), rng.normal(size=60) + 1)


def test_scalars_by_hand() -> None:
    image = np.full((64, 64), 100, np.uint8)
    assert scalars(image) == dict.fromkeys(NAMES, 0.0) | {"mean": 100, "background_brightness": 100}
    image[20:40, 20:40] = 200
    found = scalars(image)
    assert found["mean"] == pytest.approx(100 + 100 * 400 / 4096)
    assert found["background_brightness"] == 100
    assert found["std"] > found["highpass_std"] > 1
    image[::4] = 250
    assert scalars(image)["background_brightness"] != 250
    image[:] = 250
    assert scalars(np.stack([image] * 3, axis=2)) == scalars(image)


def test_a_defect_in_the_middle_leaves_the_background_alone() -> None:
    noise = np.random.default_rng(0).integers(29900, 30100, (80, 80)).astype(np.uint16)
    hot = noise.copy()
    hot[30:50, 30:50] += 900
    assert scalars(hot)["background_brightness"] == scalars(noise)["background_brightness"]
    assert scalars(hot)["mean"] > scalars(noise)["mean"] + 50


def test_each_image_of_each_part_has_its_numbers(tmp_path: Path) -> None:
    for name in ("rgb", "tir"):
        write_png(tmp_path / f"{name}.png", np.zeros((16, 16), np.uint8))
    one = Sample("test", "good", "a", {"rgb": tmp_path / "rgb.png", "tir": tmp_path / "tir.png"})
    two = Sample("test", "good", "b", {"rgb": tmp_path / "rgb.png"})
    found = numbers_of([one, two])
    assert set(found["test/good/a"]) == {f"{m}.{n}" for m in ("rgb", "tir") for n in NAMES}
    assert set(found["test/good/b"]) == {f"rgb.{n}" for n in NAMES}


@pytest.mark.parametrize(("bad", "way"), [(2.5, "higher"), (-2.5, "lower")])
def test_a_detector_that_loses_to_a_baseline_says_so(judged: list[Judged], bad: float, way: str) -> None:
    own = subset_metrics(RGB, judged, 0.0)
    found = rivals_of(RGB, judged, own, numbers(judged, "rgb.std", 0, bad), None)
    assert found["beaten_by"] == ["rgb.std"]
    assert found["baselines"]["rgb.std"]["defects_are"] == way
    assert found["baselines"]["rgb.std"]["image_auroc"] > 0.9
    assert "tir.mean" not in found["baselines"]
    assert found["controls"] == {"untrained": None}


def test_a_detector_that_wins_has_no_rival(judged: list[Judged]) -> None:
    own = subset_metrics(BOTH, judged, 0.0)
    weak = numbers(judged, "rgb.std", 0, 0.2)
    found = rivals_of(BOTH, judged, own, weak, parts(np.arange(60.0), np.arange(60.0)))
    assert found["beaten_by"] == []
    assert sorted(found["baselines"]) == ["rgb.std", "tir.mean"]
    assert found["controls"]["untrained"]["image_auroc"] == 0.5


def test_the_untrained_network_may_win_too(judged: list[Judged]) -> None:
    own = subset_metrics(RGB, judged, 0.0)
    perfect = parts(np.zeros(60), np.ones(60))
    assert rivals_of(RGB, judged, own, numbers(judged, "rgb.std", 0, 0), perfect)["beaten_by"] == ["untrained"]


def leaking(count: int, bad: float) -> list[dict[str, Any]]:
    judged = parts(np.zeros(count), np.zeros(count))
    samples = [Sample("test", p.sample.cls, p.sample.name, {"rgb": Path("x")}, group=p.sample.group) for p in judged]
    return leaks(samples, numbers(judged, "rgb.background_brightness", 0, bad))


@pytest.mark.parametrize(("bad", "way"), [(5, "brighter"), (-5, "darker")])
def test_a_background_that_knows_the_label_is_a_leak(bad: float, way: str) -> None:
    (leak,) = leaking(60, bad)
    assert (leak["modality"], leak["control"]) == ("rgb", "background_brightness.rgb")
    assert leak["auroc"] > 0.99
    assert way in leak["why"]


def test_a_difference_that_separates_little_is_no_leak() -> None:
    assert leaking(60, 1.0) == []


def test_few_parts_do_not_accuse_a_set() -> None:
    assert leaking(4, 1.5) == []
