"""The gate's figures on results made by hand, and the search for layers that INT8 hurts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from radar_edge.bundle import Gate, GateLimits
from radar_edge.export.gate import LIMITS, gate
from radar_edge.export.judged import Images, Judged, corrupted_images, spread
from radar_edge.export.sensitivity import probe_places, settle
from radar_edge.scoring import calibrate
from radar_edge.training.anomalies import corrupt

GOOD, BAD, SIDE = 40, 40, 64


def images() -> Images:
    masks = np.zeros((GOOD + BAD, SIDE, SIDE), bool)
    masks[GOOD:, 10:20, 10:20] = True
    keys = tuple(str(i) for i in range(GOOD + BAD))
    return Images({"rgb": np.zeros((GOOD + BAD, 1, 8, 8), np.float32)}, masks, keys, keys)


def judged(noise: float = 0.0, seed: int = 1) -> Judged:
    base, own = np.random.default_rng(0), np.random.default_rng(seed)
    heats = base.normal(size=(GOOD + BAD, SIDE, SIDE))
    heats[GOOD:, 10:20, 10:20] += 3
    scores = base.normal(size=GOOD + BAD) + np.repeat([0, 3], [GOOD, BAD])
    heats += noise * own.normal(size=heats.shape)
    scores += noise * own.normal(size=scores.shape)
    return Judged(scores, heats.astype(np.float32), np.zeros((0, 1, SIDE, SIDE), np.float32))


def passed(found: Judged, precision: str = "int8") -> Gate:
    reference = judged()
    pair = tuple(calibrate(one.scores[:GOOD].tolist(), 0.05) for one in (reference, found))
    return gate(reference, found, images(), (pair[0], pair[1]), precision)


def test_an_engine_that_says_the_same_passes() -> None:
    found = passed(judged(), "fp16")
    assert found.passed
    assert (found.map_correlation, found.score_error, found.flipped) == (pytest.approx(1), 0, 0)
    assert (found.auroc, found.aupro) == (found.auroc_fp32, found.aupro_fp32)
    assert (found.images, found.anomalous) == (GOOD + BAD, BAD)
    assert found.auroc > 0.9


def test_an_engine_that_guesses_fails_in_everything() -> None:
    found = passed(judged(noise=20))
    assert len(found.faults) == 4
    assert "AUROC loss" in found.faults[0]
    assert "at most 0.005" in found.faults[0]


def test_fp16_is_held_to_less_than_int8() -> None:
    found = passed(judged(noise=0.06))
    assert found.passed
    assert not passed(judged(noise=0.06), "fp16").passed
    for name in ("auroc_loss", "aupro_loss", "flipped"):
        assert getattr(LIMITS["fp16"], name) < getattr(LIMITS["int8"], name)


def test_flips_are_counted_by_each_ones_own_threshold() -> None:
    reference = judged()
    shifted = Judged(reference.scores + 5, reference.heats, reference.maps)
    assert passed(shifted).flipped == 0
    turned = Judged(reference.scores.copy(), reference.heats, reference.maps)
    turned.scores[GOOD : GOOD + 8] = -9
    assert passed(turned).flipped == pytest.approx(8 / (GOOD + BAD), abs=0.03)


def verdict(good: bool) -> Gate:
    return Gate(
        images=2, anomalous=1, auroc_fp32=1, auroc=1 if good else 0, aupro_fp32=1, aupro=1,
        map_correlation=1, score_error=0, flipped=0,
        limits=GateLimits(auroc_loss=0.1, aupro_loss=0.1, map_correlation=0.9, flipped=0.1),
    )  # fmt: skip


def tries_until(enough: int) -> tuple[list[int], object]:
    tried: list[int] = []

    def attempt(kept: Sequence[str]) -> Gate:
        tried.append(len(kept))
        assert list(kept) == [f"layer{i}" for i in range(len(kept))], "the worst first"
        return verdict(len(kept) >= enough)

    found = settle(attempt, lambda: {f"layer{i}": 20.0 - i for i in range(20)})
    return tried, found


def test_layers_go_back_one_after_the_other_until_the_gate_passes() -> None:
    tried, found = tries_until(3)
    assert tried == [0, 1, 2, 3]
    assert found.kept == ("layer0", "layer1", "layer2")  # type: ignore[attr-defined]
    assert found.gate.passed  # type: ignore[attr-defined]


def test_an_engine_that_passes_at_once_costs_no_search() -> None:
    found = settle(lambda _: verdict(True), lambda: pytest.fail("ranked"))
    assert (found.kept, dict(found.errors)) == ((), {})


def test_the_search_ends_with_half_of_the_layers() -> None:
    tried, found = tries_until(99)
    assert tried == [0, 1, 2, 3, 4, 6, 9, 10]
    assert not found.gate.passed  # type: ignore[attr-defined]
    assert len(found.kept) == 10  # type: ignore[attr-defined]


def test_the_good_parts_that_set_thresholds_probe_layers() -> None:
    scores = np.arange(50.0)
    places = probe_places(scores, 100)
    assert {42, 43, 44, 45, 46, 47, 48, 49} <= set(places)
    assert max(places) == 99
    assert len(places) <= 16


def test_corrupted_copies_are_visible_and_repeatable() -> None:
    rng = np.random.default_rng(0)
    goods = Images(
        {"rgb": rng.standard_normal((12, 3, 64, 64), np.float32)},
        np.zeros((12, SIDE, SIDE), bool),
        tuple("abcdefghijkl"),
        tuple("abcdefghijkl"),
    )
    one, two = (corrupted_images(goods, corrupt) for _ in range(2))
    assert one.anomalous.all()
    assert len(one) >= 6
    np.testing.assert_array_equal(one.inputs["rgb"], two.inputs["rgb"])
    assert one.digest() == two.digest() != goods.digest()
    first = goods.keys.index(one.keys[0].removesuffix(" corrupted"))
    assert (one.inputs["rgb"][0] != goods.inputs["rgb"][first]).any()


def test_spread_reaches_both_ends() -> None:
    assert spread(101, 3) == [0, 50, 100]
    assert spread(2, 9) == [0, 1]
