"""The document of a benchmark from its cells: a row a method and setting, the mean over seeds, with intervals.

An interval is over groups: each draw's value is averaged over the seeds, whose draws are of the same groups, and so is
its difference to RADAR's. Knows no detector and no file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from radar_edge.benchmark.cells import FIGURES, Cell
from radar_edge.benchmark.scored import Cost
from radar_edge.evaluation.metrics import Values, interval_of

RADAR = "radar"


def rows_of(cells: Sequence[Cell], derived: Sequence[str]) -> list[dict[str, Any]]:
    """In the order in which methods and settings were met."""
    together: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        together[cell.method, cell.setting].append(cell)
    return [row(mine, together.get((RADAR, setting)), derived) for (_, setting), mine in together.items()]


def row(mine: Sequence[Cell], radar: Sequence[Cell] | None, derived: Sequence[str]) -> dict[str, Any]:
    first = mine[0]
    found: dict[str, Any] = {
        "method": first.method,
        "subset": first.subset,
        "missing": first.missing,
        "rate": first.rate,
        "missing_in": list(first.splits),
        "seeds": [cell.seed for cell in mine],
        "derived": list(derived),
        "parts": first.parts,
        "defects": first.defects,
        "groups": first.groups,
    }
    for name in FIGURES:
        values = [getattr(cell, name) for cell in mine]
        draws = None if None in values else mean_draws(mine, name)
        found[name] = None if draws is None else float(np.mean(values))
        found[f"{name}_ci"] = None if draws is None else interval_of(draws)
        found[f"{name}_by_seed"] = values
    compared = radar is not None and first.method != RADAR and {c.seed for c in radar} == {c.seed for c in mine}
    if radar is not None and compared:
        gap = mean_draws(mine, "image_auroc") - mean_draws(radar, "image_auroc")
        means = [np.mean([cell.image_auroc for cell in side]) for side in (mine, radar)]
        found |= {"minus_radar": float(means[0] - means[1]), "minus_radar_ci": interval_of(gap)}
    return found


def mean_draws(cells: Sequence[Cell], name: str) -> Values:
    """`[D]`, NaN where any seed does not define the figure."""
    drawn = np.array([cell.drawn[name] for cell in cells], np.float64)
    mean: Values = drawn.mean(axis=0)
    return mean


def costs_of(cells: Iterable[Cell]) -> dict[str, dict[str, Any]]:
    """method -> CPU hours of all its jobs, each counted once, and what the largest of them is."""
    jobs: dict[str, dict[str, Cost]] = defaultdict(dict)
    for cell in cells:
        jobs[cell.method] |= cell.costs
    return {
        method: {
            "jobs": len(costs),
            "cpu_hours": round(sum(cost.cpu_seconds for cost in costs.values()) / 3600, 4),
            "fit_seconds": round(sum(cost.fit_seconds for cost in costs.values()), 1),
            "score_seconds": round(sum(cost.score_seconds for cost in costs.values()), 1),
            "parameters": max(cost.parameters for cost in costs.values()),
            "versions": next(iter(costs.values())).versions,
        }
        for method, costs in jobs.items()
    }
