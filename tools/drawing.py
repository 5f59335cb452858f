"""A few shapes for SVG drawings with text: boxes, arrows, labels. Knows no picture."""

from __future__ import annotations

FILL = {
    "rgb": "#dbe7f3", "tir": "#f6dfcf", "both": "#e4ddf0", "out": "#cfe8d3", "bad": "#f3d3cf", "warn": "#f5e9c8",
    "none": "#f4f4f4",
}  # fmt: skip
HEAD = (
    '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="#444"/></marker></defs>'
)


def picture(width: int, height: int, title: str, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        f' font-size="13"><title>{title}</title>{HEAD}<rect width="{width}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def box(x: float, y: float, width: float, height: float, lines: str, fill: str, *, faint: bool = False) -> str:
    """A box with lines of text, separated by `\\n`, in its middle."""
    rows = lines.split("\n")
    first = y + height / 2 + 4.5 - 8 * (len(rows) - 1)
    texts = [text(x + width / 2, first + 16 * n, row, anchor="middle") for n, row in enumerate(rows)]
    style = ' opacity="0.35" stroke-dasharray="4 3"' if faint else ""
    shape = (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" fill="{FILL[fill]}" stroke="#555"/>'
    )
    return f"<g{style}>{shape}{''.join(texts)}</g>"


def arrow(*points: tuple[float, float], faint: bool = False) -> str:
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    style = ' opacity="0.35" stroke-dasharray="4 3"' if faint else ""
    return f'<polyline points="{path}" fill="none" stroke="#444" stroke-width="1.4" marker-end="url(#end)"{style}/>'


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, colour: str = "#222") -> str:
    look = "" if size == 13 else f' font-size="{size}"'
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}"{look}>{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" {style}/>'
