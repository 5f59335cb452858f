"""Everything that a benchmark says, in one document: what was compared on what, at what cost, with which figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radar_edge import __version__
from radar_edge.benchmark.cells import Cell
from radar_edge.benchmark.kinds import complete_parts
from radar_edge.benchmark.machine import machine
from radar_edge.benchmark.results import costs_of, rows_of
from radar_edge.benchmark.run import Bench
from radar_edge.evaluation.rivals import leaks, numbers_of


def document_of(kind: str, data: Path, bench: Bench, cells: Sequence[Cell]) -> dict[str, Any]:
    """`rows[]` of results.rows_of, `methods` of results.costs_of, and what they were measured on."""
    dataset, settings = bench.prepared.dataset, bench.settings
    tested = dataset.select("test")
    complete = tuple(complete_parts(tested, dataset.modalities))
    return {
        "schema_version": 1,
        "kind": kind,
        "data": data.resolve().name,
        "modalities": list(dataset.modalities),
        "derived": list(bench.prepared.derived),
        "notes": list(bench.prepared.notes),
        "train_parts": len(dataset.select("train", good=True)),
        "test_parts": {
            "good": sum(sample.is_good for sample in complete),
            "defective": sum(not sample.is_good for sample in complete),
            "groups": len({sample.group for sample in complete}),
            "left_out": len(tested) - len(complete),
        },
        "quick": settings.quick,
        "settings": settings.model_dump(mode="json", exclude={"recipe", "quick"}),
        "recipe": settings.recipe.model_dump(mode="json", exclude={"seed"}),
        "methods": costs_of(cells),
        "rows": rows_of(cells, bench.prepared.derived),
        "leak": leaks(complete, numbers_of(complete, bench.progress)),
        "machine": {**machine(), "radar_edge": __version__},
    }
