"""The tables of docs/benchmarks.md from the documents that tools/accuracy.py wrote.

tools/accuracy_results.py docs/results/accuracy
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

DEFAULT = "default"
WHAT = {
    DEFAULT: "the recipe as it ships",
    "t0-no-texture": "T0 without the texture statistics",
    "t1-texture-alone": "T1 texture statistics alone",
    "a0-late-fusion": "A0 late fusion: a detector a modality, mean of their scores",
    "a1-no-alignment": "A1 without the alignment loss",
    "a4-no-dropout": "A4 without modality dropout",
    "a6-mean-fusion": "A6 fusion by the mean",
    "a7-no-discrepancy": "A7 without the discrepancy",
    "a11-placeholder": "A11 one engine, zeros for what is absent",
}

Documents = Sequence[dict[str, Any]]


def tables(folder: Path) -> str:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    jobs: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in found:
        jobs[one["set"], one["configuration"]].append(one)
    recipe = {name: documents for (name, configuration), documents in sorted(jobs.items()) if configuration == DEFAULT}
    return "\n".join([*recipe_table(recipe), "", *dark_table(recipe), "", *ablation_table(jobs)]) + "\n"


def recipe_table(recipe: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = [
        "| set | subset | seeds | image AUROC [95 %] | AUPRO@0.3 | validation AUROC | false rejects | escapes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, documents in recipe.items():
        for slug in documents[0]["subsets"]:
            mine = [one["subsets"][slug] for one in documents]
            interval = mine[0]["image_auroc_ci"]
            low_high = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if len(mine) == 1 and interval else spread(mine)
            rates = " | ".join(share(mine, key) for key in ("frr_at_threshold", "escape_at_threshold"))
            cells = [name, slug, str(len(mine)), number(mine, "image_auroc") + low_high, number(mine, "aupro_030")]
            lines.append(f"| {' | '.join(cells)} | {number(mine, 'validation_image_auroc')} | {rates} |")
    return lines


def dark_table(recipe: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = ["| set | subset | AUROC with every test RGB picture at 5 % of its light |", "| --- | --- | --- |"]
    for name, documents in recipe.items():
        slugs = documents[0].get("dark_rgb") or {}
        lines += [f"| {name} | {slug} | {mean(one['dark_rgb'][slug] for one in documents):.3f} |" for slug in slugs]
    return lines


def ablation_table(jobs: dict[tuple[str, str], list[dict[str, Any]]]) -> list[str]:
    lines = ["| set | configuration | seeds | image AUROC by subset |", "| --- | --- | --- | --- |"]
    for (name, configuration), documents in sorted(jobs.items(), key=lambda job: (job[0][0], order(job[0][1]))):
        slugs = documents[0]["subsets"]
        figures = ", ".join(
            f"{slug} {number([d['subsets'][slug] for d in documents], 'image_auroc')}" for slug in slugs
        )
        lines.append(f"| {name} | {WHAT[configuration]} | {len(documents)} | {figures} |")
    return lines


def order(configuration: str) -> int:
    return list(WHAT).index(configuration)


def number(mine: Documents, key: str) -> str:
    values = [one.get(key) for one in mine]
    return "-" if None in values else f"{mean(v for v in values if v is not None):.3f}"


def share(mine: Documents, key: str) -> str:
    return f"{mean(one[key] for one in mine):.1%}"


def spread(mine: Documents) -> str:
    values = [one["image_auroc"] for one in mine]
    return f" (seeds {min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    print(tables(Path(sys.argv[1])), end="")
