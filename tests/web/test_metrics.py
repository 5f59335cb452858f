from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from example_state import AT_NS, example_state
from line_fakes import bench
from prometheus_client.parser import text_string_to_metric_families

from radar_edge.web.metric_table import METRICS
from radar_edge.web.metrics import STALE_NS, exposition

PROMTOOL = shutil.which("promtool")


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def read(state: dict | None, name: str, now_ns: int = AT_NS, **labels: str) -> float | None:
    return samples(exposition(state, now_ns)).get((name, frozenset(labels.items())))


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("up", {}, 1),
        ("state_age_seconds", {}, 0),
        ("build_info", {"version": "0.1.0", "bundle": "ab" * 32}, 1),
        ("status", {"bit": "ready"}, 1),
        ("status", {"bit": "fault"}, 0),
        ("plc_alive", {}, 1),
        ("plc_trouble", {}, 0),
        ("camera_state", {"camera": "top-tir", "modality": "tir", "radar_edge_camera_state": "failed"}, 1),
        ("camera_state", {"camera": "top-tir", "modality": "tir", "radar_edge_camera_state": "ok"}, 0),
        ("camera_cause", {"camera": "top-tir", "modality": "tir", "radar_edge_camera_cause": "frozen"}, 1),
        ("camera_usable", {"camera": "top-tir", "modality": "tir"}, 0),
        ("camera_ne107", {"camera": "top-rgb", "modality": "rgb"}, 1),
        ("camera_restarts_total", {"camera": "top-tir"}, 3),
        ("parts_total", {}, 1200),
        ("verdicts_total", {"code": "reject"}, 18),
        ("verdict_reasons_total", {"reason": "no_engine"}, 0),
        ("judged_parts_total", {"subset": "rgb"}, 98),
        ("degraded_parts_total", {}, 98),
        ("latency_seconds_bucket", {"le": "0.1"}, 1190),
        ("latency_seconds_bucket", {"le": "+Inf"}, 1200),
        ("latency_seconds_sum", {}, 72),
        ("latency_seconds_count", {}, 1200),
        ("stage_latency_seconds", {"stage": "engine", "percentile": "99"}, 0.02),
        ("journal_failing_seconds", {}, 0),
        ("journal_pending_rows", {}, 3),
        ("temperature_celsius", {"zone": "gpu"}, 63),
        ("drift_state", {"subset": "rgb_tir", "radar_edge_drift_state": "watch"}, 1),
        ("drift_evidence_ratio", {"subset": "rgb_tir"}, pytest.approx(0.75)),
        ("lot_score", {"subset": "rgb_tir", "percentile": "90"}, -3),
        ("evidence_not_kept_total", {}, None),
    ],
)
def test_a_number_is_where_the_state_has_it(name: str, labels: dict[str, str], expected: float | None) -> None:
    assert read(example_state(), f"radar_edge_{name}", **labels) == expected


def test_a_state_set_has_one_state_at_a_time() -> None:
    found = samples(exposition(example_state(), AT_NS))
    for name, cameras in (
        ("radar_edge_camera_state", 2),
        ("radar_edge_camera_cause", 2),
        ("radar_edge_drift_state", 2),
    ):
        assert sum(value for (sample, _), value in found.items() if sample == name) == cameras


def test_a_line_that_never_told_is_down() -> None:
    assert samples(exposition(None, AT_NS)) == {("radar_edge_up", frozenset()): 0}


def test_old_numbers_are_not_shown_as_new() -> None:
    now_ns = AT_NS + STALE_NS + 1_000_000_000
    assert samples(exposition(example_state(), now_ns)) == {
        ("radar_edge_up", frozenset()): 0,
        ("radar_edge_state_age_seconds", frozenset()): 6,
    }
    assert read(example_state(), "radar_edge_up", AT_NS + STALE_NS) == 1


def test_the_age_is_that_of_this_moment_if_none_is_given() -> None:
    assert b"radar_edge_up 0.0\n" in exposition(example_state(at_ns=-10 * STALE_NS))


def test_what_a_state_does_not_hold_has_no_series() -> None:
    found = samples(exposition({"at_ns": AT_NS}, AT_NS))
    assert {name for name, _ in found} == {"radar_edge_up", "radar_edge_state_age_seconds"}


def test_a_state_through_json_gives_the_same_metrics() -> None:
    assert exposition(json.loads(json.dumps(example_state())), AT_NS) == exposition(example_state(), AT_NS)


def test_a_journal_that_fails_and_a_link_in_trouble_are_told() -> None:
    state = example_state(journal={"failing_s": 7.5, "pending": 10_000}, plc_trouble="no port", plc_alive=False)
    assert read(state, "radar_edge_journal_failing_seconds") == 7.5
    assert read(state, "radar_edge_plc_trouble") == 1
    assert read(state, "radar_edge_plc_alive") == 0


def test_hostile_names_stay_label_values() -> None:
    state = example_state(temperatures_c={'a"} 1\nradar_edge_up 1': 20.0})
    assert read(state, "radar_edge_temperature_celsius", zone='a"} 1\nradar_edge_up 1') == 20.0


def test_the_example_state_shows_every_metric() -> None:
    """Else the checks of names and labels would pass over some."""
    found = {name for name, _ in samples(exposition(example_state(evidence_not_kept=0), AT_NS))}
    for metric in METRICS:
        assert (metric.name + "_bucket" if metric.kind == "histogram" else metric.name) in found


@pytest.mark.peer
@pytest.mark.skipif(PROMTOOL is None, reason="no promtool: run `make peers`")
@pytest.mark.parametrize("state", [example_state(evidence_not_kept=0), None], ids=["state", "none"])
def test_promtool_finds_nothing_to_mend(state: dict | None) -> None:
    found = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=exposition(state, AT_NS), capture_output=True, check=False
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


def test_a_running_line_gives_metrics(tmp_path: Path) -> None:
    with bench(tmp_path) as line:
        line.link.announce(1)
        line.wait_verdicts(1)
        line.wait(lambda: line.line.state()["parts"] == 1)
        state = line.line.state()
        found = samples(exposition(state, state["at_ns"]))
    assert found["radar_edge_parts_total", frozenset()] == 1
    assert found["radar_edge_verdicts_total", frozenset({("code", "pass")})] == 1
