"""The missing-modality protocol on scores whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radar_edge.data.layouts import Sample
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.missing import DRAWS, RATES, draw_losses, judge_filled, kinds_of_loss, protocol
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.inference.runner import Inference, Runner
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import ModalityPreprocess, Preprocess, write_png
from radar_edge.scoring import calibrate

RGB, TIR, BOTH = all_subsets(("rgb", "tir"))
FLAT = np.zeros((MAP_SIDE, MAP_SIDE), np.float32)
COUNT = 200


def judged(scale: float, offset: float, apart: float, seed: int) -> list[Judged]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(COUNT):
        good = i % 2 == 0
        score = scale * (rng.normal() + (0 if good else apart)) + offset
        found.append(Judged(Sample("test", "good" if good else "hole", str(i), {}, group=str(i)), score, FLAT, None))
    return found


@pytest.fixture(scope="module")
def of_all() -> dict[Subset, list[Judged]]:
    """Every engine finds defects equally well; RGB's scores lie far higher and are spread wider."""
    return {RGB: judged(10, 50, 3, 1), TIR: judged(1, 0, 3, 2), BOTH: judged(1, 0, 3, 3)}


@pytest.fixture(scope="module")
def document(of_all: dict[Subset, list[Judged]]) -> dict[str, list[dict[str, float]]]:
    rng = np.random.default_rng(9)
    scales = {RGB: (10, 50), TIR: (1, 0), BOTH: (1, 0)}
    calibrations = {s: calibrate((a * rng.normal(size=400) + b).tolist(), 0.05) for s, (a, b) in scales.items()}
    blind = {RGB: judged(1, 0, 0, 4), TIR: judged(1, 0, 0, 5)}
    return protocol(of_all, blind, calibrations)


def row(document: dict[str, list[dict[str, float]]], rate: float, missing: str) -> dict[str, float]:
    (found,) = (r for r in document["rows"] if (r["rate"], r["missing"]) == (rate, missing))
    return found


def test_every_rate_and_kind_has_a_row(document: dict[str, list[dict[str, float]]]) -> None:
    assert [(r["rate"], r["missing"]) for r in document["rows"]] == [
        (rate, missing) for rate in RATES for missing in ("rgb", "tir", "both")
    ]


def test_calibration_undoes_an_engine_whose_scores_lie_elsewhere(
    document: dict[str, list[dict[str, float]]],
) -> None:
    """Parts that lost tir are judged by rgb, whose scores are on another scale: pooled as they are, they mislead."""
    lost = row(document, 0.5, "tir")
    assert lost["calibrated"] > 0.97
    assert lost["raw"] < lost["calibrated"] - 0.1
    assert row(document, 0.5, "rgb")["raw"] == pytest.approx(row(document, 0.5, "rgb")["calibrated"], abs=0.02)


def test_a_placeholder_that_blinds_costs_more_the_more_is_lost(document: dict[str, list[dict[str, float]]]) -> None:
    values = [row(document, rate, "rgb")["placeholder"] for rate in RATES]
    assert values[0] > values[1] + 0.02 > values[2] + 0.04
    assert values[2] < row(document, 0.7, "rgb")["calibrated"] - 0.2


def test_every_figure_lies_in_its_interval(document: dict[str, list[dict[str, float]]]) -> None:
    for found in document["rows"]:
        for way in ("calibrated", "raw", "placeholder"):
            low, high = found[f"{way}_ci"]  # type: ignore[misc]
            assert low < found[way] < high


@pytest.mark.parametrize("rate", RATES)
def test_who_loses_what(of_all: dict[Subset, list[Judged]], rate: float) -> None:
    parts = of_all[BOTH]
    both = draw_losses(parts, BOTH, ("rgb", "tir"), rate, seed=3)
    left = list(both.values())
    assert left.count(RGB) == left.count(TIR) == rate * COUNT / 2
    assert left.count(BOTH) == COUNT - rate * COUNT
    only = draw_losses(parts, BOTH, ("tir",), rate, seed=3)
    assert {key for key, subset in only.items() if subset == RGB} == {k for k, s in both.items() if s != BOTH}
    assert draw_losses(parts, BOTH, ("tir",), rate, seed=3) == only
    assert draw_losses(parts, BOTH, ("tir",), rate, seed=4) != only


def test_kinds_of_loss() -> None:
    assert list(kinds_of_loss(("a", "b"))) == [("a", ("a",)), ("b", ("b",)), ("both", ("a", "b"))]
    assert list(kinds_of_loss(("a", "b", "c")))[-1] == ("any", ("a", "b", "c"))
    assert DRAWS > 1


class Sum(Runner):
    """The map is everywhere the sum of what the inputs hold."""

    def _infer(self, inputs: object) -> Inference:
        total = sum(float(x.mean()) for x in inputs.values())  # type: ignore[attr-defined]
        return Inference(np.full((1, 1, 8, 8), total, np.float32), None)

    def close(self) -> None:
        pass


def test_what_is_lost_is_filled_with_zeros(tmp_path: Path) -> None:
    spec = ModalityPreprocess(channels=1, bit_depth=8, height=16, width=16, offset=(0.0,), scale=(1.0,))
    preprocess = Preprocess(modalities={"rgb": spec, "tir": spec})
    for name, level in (("rgb", 3), ("tir", 40)):
        write_png(tmp_path / f"{name}.png", np.full((16, 16), level, np.uint8))
    sample = Sample("test", "good", "a", {name: tmp_path / f"{name}.png" for name in ("rgb", "tir")})
    runner = Sum(BOTH, "fp32", {"rgb": (1, 1, 16, 16), "tir": (1, 1, 16, 16)})
    found = judge_filled(runner, [sample], preprocess)
    assert {subset: parts[0].score for subset, parts in found.items()} == {RGB: 3, TIR: 40}


def test_the_gain_is_paired(document: dict[str, list[dict[str, float]]]) -> None:
    found = row(document, 0.7, "both")
    assert found["gain"] == pytest.approx(found["calibrated"] - found["placeholder"])
    low, high = found["gain_ci"]  # type: ignore[misc]
    assert 0 < low < found["gain"] < high
