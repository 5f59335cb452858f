"""Which modality the fusion listens to, on weights and masks whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from radar_edge.data.layouts import Sample
from radar_edge.evaluation.contribution import contribution_of, detected_alone, exact_interval
from radar_edge.evaluation.evaluate import Judged
from radar_edge.modality import Subset
from radar_edge.preprocess import write_png

BOTH, RGB, TIR = Subset(("rgb", "tir")), Subset(("rgb",)), Subset(("tir",))


def part(folder: Path, visible_in: Subset | None, inside: float, score: float = 1.0, cls: str = "hole") -> Judged:
    """A defect in the left half, where rgb has the weight `inside`; on the right it is the other way round."""
    weights = np.empty((2, 8, 8), np.float32)
    weights[0, :, :4], weights[0, :, 4:] = inside, 1 - inside
    weights[1] = 1 - weights[0]
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 255
    write_png(folder / "mask.png", mask)
    name = "rgb" if visible_in is None else visible_in.modalities[0]
    masks = {name: folder / "mask.png"}
    sample = Sample("test", cls, "a", {}, masks=masks, visible_in=visible_in)
    return Judged(sample, score, np.zeros((0, 0), np.float32), weights)


def test_the_weight_inside_the_defect_counts(tmp_path: Path) -> None:
    parts = [part(tmp_path, RGB, 0.9), part(tmp_path, RGB, 0.2), part(tmp_path, RGB, 0.6), part(tmp_path, TIR, 0.1)]
    found = contribution_of(BOTH, parts)
    assert (found["rgb"]["largest"], found["rgb"]["defects"]) == (2, 3)
    assert (found["tir"]["largest"], found["tir"]["defects"]) == (1, 1)
    assert found["all"]["share"] == 0.75


def test_equal_weights_are_not_the_largest(tmp_path: Path) -> None:
    assert contribution_of(BOTH, [part(tmp_path, RGB, 0.5)])["all"]["share"] == 0


def test_only_detected_defects_of_one_modality_are_asked(tmp_path: Path) -> None:
    parts = [
        part(tmp_path, RGB, 0.9, score=2.0),
        part(tmp_path, RGB, 0.9, score=1.0),
        part(tmp_path, BOTH, 0.9, score=2.0),
        part(tmp_path, None, 0.9, score=2.0),
        part(tmp_path, RGB, 0.9, score=2.0, cls="good"),
    ]
    assert detected_alone(parts, 1.0) == parts[:1]
    assert contribution_of(BOTH, []) == {}


@pytest.mark.parametrize(("count", "of"), [(0, 7), (7, 7), (3, 7), (41, 50)])
def test_the_interval_is_scipys_exact_one(count: int, of: int) -> None:
    wanted = binomtest(count, of).proportion_ci(0.95, "exact")
    assert exact_interval(count, of) == pytest.approx((wanted.low, wanted.high))
