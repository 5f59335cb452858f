from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from line_fakes import BAD, GOOD, bench

from radar_edge.modality import Subset
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.journal_file import read_events
from radar_edge.runtime.score_drift import CAREFUL, LIMIT, LOT_PARTS, LOTS_KEPT, DriftState, DriftWatch, ScoreDrift
from radar_edge.scoring import Calibration, calibrate

HELD_OUT = 200
TARGET = 0.01
SHIFT = 0.6815
"""In deviations of a normal score: false rejects of 1 % become 5 %."""


def drift_of(rng: np.random.Generator, held_out: int = HELD_OUT, target: float = TARGET) -> ScoreDrift:
    return ScoreDrift(calibrate(rng.normal(size=held_out).tolist(), target))


def feed(drift: ScoreDrift, scores: np.ndarray) -> int | None:
    """How many of `scores` it took until `recalibrate`."""
    for number, score in enumerate(scores.tolist(), start=1):
        drift.add(score)
        if drift.state is DriftState.RECALIBRATE:
            return number
    return None


@pytest.mark.parametrize(("held_out", "target"), [(19, 0.05), (200, 0.01)])
def test_steady_streams_raise_no_more_false_alarms_than_is_said(held_out: int, target: float) -> None:
    """The start is where they are likeliest: 1 % of streams at most. tools/bench_drift.py has 100,000 parts each."""
    alarms = 0
    for stream in range(100):
        rng = np.random.default_rng([held_out, stream])
        alarms += feed(drift_of(rng, held_out, target), rng.normal(size=2000)) is not None
    assert alarms <= 1


def test_whatever_the_scores_are_distributed_like() -> None:
    """Only ranks count: a heavy tail is as steady as a normal one."""
    for stream in range(10):
        rng = np.random.default_rng(stream)
        drift = ScoreDrift(calibrate(rng.standard_cauchy(size=HELD_OUT).tolist(), TARGET))
        assert feed(drift, rng.standard_cauchy(size=2000)) is None


def test_a_shift_that_makes_five_false_rejects_of_one_is_told_within_600_parts() -> None:
    for stream in range(20):
        rng = np.random.default_rng(stream)
        drift = drift_of(rng)
        assert feed(drift, rng.normal(size=2000)) is None
        told = feed(drift, rng.normal(size=600) + SHIFT)
        assert told is not None
        document = drift.document()
        assert document["direction"] == "up"
        assert abs(document["since_part"] - 2000) < 150


def test_a_fall_is_told_too() -> None:
    """Good parts that score lower than they did: so may defects."""
    rng = np.random.default_rng(1)
    drift = drift_of(rng)
    feed(drift, rng.normal(size=1000))
    assert feed(drift, rng.normal(size=600) - SHIFT) is not None
    assert drift.document()["direction"] == "down"


def test_a_line_that_is_unlike_its_held_out_parts_from_the_first_is_told_at_once() -> None:
    rng = np.random.default_rng(2)
    drift = drift_of(rng)
    told = feed(drift, rng.normal(size=300) + 1.0)
    assert told is not None
    assert told < 50
    assert drift.document()["since_part"] == 1


def test_a_slow_drift_is_told_before_false_rejects_explode() -> None:
    """From 1 % to 15 % false rejects over 20,000 parts: told before 5 % are reached."""
    for stream in range(3):
        rng = np.random.default_rng(stream)
        drift = drift_of(rng)
        feed(drift, rng.normal(size=5000))
        told = feed(drift, rng.normal(size=20_000) + np.linspace(0, 1.29, 20_000))
        assert told is not None
        assert told < 20_000 * SHIFT / 1.29


def test_defects_are_no_drift() -> None:
    rng = np.random.default_rng(3)
    drift = drift_of(rng)
    feed(drift, rng.normal(size=1000))
    before = drift.document()
    feed(drift, np.full(1000, 9.0))
    assert drift.document() == before


def test_twenty_weak_defects_in_a_row_are_none_either() -> None:
    """Between the thresholds, where a part is in review, what one is worth is bounded."""
    for stream in range(20):
        rng = np.random.default_rng(stream)
        calibration = calibrate(rng.normal(size=HELD_OUT).tolist(), TARGET)
        drift = ScoreDrift(calibration)
        feed(drift, rng.normal(size=1000))
        assert feed(drift, np.full(20, calibration.ng_threshold)) is None
        assert feed(drift, rng.normal(size=500)) is None
        assert drift.state is DriftState.STEADY
    assert 20 * CAREFUL.won(1.0) < np.log(LIMIT)


