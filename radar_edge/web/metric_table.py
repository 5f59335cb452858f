"""Every number that a line gives away: its name, kind, labels, and where it stands in Line.state(). Knows no format.

Names follow Prometheus' conventions: base units in the name, `_total` for what only grows. Series are stable: a code, a
reason or a state has its series from the start, with 0. What the state does not hold (no evidence folder, a board
without sensors) has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from radar_edge.records import Cause, Code, HealthState, Reason
from radar_edge.runtime.plc.link import StatusBit
from radar_edge.runtime.score_drift import DriftState

State = Mapping[str, Any]
Kind = Literal["gauge", "counter", "stateset", "info", "histogram"]
Sample = tuple[tuple[str, ...], Any]
"""Label values, and a number; a map for a state set or an info, (buckets, sum) for a histogram."""
SUFFIXES: Mapping[str, str] = {"counter": "_total", "info": "_info"}
PERCENTILES = ("50", "95", "99")
QUANTILES = ("50", "90", "99")


@dataclass(frozen=True)
class Metric:
    base: str
    kind: Kind
    help: str
    read: Callable[[State], Iterable[Sample]]
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As a query names it; a histogram's also with `_bucket`, `_sum` and `_count`."""
        return self.base + SUFFIXES.get(self.kind, "")

    @property
    def all_labels(self) -> tuple[str, ...]:
        """With the one that a state set adds, which bears the metric's own name."""
        return (*self.labels, self.base) if self.kind == "stateset" else self.labels


Read = Callable[[State], Iterable[Sample]]


def value(*keys: str, none: float | None = None) -> Read:
    """The number at this place; `none` stands for null."""

    def read(state: State) -> Iterable[Sample]:
        found: Any = state
        for key in keys:
            if key not in found:
                return
            found = found[key]
        found = none if found is None else found
        if found is not None:
            yield (), float(found)

    return read


def flag(key: str, true: Callable[[Any], bool] = bool) -> Read:
    """1 or 0."""
    return lambda state: [((), float(true(state[key])))] if key in state else []


def each(key: str, always: Iterable[str] = ()) -> Read:
    """A map of numbers, one series a key; those of `always` with 0 if they are not there."""
    known = dict.fromkeys(always, 0)
    return lambda state: [((name,), float(n)) for name, n in {**known, **state[key]}.items()] if key in state else []


def cameras(value: Callable[[Mapping[str, Any]], Any], field: str) -> Read:
    """One series a camera that has `field`."""
    return lambda state: [
        ((name, camera["modality"]), value(camera))
        for name, camera in state.get("cameras", {}).items()
        if field in camera
    ]


def chosen(states: type[Enum], one: str) -> dict[str, bool]:
    return {state.value: state.value == one for state in states}


def status(state: State) -> Iterable[Sample]:
    if "status" in state:
        yield from (((bit.name.lower(),), float(bit.name in state["status"])) for bit in StatusBit if bit.name)


def build(state: State) -> Iterable[Sample]:
    if "version" in state:
        yield (), {"version": state["version"], "bundle": state.get("bundle") or ""}


def latency(state: State) -> Iterable[Sample]:
    """The state's bounds are milliseconds, its counts cumulative."""
    histogram = state.get("latency_histogram_ms")
    if histogram:
        bounds = [f"{bound / 1000:g}" for bound in histogram["bounds"]]
        buckets = list(zip(bounds, histogram["counts"], strict=False))  # with or without +Inf at the end
        yield (), ([*buckets, ("+Inf", histogram["count"])], histogram["sum"] / 1000)


def stages(state: State) -> Iterable[Sample]:
    for stage, figures in state.get("latency_ms", {}).items():
        yield from (((stage, p), figures[f"p{p}"] / 1000) for p in PERCENTILES if f"p{p}" in figures)


def drift(value: Callable[[Mapping[str, Any]], Any]) -> Read:
    return lambda state: [((slug,), value(document)) for slug, document in state.get("drift", {}).items()]


def lot_scores(state: State) -> Iterable[Sample]:
    for slug, document in state.get("drift", {}).items():
        for lot in document["lots"][-1:]:
            yield from (((slug, q), lot[f"q{q}"]) for q in QUANTILES)


CODES = [code.name.lower() for code in Code if code is not Code.NONE]
REASONS = [reason.name.lower() for reason in Reason if reason is not Reason.NONE]
CAMERA = ("camera", "modality")

