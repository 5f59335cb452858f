"""The little that this package's drawings share: a plane with axes in the page's colours. Knows no figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Plane:
    """A rectangle of a drawing, in px, and the values at its edges (`y` grows upwards)."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def px(self, x: float) -> float:
        return self.left + (x - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def py(self, y: float) -> float:
        return self.top + self.height - (y - self.y[0]) / (self.y[1] - self.y[0]) * self.height

    def path(self, points: Iterable[tuple[float, float]], style: str) -> str:
        places = " ".join(f"{self.px(x):.1f},{self.py(y):.1f}" for x, y in points)
        return f'<polyline points="{places}" fill="none" {style}/>'

    def dot(self, x: float, y: float, style: str, title: str = "") -> str:
        about = f"<title>{escape(title)}</title>" if title else ""
        return f'<circle cx="{self.px(x):.1f}" cy="{self.py(y):.1f}" r="4.5" {style}>{about}</circle>'

    def grid(self, xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, str]]) -> str:
        """Thin lines with their labels below and at the left, and a frame."""
        right, bottom = self.left + self.width, self.top + self.height
        lines = [
            line(self.px(x), self.top, self.px(x), bottom) + text(self.px(x), bottom + 16, label, "middle")
            for x, label in xs
        ]
        lines += [
            line(self.left, self.py(y), right, self.py(y)) + text(self.left - 6, self.py(y) + 4, label, "end")
            for y, label in ys
        ]
        return "".join(lines)


def drawing(width: float, height: float, label: str, content: str) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">{content}</svg>'


def text(x: float, y: float, content: str, anchor: str = "start", style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str = 'stroke="var(--line)"') -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" {style}/>'


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 round values between the two: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    exponent = math.floor(math.log10(rough))
    step = next(f * 10.0**exponent for f in (1, 2, 5, 10) if f * 10.0**exponent >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, max(1 - exponent, 0)) for n in range(first, last + 1)]
