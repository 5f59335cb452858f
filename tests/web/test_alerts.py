"""docs/alerts.yaml and the Grafana dashboard: they name what exists, and alerts fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from radar_edge.web.metric_table import METRICS

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "docs/alerts.yaml"
DASHBOARD = ROOT / "docs/grafana/radar-edge.json"
CASES = [ROOT / "tests/web/alerts_test.yaml", ROOT / "tests/web/alerts_day_test.yaml"]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: run `make peers`")

PARTS = {"histogram": {"_bucket": {"le"}, "_sum": set(), "_count": set()}}
LABELS = {
    metric.name + part: {*metric.all_labels, *labels}
    for metric in METRICS
    for part, labels in PARTS.get(metric.kind, {"": set()}).items()
}
"""Of every series that a query can name."""
TARGET = {"job", "instance"}
"""What Prometheus adds."""


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text())


def panels() -> list[dict[str, Any]]:
    return dashboard()["panels"]


def queries() -> list[str]:
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    asked += [
        variable["query"]["query"] for variable in dashboard()["templating"]["list"] if variable["type"] == "query"
    ]
    return [*asked, *(rule["expr"] for rule in rules())]


def unknown(query: str) -> set[str]:
    """Metrics and labels in a query that no line gives."""
    wrong = set()
    bare = re.sub(r'"[^"]*"', '""', query)
    for name, selector in re.findall(r"\b(radar_edge_\w+)(\{[^}]*\})?", bare):
        if name not in LABELS:
            wrong.add(name)
            continue
        wrong |= set(re.findall(r"(\w+)\s*(?:=|!)", selector)) - LABELS[name] - TARGET
    return wrong


def test_the_check_sees_what_does_not_exist() -> None:
    assert unknown("rate(radar_edge_part_total[5m])") == {"radar_edge_part_total"}
    assert unknown('radar_edge_verdicts_total{reason="x"}') == {"reason"}
    assert unknown('radar_edge_drift_state{radar_edge_drift_state="watch", instance=~"$line"}') == set()
    assert unknown("radar_edge_latency_seconds_bucket") == set()
    assert unknown("radar_edge_parts_total_sum") == {"radar_edge_parts_total_sum"}


@pytest.mark.parametrize("query", queries())
def test_every_query_names_what_exists(query: str) -> None:
    assert "radar_edge_" in query
    assert unknown(query) == set()


def test_every_alert_says_how_bad_it_is_and_where() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert "$labels.instance" in rule["annotations"]["summary"]


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    fired, quiet = set(), set()
    for case in (case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]):
        for expected in case["alert_rule_test"]:
            (fired if expected["exp_alerts"] else quiet).add(expected["alertname"])
    assert fired == quiet == {rule["alert"] for rule in rules()}


@pytest.mark.peer
@needs_promtool
def test_promtool_takes_the_rules() -> None:
    found = subprocess.run([str(PROMTOOL), "check", "rules", str(ALERTS)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.peer
@needs_promtool
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(cases: Path) -> None:
    found = subprocess.run([str(PROMTOOL), "test", "rules", str(cases)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.peer
@needs_promtool
def test_prometheus_can_read_every_query_of_the_dashboard(tmp_path: Path) -> None:
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    plain = [query.replace("$__rate_interval", "1m").replace("$__range", "1h") for query in asked]
    groups = {"groups": [{"name": "all", "rules": [{"record": f"r{n}", "expr": q} for n, q in enumerate(plain)]}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups))
    command = [str(PROMTOOL), "check", "rules", str(tmp_path / "rules.yaml")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """What its importer needs: no id of another server, the data source as an input, a schema version it migrates."""
    document = dashboard()
    assert document["id"] is None
    assert document["uid"] == "radar-edge"
    assert document["schemaVersion"] >= 36
    assert [given["pluginId"] for given in document["__inputs"]] == ["prometheus"]
    source = "${" + document["__inputs"][0]["name"] + "}"
    for panel in panels():
        assert {"id", "type", "title", "gridPos"} <= set(panel)
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": source}
            assert panel["description"]
            assert all(target["refId"] and target["expr"] for target in panel["targets"])
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_panels_do_not_lie_on_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies on {taken.get(cell)}"
            taken[cell] = panel["title"]


def test_every_series_of_a_panel_is_of_the_chosen_lines() -> None:
    for panel in panels():
        for target in panel.get("targets", ()):
            for name, selector in re.findall(r"\b(radar_edge_\w+)(\{[^}]*\})?", target["expr"]):
                assert 'instance=~"$line"' in selector, name