METRICS: tuple[Metric, ...] = (
    Metric("radar_edge_up", "gauge", "1 while the line tells its state, 0 once it has fallen silent.", value("up")),
    Metric("radar_edge_state_age_seconds", "gauge", "Since the line last told its state.", value("age_s")),
    Metric("radar_edge_build", "info", "The software's version and the bundle's digest.", build),
    Metric("radar_edge_uptime_seconds", "gauge", "Since the line was started.", value("uptime_s")),
    Metric("radar_edge_product", "gauge", "The product number that the PLC selected.", value("product")),
    Metric("radar_edge_status", "gauge", "Status bits as the PLC reads them (register 7).", status, ("bit",)),
    Metric("radar_edge_plc_alive", "gauge", "1 while the PLC's heartbeat moves.", flag("plc_alive")),
    Metric(
        "radar_edge_plc_trouble",
        "gauge",
        "1 while something is wrong with the link; the state says what.",
        flag("plc_trouble", lambda trouble: trouble is not None),
    ),
    Metric(
        "radar_edge_camera_state",
        "stateset",
        "Health of a camera.",
        cameras(lambda camera: chosen(HealthState, camera["state"]), "state"),
        CAMERA,
    ),
    Metric(
        "radar_edge_camera_cause",
        "stateset",
        "What is wrong with a camera; none while it is well.",
        cameras(lambda camera: chosen(Cause, camera["cause"]), "cause"),
        CAMERA,
    ),
    Metric(
        "radar_edge_camera_usable",
        "gauge",
        "1 while its frames may be judged.",
        cameras(lambda camera: float(camera["usable"]), "usable"),
        CAMERA,
    ),
    Metric(
        "radar_edge_camera_ne107",
        "gauge",
        "NAMUR NE 107 class: 1 good, 2 function check, 3 out of specification, 4 maintenance, 5 failure.",
        cameras(lambda camera: float(camera["ne107"]), "ne107"),
        CAMERA,
    ),
    Metric(
        "radar_edge_camera_restarts",
        "counter",
        "Times that a camera's process was started anew.",
        each("restarts"),
        ("camera",),
    ),
    Metric("radar_edge_frames_dropped", "counter", "Frames that belonged to no open part.", value("frames_dropped")),
    Metric("radar_edge_parts", "counter", "Parts that got a verdict.", value("parts")),
    Metric("radar_edge_verdicts", "counter", "Verdicts by their code.", each("verdicts", CODES), ("code",)),
    Metric("radar_edge_verdict_reasons", "counter", "Verdicts by their reason.", each("reasons", REASONS), ("reason",)),
    Metric("radar_edge_judged_parts", "counter", "Parts by the engine that judged.", each("engines"), ("subset",)),
    Metric("radar_edge_degraded_parts", "counter", "Parts judged without every modality.", value("degraded")),
    Metric(
        "radar_edge_late_results",
        "counter",
        "Results that came after their deadline and were never sent.",
        value("late_results"),
    ),
    Metric(
        "radar_edge_latency_seconds",
        "histogram",
        "From the trigger to the verdict, of all parts since the start.",
        latency,
    ),
    Metric(
        "radar_edge_stage_latency_seconds",
        "gauge",
        "A stage's latency, percentiles of the last 1000 parts.",
        stages,
        ("stage", "percentile"),
    ),
    Metric(
        "radar_edge_journal_failing_seconds",
        "gauge",
        "Since when the journal does not keep what it is told; 0 while it does.",
        value("journal", "failing_s", none=0.0),
    ),
    Metric(
        "radar_edge_journal_pending_rows",
        "gauge",
        "Rows that wait to be written.",
        value("journal", "pending"),
    ),
    Metric(
        "radar_edge_evidence_not_kept",
        "counter",
        "Parts whose frames could not be written.",
        value("evidence_not_kept"),
    ),
    Metric("radar_edge_temperature_celsius", "gauge", "The unit's thermal zones.", each("temperatures_c"), ("zone",)),
    Metric(
        "radar_edge_drift_state",
        "stateset",
        "Whether good parts still score as the held-out ones did.",
        drift(lambda document: chosen(DriftState, document["state"])),
        ("subset",),
    ),
    Metric(
        "radar_edge_drift_evidence_ratio",
        "gauge",
        "Evidence of a drift, as a share of what says recalibrate; logarithms.",
        drift(lambda document: document["evidence"] / document["limit"]),
        ("subset",),
    ),
    Metric(
        "radar_edge_lot_score",
        "gauge",
        "Percentiles of the good parts' scores in the last whole lot.",
        lot_scores,
        ("subset", "percentile"),
    ),
)
