"""Which engine judges, when a verdict is degraded, and what each policy makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.config import RoutingConfig
from radar_edge.errors import ConfigError
from radar_edge.modality import Subset, all_subsets
from radar_edge.records import Cause, Code, HealthReport, HealthState, Ne107, Reason
from radar_edge.runtime.routing import DegradedRun, Route, allowed_subsets, best_subset, route

MODALITIES = ("rgb", "tir")
ALL = all_subsets(MODALITIES)
RGB, TIR, BOTH = ALL


def health(state: HealthState = HealthState.OK, **states: HealthState) -> dict[str, HealthReport]:
    return {
        name: HealthReport(f"cam-{name}", name, states.get(name, state), Cause.NONE, Ne107.GOOD, 0)
        for name in MODALITIES
    }


def policy(degraded: str = "may_pass", *slugs: str) -> RoutingConfig:
    return RoutingConfig.model_validate({"degraded": degraded, "subsets": slugs or None})


NO_FRAME = Route(None, True, Code.NO_DECISION, Reason.NO_FRAME)
NO_ENGINE = Route(None, True, Code.NO_DECISION, Reason.NO_ENGINE)


@pytest.mark.parametrize(
    ("delivered", "degraded", "slugs", "wanted"),
    [
        (("rgb", "tir"), "may_pass", (), Route(BOTH, False)),
        (("rgb", "tir"), "stop", (), Route(BOTH, False)),
        (("rgb",), "may_pass", (), Route(RGB, True)),
        (("tir",), "may_pass", (), Route(TIR, True)),
        (("rgb",), "reject_all", (), Route(RGB, True, Code.REJECT, Reason.DEGRADED)),
        (("rgb",), "stop", (), Route(None, True, Code.NO_DECISION, Reason.STOPPED)),
        ((), "may_pass", (), NO_FRAME),
        ((), "reject_all", (), NO_FRAME),
        (("tir",), "may_pass", ("rgb", "rgb_tir"), NO_ENGINE),
        (("tir",), "reject_all", ("rgb_tir",), NO_ENGINE),
        (("rgb", "tir"), "stop", ("rgb",), Route(RGB, False)),
        (("rgb",), "stop", ("rgb",), Route(RGB, False)),
        (("rgb", "tir"), "stop", ("rgb", "tir"), Route(RGB, False)),
    ],
)
def test_the_table(delivered: tuple[str, ...], degraded: str, slugs: tuple[str, ...], wanted: Route) -> None:
    assert route(delivered, health(), policy(degraded, *slugs), ALL, MODALITIES) == wanted


@pytest.mark.parametrize("state", [HealthState.FAILED, HealthState.RECOVERING])
def test_the_frame_of_an_unusable_camera_is_not_judged(state: HealthState) -> None:
    assert route(MODALITIES, health(tir=state), policy(), ALL, MODALITIES) == Route(RGB, True)
    assert route(MODALITIES, health(state), policy(), ALL, MODALITIES) == NO_FRAME


def test_a_suspect_camera_is_still_judged() -> None:
    assert route(MODALITIES, health(tir=HealthState.SUSPECT), policy(), ALL, MODALITIES) == Route(BOTH, False)


def test_a_modality_without_a_report_is_not_judged() -> None:
    assert route(MODALITIES, {"rgb": health()["rgb"]}, policy(), ALL, MODALITIES) == Route(RGB, True)


@pytest.mark.parametrize("slugs", [("rgb", "depth"), ()])
def test_a_policy_must_name_engines_of_the_bundle(slugs: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"routing\.subsets"):
        allowed_subsets(RoutingConfig(degraded="stop", subsets=slugs), ALL)


def test_the_bundle_may_lack_the_full_engine() -> None:
    assert route(MODALITIES, health(), policy("stop"), (TIR,), MODALITIES) == Route(TIR, False)


FOUR = ("rgb", "tir", "depth", "audio")


@given(
    st.sets(st.sampled_from(FOUR)),
    st.fixed_dictionaries({name: st.sampled_from(HealthState) for name in FOUR}),
    st.lists(st.sampled_from(all_subsets(FOUR)), unique=True, min_size=1),
    st.sampled_from(["may_pass", "reject_all", "stop"]),
)
def test_rules_that_always_hold(
    delivered: set[str], states: dict[str, HealthState], subsets: list[Subset], degraded: str
) -> None:
    reports = {n: HealthReport(n, n, s, Cause.NONE, Ne107.GOOD, 0) for n, s in states.items()}
    chosen = route(delivered, reports, policy(degraded), subsets, FOUR)
    present = {name for name in delivered if reports[name].usable}
    if chosen.subset is not None:
        assert chosen.subset in subsets
        assert present.issuperset(chosen.subset)
        assert all(len(s) <= len(chosen.subset) for s in subsets if present.issuperset(s))
        assert chosen.degraded == (chosen.subset != best_subset(FOUR, subsets, FOUR))
    else:
        assert chosen.code is Code.NO_DECISION
        assert chosen.degraded
    assert chosen.code is not Code.PASS
    assert (chosen.code is None) == (chosen.reason is None)
    if degraded != "may_pass" and chosen.degraded:
        assert chosen.code in (Code.REJECT, Code.NO_DECISION)


def test_a_run_of_degraded_parts_ends_with_no_decision_and_begins_anew_after_full_ones() -> None:
    limited = policy().model_copy(update={"max_degraded_parts": 3, "full_parts": 2})
    run = DegradedRun(limited)
    single, full = Route(RGB, True), Route(BOTH, False)
    stopped = Route(None, True, Code.NO_DECISION, Reason.STOPPED)
    assert [run.take(single) for _ in range(5)] == [single] * 3 + [stopped] * 2
    assert run.over
    assert run.take(full) == full, "a complete part is judged at once"
    assert run.take(single) == stopped, "one complete part is not enough"
    assert [run.take(full), run.take(full)] == [full, full]
    assert not run.over
    assert run.take(single) == single


def test_without_a_limit_no_run_ends() -> None:
    run = DegradedRun(policy())
    assert all(run.take(Route(RGB, True)).subset == RGB for _ in range(10_000))


def test_what_has_no_engine_keeps_its_own_reason() -> None:
    run = DegradedRun(policy().model_copy(update={"max_degraded_parts": 1}))
    assert [run.take(NO_FRAME) for _ in range(3)] == [NO_FRAME] * 3
