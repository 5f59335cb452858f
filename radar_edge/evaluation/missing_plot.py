"""AUROC over the rate of lost images in SVG: a panel for each kind of loss, a line for each way of scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radar_edge.evaluation.figures import WAYS
from radar_edge.evaluation.svg import Plane, drawing, line, rect, text, ticks

PANEL, GAP, LEFT, TOP, SIDE = 284, 30, 44, 52, 200
COLOURS = {"calibrated": "var(--good)", "raw": "var(--bad)", "placeholder": "var(--hidden)"}
SHIFT = {"calibrated": -0.006, "raw": 0.0, "placeholder": 0.006}
"""Of the rate, so that intervals stand beside each other."""


def missing_plot(table: Sequence[Mapping[str, Any]]) -> str:
    """`table`: rows of {rate, missing, calibrated, raw, placeholder} with their `_ci`."""
    kinds = list(dict.fromkeys(one["missing"] for one in table))
    values = [
        v for one in table for way in WAYS for v in (one.get(way), *(one.get(f"{way}_ci") or ())) if v is not None
    ]
    rates = sorted({one["rate"] for one in table})
    if not values:
        return ""
    low, high = min([*values, 0.95]) - 0.01, min(max(values) + 0.01, 1.0)
    content, margin = legend(), 0.05
    for i, kind in enumerate(kinds):
        left = LEFT + i * (PANEL + GAP)
        plane = Plane(left, TOP, PANEL, SIDE, (rates[0] - margin, rates[-1] + margin), (low, high))
        content += panel(plane, kind, [one for one in table if one["missing"] == kind], rates, first=i == 0)
    width = LEFT + len(kinds) * (PANEL + GAP)
    return drawing(max(width, 1000), TOP + SIDE + 40, "AUROC over the rate of lost images", content)


def panel(plane: Plane, kind: str, rows: Sequence[Mapping[str, Any]], rates: Sequence[float], *, first: bool) -> str:
    ys = [(y, f"{y:.2f}" if first else "") for y in ticks(*plane.y, 6)]
    content = plane.grid([(rate, f"{rate:.0%}") for rate in rates], ys)
    content += text(plane.left, plane.top - 8, f"{kind} lost", style='class="name"')
    for way in WAYS:
        style = f'stroke="{COLOURS[way]}" stroke-width="2"'
        known = [one for one in rows if one.get(way) is not None]
        content += plane.path([(one["rate"] + SHIFT[way], one[way]) for one in known], style)
        for one in known:
            x = one["rate"] + SHIFT[way]
            if interval := one.get(f"{way}_ci"):
                content += line(plane.px(x), plane.py(interval[0]), plane.px(x), plane.py(interval[1]), style)
            content += plane.dot(x, one[way], f'fill="{COLOURS[way]}"', f"{way}: {one[way]:.3f}")
    return content


def legend() -> str:
    drawn, x = "", float(LEFT)
    for way in WAYS:
        drawn += rect(x, 6, 11, 11, f'fill="{COLOURS[way]}" rx="2"') + text(x + 17, 16, way)
        x += 34 + 6.6 * len(way)
    return drawn
