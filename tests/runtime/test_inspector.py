from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from line_fakes import BAD, CALIBRATION, GOOD, MODALITIES, SIDE, SPEC, FakeEngine

from radar_edge.clock import NS_PER_S, ManualClock
from radar_edge.config import RoutingConfig
from radar_edge.inference.runner import Inference
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import Preprocess
from radar_edge.records import Cause, Code, Frame, HealthReport, HealthState, Ne107, Reason
from radar_edge.runtime.inspector import Inspector, contributions
from radar_edge.runtime.plc.link import Trigger

TRIGGER = Trigger(7, 0)


def frame(modality: str, shown: int = 7, dtype: type = np.uint16) -> Frame:
    return Frame(modality, np.full((SIDE, SIDE), shown, dtype), f"{modality}-camera", 1, 0, shown)


def health(*failed: str) -> dict[str, HealthReport]:
    states = {name: HealthState.FAILED if name in failed else HealthState.OK for name in MODALITIES}
    return {name: HealthReport(name, name, state, Cause.NONE, Ne107.GOOD, 0) for name, state in states.items()}


def inspector(logit: float = GOOD, degraded: str = "may_pass") -> Inspector:
    engines = {subset: FakeEngine(subset, lambda _part: logit) for subset in all_subsets(MODALITIES)}
    return Inspector(
        engines,
        dict.fromkeys(engines, CALIBRATION),
        Preprocess(modalities=dict.fromkeys(MODALITIES, SPEC)),
        MODALITIES,
        RoutingConfig(degraded=degraded),
        ManualClock(),
    )


BOTH = {name: frame(name) for name in MODALITIES}


@pytest.mark.parametrize(
    ("logit", "code", "reason"),
    [
        (GOOD, Code.PASS, Reason.GOOD),
        (0.5, Code.PASS, Reason.GOOD),
        (0.75, Code.REJECT, Reason.REVIEW),
        (1.5, Code.REJECT, Reason.REVIEW),
        (BAD, Code.REJECT, Reason.ANOMALY),
    ],
)
def test_ok_passes_and_review_is_rejected_like_ng(logit: float, code: Code, reason: Reason) -> None:
    verdict = inspector(logit).inspect(TRIGGER, BOTH, health())
    assert (verdict.code, verdict.reason, verdict.trigger_id) == (code, reason, 7)
    assert (verdict.score, verdict.threshold, verdict.degraded) == (logit, 0.5, False)
    assert verdict.p_value == CALIBRATION.p_value(logit)
    assert verdict.subset == Subset(("rgb", "tir"))
    assert verdict.contributions == {"rgb": 0.5, "tir": 0.5}
    assert list(verdict.latency_ms) == ["frames", "frame_age", "preprocess", "engine", "score", "total"]


def test_a_camera_that_failed_is_left_out() -> None:
    verdict = inspector().inspect(TRIGGER, BOTH, health("tir"))
    assert (verdict.code, verdict.degraded, verdict.contributions) == (Code.PASS, True, {"rgb": 1.0})


def test_reject_all_still_judges_for_the_journal() -> None:
    verdict = inspector(degraded="reject_all").inspect(TRIGGER, {"rgb": frame("rgb")}, health())
    assert (verdict.code, verdict.reason, verdict.score) == (Code.REJECT, Reason.DEGRADED, GOOD)


def test_no_frame_is_no_decision() -> None:
    verdict = inspector().inspect(TRIGGER, {}, health())
    assert (verdict.code, verdict.reason, verdict.subset) == (Code.NO_DECISION, Reason.NO_FRAME, None)


@pytest.mark.parametrize("logit", [float("nan"), float("inf")])
def test_a_map_that_is_not_finite_is_an_engine_fault(logit: float) -> None:
    verdict = inspector(logit).inspect(TRIGGER, BOTH, health())
    assert (verdict.code, verdict.reason, verdict.score) == (Code.NO_DECISION, Reason.ENGINE_FAULT, None)


def test_a_frame_of_another_trigger_is_a_bug() -> None:
    with pytest.raises(ValueError, match=r"\[6\]"):
        inspector().inspect(TRIGGER, {**BOTH, "tir": frame("tir", 6)}, health())


def test_an_image_of_another_kind_is_not_judged_and_the_others_are() -> None:
    odd = frame("rgb", dtype=np.uint8)
    assert inspector().inspect(TRIGGER, {"rgb": odd}, health()).code is Code.NO_DECISION
    verdict = inspector().inspect(TRIGGER, {**BOTH, "rgb": odd}, health())
    assert verdict.subset == Subset(("tir",))
    assert verdict.degraded


def test_contributions_are_those_where_the_map_is_hottest() -> None:
    heat = np.zeros((1, 1, 32, 32), np.float32)
    heat[0, 0, 24:32, 0:8] = 5.0  # the lower left cell of 4 x 4
    alpha = np.zeros((1, 2, 4, 4), np.float32)
    alpha[0, 0] = 1.0
    alpha[0, :, 3, 0] = 0.25, 0.75
    assert contributions(Inference(heat, alpha), Subset(("rgb", "tir"))) == {"rgb": 0.25, "tir": 0.75}


def test_frames_that_were_grabbed_too_far_apart_are_not_judged_together() -> None:
    late = replace(frame("tir"), stamp_ns=NS_PER_S + 1)
    verdict = inspector().inspect(TRIGGER, {"rgb": frame("rgb"), "tir": late}, health())
    assert (verdict.subset, verdict.degraded) == (Subset(("rgb",)), True)
    near = replace(frame("tir"), stamp_ns=NS_PER_S)
    assert inspector().inspect(TRIGGER, {"rgb": frame("rgb"), "tir": near}, health()).subset == Subset(("rgb", "tir"))
