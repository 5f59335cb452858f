"""Draws docs/images/plc-timing.svg: the registers over three parts, one of them late.

tools/draw_plc_timing.py docs/images/plc-timing.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

LEFT, WIDTH, LANE, TOP = 190, 900, 46, 54
MS = 0.62
"""Pixels a millisecond."""
LANES = (
    "PLC 0: trigger id",
    "ours 2: id answered",
    "ours 3: code",
    "PLC 1: acknowledged",
    "ours 10: heartbeat",
    "part passes",
)
# (lane, from ms, to ms, text, class)
BOXES = (
    (0, 60, 205, "17", "plc"),
    (0, 460, 640, "18", "plc"),
    (0, 860, 1290, "19", "plc"),
    (1, 185, 225, "17", "ours"),
    (1, 600, 660, "18", "ours"),
    (1, 1110, 1340, "19", "ours"),
    (2, 185, 225, "PASS", "pass"),
    (2, 600, 660, "REJECT", "reject"),
    (2, 1110, 1340, "NO_DECISION", "reject"),
    (3, 205, 640, "seq 1", "plc"),
    (3, 640, 1290, "seq 2", "plc"),
    (3, 1290, 1400, "seq 3", "plc"),
    (5, 205, 460, "part 17", "pass"),
)
WINDOWS = ((60, 250, 400, "17"), (460, 250, 400, "18"), (860, 250, 400, "19"))


CAPTION = "17 passes, 18 is rejected, 19 is not judged by its deadline. Dashed: where the PLC's window ends."


def line(x1: float, x2: float, y1: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.0f}" x2="{x2:.0f}" y1="{y1:.0f}" y2="{y2:.0f}" {style}/>'


def x(ms: float) -> float:
    return LEFT + ms * MS


def y(lane: float) -> float:
    return TOP + lane * LANE


def svg() -> str:
    height = y(len(LANES)) + 74
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH} {height:.0f}"'
        ' font-family="sans-serif" font-size="13">',
        "<title>Registers over three parts: passed, rejected, and late</title>",
        f'<rect width="{LEFT + WIDTH}" height="{height:.0f}" fill="#fff"/>',
    ]
    colours = {"plc": "#dbe7f3", "ours": "#efe3cf", "pass": "#cfe8d3", "reject": "#f3d3cf"}
    for lane, name in enumerate(LANES):
        parts.append(f'<text x="12" y="{y(lane) + 24:.0f}">{name}</text>')
        parts.append(line(LEFT, LEFT + WIDTH - 12, y(lane) + 34, y(lane) + 34, 'stroke="#ccc"'))
    for lane, start, end, text, kind in BOXES:
        parts.append(
            f'<rect x="{x(start):.0f}" y="{y(lane) + 6:.0f}" width="{(end - start) * MS:.0f}" height="28" rx="3"'
            f' fill="{colours[kind]}" stroke="#555"/>'
        )
        inside = (end - start) * MS > 8 * len(text)
        place = x((start + end) / 2) if inside else x(end) + 4
        anchor = "middle" if inside else "start"
        parts.append(f'<text x="{place:.0f}" y="{y(lane) + 25:.0f}" text-anchor="{anchor}">{text}</text>')
    parts.extend(line(x(beat), x(beat), y(4) + 12, y(4) + 34, 'stroke="#555"') for beat in range(0, 1400, 40))
    base = y(len(LANES)) + 8
    for start, deadline, window, name in WINDOWS:
        for length, row, text in ((deadline, 0, f"deadline_ms of {name}"), (window, 1, f"the PLC's window of {name}")):
            at = base + 26 * row
            parts.append(line(x(start), x(start + length), at, at, 'stroke="#333" stroke-width="2"'))
            parts.append(f'<text x="{x(start):.0f}" y="{at + 15:.0f}">{text}</text>')
        closes = x(start + window)
        parts.append(line(closes, closes, TOP, base + 26, 'stroke="#a33" stroke-dasharray="4 4"'))
    parts.append(f'<text x="12" y="24" font-size="15">{CAPTION}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(svg(), encoding="utf-8")
