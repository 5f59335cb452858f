"""The page of a paired comparison: each figure of both, and the parts that changed sides with what each one saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from radar_edge import files
from radar_edge.evaluation.compare import Pair, fair, furthest, pairs_of, sides
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.figures import RATES, SEPARATION, Cell, Form, Named, Row, cell, written
from radar_edge.evaluation.gallery import SHOWN, Gallery, pair_card, quiet_level
from radar_edge.evaluation.pages import render
from radar_edge.modality import Subset

TITLES = {
    "won": "Won: B is right and A was wrong",
    "lost": "Lost: B is wrong and A was right",
    "furthest": "Furthest apart: where the two differ most, right or wrong",
}


def write_comparison(
    path: Path,
    result: Mapping[str, Any],
    a: Mapping[Subset, Sequence[Judged]],
    b: Mapping[Subset, Sequence[Judged]],
) -> None:
    """Write the page atomically. `result`: what compare.compare says of `a` and `b`, and `a`, `b` and `data`."""
    sections = [
        section(subset, result["subsets"][subset.slug], parts, b[subset])
        for subset, parts in a.items()
        if subset.slug in result["subsets"]
    ]
    page = render("compare.html.j2", a=result["a"], b=result["b"], data=result["data"], sections=sections)
    files.write_text(path, page)


def section(subset: Subset, one: Mapping[str, Any], a: Sequence[Judged], b: Sequence[Judged]) -> dict[str, Any]:
    limits = (one["thresholds"][0], one["thresholds"][1])
    lows = (quiet_level(a), quiet_level(b))
    counted = fair(subset, pairs_of(a, b))
    changed = {**sides(counted, limits), "furthest": furthest(counted, limits)}
    return {
        "slug": subset.slug,
        "rows": [row(named, one[named.key]) for named in (*SEPARATION[:2], SEPARATION[3], *RATES)],
        "galleries": [gallery(subset, side, pairs, lows, limits) for side, pairs in changed.items()],
    }


def row(named: Named, figure: Mapping[str, Any]) -> Row:
    better = figure["better"]
    gap = signed(figure, named.form, "best" if better else "")
    values = (cell(figure, side, named.form) for side in ("a", "b"))
    return Row(named.name, named.meaning, [*values, gap, Cell((better or "").upper(), mark="best")])


def signed(figure: Mapping[str, Any], form: Form, mark: str) -> Cell:
    shown = cell(figure, "difference", form, mark)
    value = figure["difference"]
    return shown if value is None else Cell(f"{'+' * (value > 0)}{written(value, form)}", shown.interval, mark)


def gallery(
    subset: Subset, side: str, pairs: Sequence[Pair], lows: tuple[float, float], limits: tuple[float, float]
) -> Gallery:
    cards = [pair_card(subset, (pair.a, pair.b), lows, limits) for pair in pairs[:SHOWN]]
    return Gallery(TITLES[side], f"{len(pairs)} parts; scores are distances to the threshold", cards)
