"""AUROC over the rate of lost test images as one SVG file: a panel for each kind of loss, a line for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radar_edge.benchmark.cells import NOTHING
from radar_edge.benchmark.tables import by_method, lost
from radar_edge.evaluation.svg import Plane, drawing, line, rect, text, ticks

PANEL, GAP, LEFT, SIDE, TOP = 300, 30, 48, 240, 28
ENTRY, EDGE = 17, 0.05
COLOURS = ("#1a5fb4", "#c64600", "#26a269", "#9141ac", "#a51d2d", "#63452c", "#0f7b8a", "#5e5c64", "#b8860b")
STYLE = (
    "<style>:root{--line:#d0d0d0}text{font:12px sans-serif;fill:#222}.name{font-weight:bold}</style>"
    '<rect width="100%" height="100%" fill="#fff"/>'
)
SHIFT = 0.004
"""Of the rate, from method to method, so that intervals stand beside each other."""


def plot(document: Mapping[str, Any]) -> str:
    """The losses in test alone; where nothing is lost, the figure of all modalities is the first point."""
    rows = [row for row in document["rows"] if row["missing_in"] == ["test"]]
    full = "_".join(document["modalities"])
    whole = {r["method"]: r for r in document["rows"] if r["missing"] == NOTHING and r["subset"] == full}
    methods = list(by_method(rows))
    colours = {method: COLOURS[i % len(COLOURS)] for i, method in enumerate(methods)}
    ends = [v for r in (*rows, *whole.values()) for v in (r["image_auroc"], *(r["image_auroc_ci"] or ()))]
    low, high = min(ends) - 0.02, min(max(ends) + 0.02, 1.0)
    rates = sorted({0.0, *(row["rate"] for row in rows)})
    kinds = list(dict.fromkeys(row["missing"] for row in rows))
    content = STYLE
    for i, kind in enumerate(kinds):
        plane = Plane(LEFT + i * (PANEL + GAP), TOP, PANEL, SIDE, (-EDGE, rates[-1] + EDGE), (low, high))
        ys = [(y, f"{y:.2f}" if i == 0 else "") for y in ticks(low, high, 6)]
        content += plane.grid([(rate, f"{rate:.0%}") for rate in rates], ys)
        content += text(plane.left, plane.top - 9, f"without {lost(kind, document)}", style='class="name"')
        for n, method in enumerate(methods):
            mine = [whole[method], *(r for r in rows if r["method"] == method and r["missing"] == kind)]
            content += curve(plane, mine, colours[method], SHIFT * (n - (len(methods) - 1) / 2))
    bottom = TOP + SIDE + 34
    for n, method in enumerate(methods):
        content += rect(LEFT, bottom + n * ENTRY, 11, 11, f'fill="{colours[method]}"')
        content += text(LEFT + 17, bottom + n * ENTRY + 10, method)
    width, height = LEFT + len(kinds) * (PANEL + GAP), bottom + len(methods) * ENTRY + 6
    label = "Image AUROC over the rate of lost test images"
    return drawing(width, height, label, content).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def curve(plane: Plane, rows: Sequence[Mapping[str, Any]], colour: str, shift: float) -> str:
    style = f'stroke="{colour}" stroke-width="2"'
    faint = f'stroke="{colour}" stroke-width="1.5" stroke-opacity="0.6"'
    points = [(row["rate"] + shift, row) for row in sorted(rows, key=lambda row: float(row["rate"]))]
    content = plane.path([(x, row["image_auroc"]) for x, row in points], style)
    for x, row in points:
        if interval := row["image_auroc_ci"]:
            content += line(plane.px(x), plane.py(interval[0]), plane.px(x), plane.py(interval[1]), faint)
        content += plane.dot(x, row["image_auroc"], f'fill="{colour}"', f"{row['method']}: {row['image_auroc']:.3f}")
    return content
