"""The tables of docs/benchmarks.md from the documents that tools/accuracy.py wrote.

tools/accuracy_results.py docs/results/accuracy
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from accuracy_bars import bars_table
from accuracy_comparisons import ablation_table, one_or_many_table
from accuracy_documents import Results, read
from accuracy_tables import contribution_table, dark_table, missing_table, recipe_table, strata_table

SECTIONS: dict[str, Callable[[Results], list[str]]] = {
    "What it must reach": bars_table,
    "The recipe": recipe_table,
    "Frames that were dark": strata_table,
    "Every test RGB picture at 5 % of its light": dark_table,
    "70 % of the test parts lost a camera": missing_table,
    "Which camera the fusion listens to": contribution_table,
    "One model or many": one_or_many_table,
    "What each piece gives": ablation_table,
}
HEAD = 2
"""Lines of a table without a row."""


def tables(folder: Path) -> str:
    results = read(folder)
    found = {title: made(results) for title, made in SECTIONS.items()}
    return "\n\n".join(f"## {title}\n\n" + "\n".join(shown(lines)) for title, lines in found.items()) + "\n"


def shown(lines: list[str]) -> list[str]:
    return lines if len(lines) > HEAD else ["Not run."]


if __name__ == "__main__":
    print(tables(Path(sys.argv[1])), end="")
