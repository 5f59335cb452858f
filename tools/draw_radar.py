"""Draws the pictures of docs/radar.md: tools/draw_radar.py docs/images

The histogram of radar-thresholds.svg is of a normal distribution, and says so; its thresholds are those that
radar_edge.scoring sets for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import NormalDist

from drawing import FILL, arrow, box, line, picture, text

from radar_edge.scoring import calibrate

ROWS = {"rgb": 40, "tir": 250}
PARTS = 200
"""Held-out good parts of the histogram."""


def stages() -> str:
    """One part through the network: a row a modality, MAA between them, MRF behind them."""
    parts = [text(20, 24, "One part through RADAR: stage 1 (MAA) in violet, stage 2 (MRF) in green", size=15)]
    for name, y in ROWS.items():
        # The shared spaces face each other, so that the arrows between them cross nothing.
        evidence, shared = (y + 12, y + 72) if name == "rgb" else (y + 64, y + 12)
        parts += [
            box(20, y + 30, 90, 60, f"{name}\nimage", name),
            arrow((110, y + 60), (150, y + 60)),
            box(150, y + 20, 120, 80, "backbone\n(its own)", name),
            arrow((270, y + 60), (320, evidence + 22)),
            box(320, evidence, 150, 44, "evidence: detail,\nrestoration, usual", name),
            arrow((270, y + 60), (320, shared + 18)),
            box(320, shared, 150, 36, f"shared space z_{name}", "both"),
            arrow((470, evidence + 22), (520, y + 60)),
            arrow((470, shared + 18), (520, y + 60)),
            box(520, y + 35, 90, 50, f"f_{name}", name),
            arrow((610, y + 60), (660, 205 if name == "rgb" else 225)),
        ]
    parts += [
        arrow((370, 148), (370, 262)),
        arrow((420, 262), (420, 148)),
        text(362, 210, "predicts", anchor="end"),
        text(428, 180, "predicts"),
        box(660, 185, 150, 60, "F = Σ mᵢ αᵢ fᵢ\nfusion", "out"),
        arrow((810, 215), (850, 215)),
        box(850, 185, 70, 60, "head", "out"),
        arrow((920, 215), (960, 215)),
        box(960, 185, 100, 60, "anomaly\nmap", "out"),
        box(520, 185, 110, 60, "discrepancy\nd (both there)", "both"),
        arrow((420, 215), (520, 215)),
        arrow((575, 185), (575, 150), (1010, 150), (1010, 185)),
        box(660, 290, 150, 44, "presence m: 1, or 0\nif a camera failed", "warn"),
        arrow((735, 290), (735, 245)),
        box(320, 375, 150, 44, "texture statistics t:\nset, not trained", "none"),
        arrow((20, 100), (8, 100), (8, 397), (320, 397)),
        line(65, 340, 65, 397, 'stroke="#444" stroke-width="1.4"'),
        arrow((470, 397), (1010, 397), (1010, 245)),
        text(740, 390, "mean of those there, times w", anchor="middle"),
    ]
    return picture(1080, 425, "RADAR: two stages", parts)


def fusion() -> str:
    """F with both cameras and with either alone."""
    parts = [text(20, 24, "What the fusion does when a camera is lost", size=15)]
    cases = (("both there", 1, 1, "0.7", "0.3"), ("tir lost", 1, 0, "1", "0"), ("rgb lost", 0, 1, "0", "1"))
    for n, (name, rgb, tir, alpha_rgb, alpha_tir) in enumerate(cases):
        x = 20 + 350 * n
        parts += [
            text(x, 58, name, size=14),
            box(x, 72, 150, 44, f"f_rgb   m = {rgb}   α = {alpha_rgb}", "rgb", faint=not rgb),
            box(x, 132, 150, 44, f"f_tir   m = {tir}   α = {alpha_tir}", "tir", faint=not tir),
            arrow((x + 150, 94), (x + 198, 116), faint=not rgb),
            arrow((x + 150, 154), (x + 198, 132), faint=not tir),
            box(x + 200, 96, 120, 56, ("F = 0.7 f_rgb\n+ 0.3 f_tir", "F = f_rgb", "F = f_tir")[n], "out"),
        ]
    words = "α is worked out at every place of the map, from what is there; these numbers are examples."
    parts.append(text(20, 206, words))
    return picture(1060, 224, "Fusion over the modalities that are there", parts)


def subsets() -> str:
    """One trained network, and an engine for every subset."""
    parts = [text(20, 24, "One network, and an engine for each subset that may be left", size=15)]
    parts += [
        box(20, 60, 170, 40, "rgb branch", "rgb"),
        box(20, 110, 170, 40, "tir branch", "tir"),
        box(20, 160, 170, 40, "fusion with mask m", "out"),
        text(105, 222, "trained once, exported once", anchor="middle"),
    ]
    engines = (
        ("rgb", 1, 0, "m = (1, 0): the fusion is f_rgb itself"),
        ("tir", 0, 1, "m = (0, 1): the fusion is f_tir itself"),
        ("rgb_tir", 1, 1, "m = (1, 1): all of it"),
    )
    for n, (slug, rgb, tir, words) in enumerate(engines):
        y = 50 + 64 * n
        parts += [
            arrow((190, 130), (250, 130), (250, y + 22), (300, y + 22)),
            text(306, y + 12, f"engine {slug}"),
            text(306, y + 30, words, size=12, colour="#555"),
            box(620, y, 120, 40, "rgb branch", "rgb", faint=not rgb),
            box(750, y, 120, 40, "tir branch", "tir", faint=not tir),
            box(880, y, 120, 40, "fusion", "out", faint=not (rgb and tir)),
        ]
    words = "Faint: cut out of the graph. Not masked: not there, weights included."
    parts.append(text(1000, 252, words, anchor="end", size=12))
    return picture(1030, 270, "Subset engines", parts)


def thresholds() -> str:
    """Scores of held-out good parts, two thresholds and three bands."""
    normal = NormalDist(-1.0, 0.6)
    scores = [normal.inv_cdf((n + 0.5) / PARTS) for n in range(PARTS)]
    found = calibrate(scores, 0.05)
    left, width, low, high, base = 40, 920, -3.0, 2.0, 250

    def x(score: float) -> float:
        return round(left + width * (score - low) / (high - low), 1)

    bands = (("OK", low, found.threshold, "out"), ("review", found.threshold, found.ng_threshold, "warn"),
             ("NG", found.ng_threshold, high, "bad"))  # fmt: skip
    title = f"Scores of {PARTS} held-out good parts (drawn here, not measured) and what is made of them"
    parts = [text(20, 24, title, size=15)]
    for name, start, end, fill in bands:
        parts.append(
            f'<rect x="{x(start):g}" y="44" width="{x(end) - x(start):.1f}" height="{base - 44}" fill="{FILL[fill]}"/>'
        )
        middle = (x(start) + x(end)) / 2
        parts.append(text(middle, base + 20, name, anchor="middle", size=14))
    bin_width = 0.2
    for n in range(round((high - low) / bin_width)):
        start = low + n * bin_width
        count = sum(start <= score < start + bin_width for score in scores)
        if count:
            parts.append(
                f'<rect x="{x(start) + 1:g}" y="{base - 6 * count:g}" width="{width * bin_width / 5 - 2:.1f}"'
                f' height="{6 * count:g}" fill="#6b8299"/>'
            )
    for score, words, side in (
        (found.threshold, "threshold: 5 % of good parts lie above", -1),
        (found.ng_threshold, "NG: 1 %", 1),
    ):
        anchor = "end" if side < 0 else "start"
        parts.append(line(x(score), 44, x(score), base, 'stroke="#a33" stroke-width="2"'))
        parts.append(text(x(score) + 6 * side, 62, words, anchor=anchor))
    parts += [
        line(left, base, left + width, base, 'stroke="#333"'),
        text(
            left, base + 44, "score: mean of the highest 0.5 % of the map's pixels, a logit → more anomalous", size=12
        ),
        text(x(0.75), 130, "a part at 0.75 has p = 1/201:", size=12),
        text(x(0.75), 146, "no held-out part scored so high", size=12),
    ]
    return picture(1000, 310, "Conformal thresholds", parts)


PICTURES = {
    "radar-stages.svg": stages,
    "radar-fusion.svg": fusion,
    "radar-subsets.svg": subsets,
    "radar-thresholds.svg": thresholds,
}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (Path(sys.argv[1]) / name).write_text(draw(), encoding="utf-8")
