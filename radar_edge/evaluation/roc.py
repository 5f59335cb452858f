"""The ROC curve of one engine in SVG: whole, and its corner of few false rejects magnified. Knows scores alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from radar_edge.evaluation.svg import Plane, drawing, line, rect, text, ticks

WIDTH, HEIGHT = 1000, 380
CORNER = 0.1
"""Up to this false-reject rate the second drawing goes: no line runs at more."""

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""False-reject rate and share of defects found, both ascending from 0 to 1."""


def roc(good: Sequence[float], bad: Sequence[float], limits: Mapping[str, float], target_frr: float | None) -> str:
    """`limits`: name -> threshold, marked on the curve. An empty string without good parts or without defects."""
    if not len(good) or not len(bad):
        return ""
    from sklearn.metrics import roc_curve  # of the extra `report`, which pages.check_packages has looked for

    fpr, tpr, _ = roc_curve(np.r_[np.zeros(len(good)), np.ones(len(bad))], np.r_[good, bad], drop_intermediate=False)
    # The least that is found with no good part rejected, rounded down: the corner's drawing begins there.
    floor = math.floor(10 * float(tpr[fpr == 0].max()) - 1e-9) / 10
    whole = Plane(56, 34, 410, 290, (0.0, 1.0), (0.0, 1.0))
    corner = Plane(570, 34, 410, 290, (0.0, CORNER), (max(floor, 0.0), 1.0))
    places = {name: (rate_above(good, limit), rate_above(bad, limit)) for name, limit in limits.items()}
    content = text(56, 18, "All false-reject rates", style='class="name"')
    content += text(570, 18, f"Up to {CORNER:.0%} false rejects, magnified (the dotted box)", style='class="name"')
    content += panel(whole, (fpr, tpr), places, target_frr) + panel(corner, clipped((fpr, tpr)), places, target_frr)
    left, top = whole.px(0), whole.py(1)
    size = whole.px(CORNER) - left, whole.py(corner.y[0]) - top
    content += rect(left, top, *size, 'fill="none" stroke="var(--quiet)" stroke-dasharray="3 3"')
    return drawing(WIDTH, HEIGHT, "ROC: defects found over good parts rejected", content)


def rate_above(scores: Sequence[float], limit: float) -> float:
    return float(np.mean(np.asarray(scores) > limit))


def clipped(curve: Curve) -> Curve:
    """Up to CORNER; between two points the curve is a straight line."""
    inside = curve[0] <= CORNER
    return np.r_[curve[0][inside], CORNER], np.r_[curve[1][inside], np.interp(CORNER, *curve)]


def panel(plane: Plane, curve: Curve, places: Mapping[str, tuple[float, float]], target_frr: float | None) -> str:
    content = plane.grid(
        [(x, f"{x:.0%}") for x in ticks(*plane.x, 5)],
        [(y, f"{y:.0%}") for y in ticks(*plane.y, 5)],
    )
    content += text(plane.left + plane.width / 2, plane.top + plane.height + 34, "good parts rejected", "middle")
    turn = f'transform="rotate(-90 {plane.left - 38:.0f} {plane.top + plane.height / 2:.0f})"'
    content += text(plane.left - 38, plane.top + plane.height / 2, "defects found", "middle", turn)
    if target_frr is not None and target_frr <= plane.x[1]:
        x = plane.px(target_frr)
        content += line(x, plane.top, x, plane.top + plane.height, 'stroke="var(--quiet)" stroke-dasharray="4 3"')
    inside = (np.r_[curve[0]], np.maximum(curve[1], plane.y[0]))
    content += plane.path(zip(*inside, strict=True), 'stroke="var(--good)" stroke-width="2"')
    for name, (x, y) in places.items():
        if x <= plane.x[1] and y >= plane.y[0]:
            title = f"{name}: {x:.1%} of good parts rejected, {y:.1%} of defects found"
            content += plane.dot(x, y, f'class="mark {name}"', title)
    return content
