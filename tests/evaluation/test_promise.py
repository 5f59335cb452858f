from __future__ import annotations

import numpy as np
import pytest

from radar_edge.data.layouts import Sample
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.promise import frr_chance
from radar_edge.scoring import calibrate, chance_of_rejects

CALIBRATION = calibrate([i / 90 for i in range(90)], 0.05)


def judged(rejected: int, good: int = 90, group: str = "") -> list[Judged]:
    """`good` good parts and a defect that nobody rejects."""
    samples = [Sample("test", "good", str(i), {}, group=group or str(i)) for i in range(good)]
    scores = [2.0] * rejected + [0.0] * (good - rejected)
    parts = [Judged(s, score, np.zeros((1, 1), np.float32), None) for s, score in zip(samples, scores, strict=True)]
    return [*parts, Judged(Sample("test", "hole", "x", {}, group="x"), 9.0, np.zeros((1, 1), np.float32), None)]


def test_the_chance_of_so_many_false_rejects() -> None:
    assert frr_chance(CALIBRATION, judged(0)) == pytest.approx(1)
    assert frr_chance(CALIBRATION, judged(11)) == pytest.approx(chance_of_rejects(90, 0.05, 11, 90))
    assert frr_chance(CALIBRATION, judged(40)) == pytest.approx(0, abs=1e-9)


def test_dependent_parts_have_no_such_chance() -> None:
    assert frr_chance(CALIBRATION, judged(3, group="one")) is None
    pictures = calibrate([float(i) for i in range(60)], 0.05, [i // 2 for i in range(60)])
    assert frr_chance(pictures, judged(3)) is None
    assert frr_chance(CALIBRATION, judged(0, good=0)) is None
