"""The tables of docs/metrics.md, from the code: tools/describe_metrics.py [mqtt] > table.md

Without an argument the metrics; with `mqtt` the keys of its configuration.
"""

from __future__ import annotations

import sys

from radar_edge.config import MqttConfig
from radar_edge.web.metric_table import METRICS


def metrics() -> str:
    lines = ["| metric | kind | labels | |", "| --- | --- | --- | --- |"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.all_labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


def mqtt() -> str:
    lines = ["| key | default | |", "| --- | --- | --- |"]
    for name, field in MqttConfig.model_fields.items():
        default = "needed" if field.is_required() else {None: "none", False: "false"}.get(field.default, field.default)
        lines.append(f"| `{name}` | {default} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(mqtt() if "mqtt" in sys.argv[1:] else metrics(), end="")
