"""Line.state() as Prometheus metrics. Pure but for the clock, if none is given; knows no server and no registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from radar_edge.clock import NS_PER_S, MonotonicClock
from radar_edge.errors import MissingPackageError
from radar_edge.web.metric_table import METRICS, Metric, State

try:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        StateSetMetricFamily,
    )
    from prometheus_client.metrics_core import Metric as Family
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingPackageError("prometheus-client", "telemetry", "giving metrics to Prometheus") from error

STALE_NS = 5 * NS_PER_S
"""The line tells its state every second."""
CONTENT_TYPE: str = CONTENT_TYPE_LATEST
FAMILIES: dict[str, Any] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "stateset": StateSetMetricFamily,
    "info": InfoMetricFamily,
}


def exposition(state: State | None, now_ns: int | None = None) -> bytes:
    """The text that Prometheus scrapes, of CONTENT_TYPE. `now_ns`: monotonic time, of this moment if None."""
    return generate_latest(StateCollector(state, MonotonicClock().now_ns() if now_ns is None else now_ns))


class StateCollector(Collector):
    """The metric families of one state, as of `now_ns`.

    Without a state, or with one older than STALE_NS, there is radar_edge_up 0, the age, and nothing else: old numbers
    would look like a line at work.
    """

    def __init__(self, state: State | None, now_ns: int) -> None:
        age_ns = None if state is None else now_ns - state["at_ns"]
        age = {} if age_ns is None else {"age_s": max(age_ns, 0) / NS_PER_S}
        up = age_ns is not None and age_ns <= STALE_NS
        self._shown: State = {**(state if state is not None and up else {}), **age, "up": float(up)}

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            made = family(metric, self._shown)
            if made.samples:
                yield made


def family(metric: Metric, state: State) -> Family:
    """One metric with all its samples; without any if the state does not hold it."""
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.base, metric.help, labels=metric.labels)
        for labels, (buckets, total) in metric.read(state):
            histogram.add_metric(labels, buckets, total)
        return histogram
    made: Family = FAMILIES[metric.kind](metric.base, metric.help, labels=metric.labels)
    for labels, sample in metric.read(state):
        made.add_metric(labels, sample)  # type: ignore[attr-defined]  # all four have it
    return made