def test_the_states_come_in_their_order_and_the_last_one_stays() -> None:
    rng = np.random.default_rng(4)
    drift = drift_of(rng)
    assert drift.document()["state"] == "learning"
    feed(drift, rng.normal(size=1000))
    assert drift.state is DriftState.STEADY
    seen = [drift.state for score in rng.normal(size=600) + SHIFT if drift.add(score)]
    assert seen == [DriftState.WATCH, DriftState.RECALIBRATE]
    assert feed(drift, rng.normal(size=5000)) == 1, "who was told to recalibrate is not told that all is well"
    assert drift.document()["evidence"] >= drift.document()["limit"]


def test_lots_end_by_count_or_with_another_product() -> None:
    drift = drift_of(np.random.default_rng(5))
    for number in range(LOT_PARTS + 100):
        drift.add(number / LOT_PARTS / 10)
    for _ in range(3):
        drift.add(0.0, product=7)
    first, second = drift.document()["lots"]
    assert first == {"parts": LOT_PARTS, **{f"q{q}": pytest.approx(q / 1000, abs=1e-4) for q in (50, 90, 99)}}
    assert second["parts"] == 100
    for number in range(2 * LOTS_KEPT):
        drift.add(0.0, product=number % 2)
    assert len(drift.document()["lots"]) == LOTS_KEPT


def test_equal_streams_give_equal_documents_that_are_json() -> None:
    def run() -> str:
        rng = np.random.default_rng(6)
        drift = drift_of(rng)
        feed(drift, rng.normal(size=3000))
        return json.dumps(drift.document(), allow_nan=False)

    assert run() == run()


def test_parts_of_one_group_weigh_as_one() -> None:
    rng = np.random.default_rng(7)
    scores = np.repeat(rng.normal(size=60), 6) + rng.normal(size=360) * 0.01
    drift = ScoreDrift(calibrate(scores.tolist(), 0.05, [n // 6 for n in range(360)]))
    assert feed(drift, rng.normal(size=2000)) is None


def test_each_engine_has_its_own() -> None:
    rng = np.random.default_rng(8)
    rgb, both = Subset(("rgb",)), Subset(("rgb", "tir"))
    calibration = calibrate(rng.normal(size=HELD_OUT).tolist(), TARGET)
    watch = DriftWatch({rgb: calibration, both: calibration})
    news = [watch.judged(Verdict(1, Code.PASS, Reason.GOOD, subset=rgb, score=s)) for s in rng.normal(size=100) + 1]
    assert [document["state"] for document in news if document] == ["recalibrate"]
    assert watch.judged(Verdict(1, Code.NO_DECISION, Reason.DEADLINE)) is None
    assert {slug: d["state"] for slug, d in watch.document().items()} == {"rgb": "recalibrate", "rgb_tir": "learning"}


def test_a_running_line_tells_its_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part scores above every held-out one, and the first, a defect, does not count."""
    scores = tuple(float(n) for n in range(-100, 0))
    calibration = Calibration(
        scores=scores, weights=(1.0,) * 100, groups=100, target_frr=0.02, threshold=1.0, ng_frr=0.01, ng_threshold=1.5
    )
    monkeypatch.setattr("line_fakes.CALIBRATION", calibration)
    with bench(tmp_path, logit=lambda part: BAD if part == 1 else GOOD) as line:
        assert line.line.state()["drift"]["rgb_tir"]["parts"] == 0
        for part in range(1, 32):
            line.link.announce(part)
            line.wait_verdicts(part)
        line.wait(lambda: line.line.state()["drift"]["rgb_tir"]["state"] == "recalibrate")
        assert line.line.state()["drift"]["rgb"]["state"] == "learning"
    told = [event for event in read_events(tmp_path / "journal.sqlite") if event["kind"] == "drift"]
    assert [(event["subject"], event["detail"]["state"]) for event in told] == [("rgb_tir", "recalibrate")]
