"""Scores of good and defective parts as bars round a threshold, in SVG. Knows scores, nothing of parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

WIDTH, HEIGHT, BASE, TOP = 720, 200, 165, 22
"""Of the drawing in px; BASE and TOP are where bars begin and may end."""
BINS = 40
TICKS = 6
KINDS = {"good": "good parts", "bad": "defects it can see", "hidden": "defects it cannot see"}


def histogram(scores: Mapping[str, Sequence[float]], threshold: float) -> str:
    """`scores`: of each kind in KINDS, in the page's --good, --bad and --hidden colours."""
    everything = [*(score for kind in KINDS for score in scores[kind]), threshold]
    low, high = min(everything), max(everything)
    margin = 1.0 if low == high else 0.0
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    counts = {kind: np.histogram(scores[kind], edges)[0] for kind in KINDS}
    tallest = max(int(count.max()) for count in counts.values()) or 1

    def place(score: float) -> float:
        return float((score - edges[0]) / (edges[-1] - edges[0]) * WIDTH)

    shown = [kind for kind in KINDS if len(scores[kind])]
    bars = "".join(
        bar(kind, i + (beside + 0.1) / (len(shown) + 0.1), 0.9 / (len(shown) + 0.1), count / tallest)
        for beside, kind in enumerate(shown)
        for i, count in enumerate(counts[kind])
        if count
    )
    ticks = "".join(
        f'<text x="{place(score):.0f}" y="{BASE + 16}" text-anchor="{anchor(place(score))}">{score:.2f}</text>'
        for score in np.linspace(edges[0], edges[-1], TICKS)
    )
    return f"""<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"
aria-label="Scores of good and defective parts">{legend(scores, shown)}{bars}
<line x1="0" x2="{WIDTH}" y1="{BASE}" y2="{BASE}" stroke="var(--line)"/>{ticks}{mark(place(threshold), threshold)}
<text x="{WIDTH}" y="{HEIGHT - 2}" text-anchor="end">score (logit)</text></svg>"""


def bar(kind: str, left: float, width: float, share: float) -> str:
    """`left` and `width` in bins, `share` of the tallest bar. Kinds stand side by side, so that none hides another."""
    slot, height = WIDTH / BINS, (BASE - TOP - 14) * share
    return (
        f'<rect x="{left * slot:.1f}" y="{BASE - height:.1f}" width="{width * slot:.1f}" height="{height:.1f}"'
        f' fill="var(--{kind})"/>'
    )


def mark(x: float, threshold: float) -> str:
    """The line and its label, which stays inside the drawing; bars end below it."""
    inside = x < WIDTH * 0.8
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BASE}" stroke="var(--text)" stroke-dasharray="4 3"/>'
        f'<text x="{x + (5 if inside else -5):.0f}" y="{TOP + 9}" text-anchor="{"start" if inside else "end"}">'
        f"threshold {threshold:.2f}</text>"
    )


def legend(scores: Mapping[str, Sequence[float]], shown: Sequence[str]) -> str:
    return "".join(
        f'<rect x="{i * 200}" y="2" width="11" height="11" fill="var(--{kind})"/>'
        f'<text x="{i * 200 + 17}" y="12">{KINDS[kind]} ({len(scores[kind])})</text>'
        for i, kind in enumerate(shown)
    )


def anchor(x: float) -> str:
    """Text at the edges stays inside the drawing."""
    return "start" if x < WIDTH * 0.1 else "end" if x > WIDTH * 0.9 else "middle"
