"""Scores of good and defective parts as bars round a threshold, in SVG. Knows scores, nothing of parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

WIDTH, HEIGHT, BASE, TOP = 720, 200, 165, 24
"""Of the drawing in px; BASE and TOP are where bars begin and may end."""
BINS = 40
TICKS = 6
KINDS = {"good": "good parts", "bad": "defects it can see", "hidden": "defects it cannot see"}


def histogram(scores: Mapping[str, Sequence[float]], threshold: float) -> str:
    """`scores`: of the kinds in KINDS. Good parts stand up from the axis in front; each kind has its own colour."""
    everything = [*(score for kind in KINDS for score in scores[kind]), threshold]
    edges = np.linspace(min(everything), max(everything) or 1, BINS + 1)
    if edges[0] == edges[-1]:
        edges = np.linspace(edges[0] - 1, edges[0] + 1, BINS + 1)
    counts = {kind: np.histogram(scores[kind], edges)[0] for kind in KINDS}
    tallest = max(int(count.max()) for count in counts.values()) or 1

    def place(score: float) -> float:
        return float((score - edges[0]) / (edges[-1] - edges[0]) * WIDTH)

    bars = "".join(bar(kind, i, count, tallest) for kind in KINDS for i, count in enumerate(counts[kind]) if count)
    ticks = "".join(
        f'<text x="{place(score):.0f}" y="{BASE + 16}" text-anchor="{anchor(place(score))}">{score:.1f}</text>'
        for score in np.linspace(edges[0], edges[-1], TICKS)
    )
    return f"""<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"
aria-label="Scores of good and defective parts">{legend(scores)}{bars}
<line x1="0" x2="{WIDTH}" y1="{BASE}" y2="{BASE}" stroke="var(--line)"/>{ticks}{mark(place(threshold), threshold)}
<text x="{WIDTH}" y="{HEIGHT - 2}" text-anchor="end">score (logit)</text></svg>"""


def bar(kind: str, place: int, count: int, tallest: int) -> str:
    """Two narrow bars side by side in a bin, so that none hides another; hidden defects share the second's place."""
    slot = WIDTH / BINS
    width = slot * 0.42
    left = place * slot + (0.06 * slot if kind == "good" else 0.52 * slot)
    height = (BASE - TOP - 12) * count / tallest
    opacity = 0.55 if kind == "hidden" else 1
    return (
        f'<rect x="{left:.1f}" y="{BASE - height:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' fill="var(--{kind})" opacity="{opacity}"/>'
    )


def mark(x: float, threshold: float) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BASE}" stroke="var(--text)" stroke-dasharray="4 3"/>'
        f'<text x="{x:.0f}" y="{BASE + 31}" text-anchor="{anchor(x)}">threshold {threshold:.2f}</text>'
    )


def legend(scores: Mapping[str, Sequence[float]]) -> str:
    shown = [kind for kind in KINDS if len(scores[kind])]
    return "".join(
        f'<rect x="{i * 200}" y="2" width="11" height="11" fill="var(--{kind})"/>'
        f'<text x="{i * 200 + 17}" y="12">{KINDS[kind]} ({len(scores[kind])})</text>'
        for i, kind in enumerate(shown)
    )


def anchor(x: float) -> str:
    """Text at the edges stays inside the drawing."""
    return "start" if x < WIDTH * 0.1 else "end" if x > WIDTH * 0.9 else "middle"
