"""The table of docs/metrics.md, from the code that makes the metrics: tools/describe_metrics.py > table.md"""

from __future__ import annotations

from radar_edge.web.metric_table import METRICS


def table() -> str:
    lines = ["| metric | kind | labels | |", "| --- | --- | --- | --- |"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.all_labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
