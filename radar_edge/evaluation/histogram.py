"""Scores of good and defective parts as bars round the thresholds, in SVG. Knows scores, nothing of parts.

Good parts stand above the axis and defects hang below it, so that neither hides the other. The ground shows the bands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from radar_edge.evaluation.svg import Plane, drawing, line, rect, text, ticks

WIDTH, HEIGHT = 1000, 320
TOP, LEFT, RIGHT, FLOOR = 54, 40, 12, 38
"""Margins of the bars in px."""
BINS = 60
KINDS = {"good": "good parts", "bad": "defects it can see", "hidden": "defects it cannot see"}
BANDS = {"ok": "OK", "review": "review", "ng": "NG"}


def histogram(scores: Mapping[str, Sequence[float]], threshold: float, ng_threshold: float | None = None) -> str:
    """`scores`: of each kind in KINDS. Without `ng_threshold` there is no review band."""
    upper = threshold if ng_threshold is None else ng_threshold
    everything = [*(score for kind in KINDS for score in scores[kind]), threshold, upper]
    low, high = min(everything), max(everything)
    margin = 0.02 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    counts = {kind: np.histogram(scores[kind], edges)[0] for kind in KINDS}
    above, below = counts["good"].max(initial=1), (counts["bad"] + counts["hidden"]).max(initial=1)
    span = (-float(max(below, 1)) * 1.05, float(max(above, 1)) * 1.05)
    plane = Plane(LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - FLOOR, (float(edges[0]), float(edges[-1])), span)
    content = bands(plane, threshold, upper) + axes(plane)
    content += "".join(bars(plane, edges, counts["good"], np.zeros(BINS, int), "good", 1))
    content += "".join(bars(plane, edges, counts["bad"], np.zeros(BINS, int), "bad", -1))
    content += "".join(bars(plane, edges, counts["hidden"], counts["bad"], "hidden", -1))
    content += limit(plane, threshold) + (limit(plane, upper) if upper > threshold else "")
    return drawing(WIDTH, HEIGHT, "Scores of good and defective parts", content + legend(scores))


def bands(plane: Plane, threshold: float, upper: float) -> str:
    """The ground in the colours of OK, review and NG, each with its name where there is room for it."""
    ends = {"ok": (plane.x[0], threshold), "review": (threshold, upper), "ng": (upper, plane.x[1])}
    drawn = ""
    for band, (start, end) in ends.items():
        left, width = plane.px(start), plane.px(end) - plane.px(start)
        drawn += rect(left, plane.top, width, plane.height, f'class="band {band}"')
        if width > 9 * len(BANDS[band]):
            drawn += text(left + width / 2, plane.top - 6, BANDS[band], "middle", f'class="name {band}"')
    return drawn


def axes(plane: Plane) -> str:
    xs = [(value, f"{value:g}") for value in ticks(*plane.x, 10)]
    ys = [(value, f"{abs(value):g}") for value in ticks(*plane.y, 7) if value == int(value)]
    middle = line(plane.left, plane.py(0), plane.left + plane.width, plane.py(0), 'stroke="var(--quiet)"')
    label = text(plane.left + plane.width, HEIGHT - 5, "score (logit)", "end")
    return plane.grid(xs, ys) + middle + label


def bars(plane: Plane, edges: np.ndarray, counts: np.ndarray, base: np.ndarray, kind: str, sign: int) -> list[str]:
    """One bar a bin with anything in it, from `base` on, upwards or downwards."""
    drawn = []
    for i in np.flatnonzero(counts):
        left, width = plane.px(edges[i]), plane.px(edges[i + 1]) - plane.px(edges[i])
        ends = sorted(plane.py(sign * float(n)) for n in (base[i], base[i] + counts[i]))
        drawn.append(rect(left + 0.5, ends[0], width - 1, ends[1] - ends[0], f'fill="var(--{kind})"'))
    return drawn


def limit(plane: Plane, score: float) -> str:
    x = plane.px(score)
    return line(x, plane.top, x, plane.top + plane.height, 'stroke="var(--text)" stroke-dasharray="4 3"')


def legend(scores: Mapping[str, Sequence[float]]) -> str:
    drawn, x = "", float(LEFT)
    for kind, name in KINDS.items():
        if len(scores[kind]):
            label = f"{name} ({len(scores[kind])})"
            drawn += rect(x, 6, 11, 11, f'fill="var(--{kind})" rx="2"') + text(x + 17, 16, label)
            x += 34 + 6.6 * len(label)
    return drawn
