"""The tables of docs/benchmarks.md in which trainings are held against each other, as lines. Computes no figure."""

from __future__ import annotations

from accuracy_documents import NONE, RECIPE, Document, Documents, Results, at, best_line, number, row, signed, table
from accuracy_tables import CONTROLS

WHAT = {
    RECIPE: "the recipe as it ships",
    "t0-no-texture": "T0 without the texture statistics",
    "t1-texture-alone": "T1 texture statistics alone",
    "a0-late-fusion": "A0 late fusion: a detector a modality, mean of their scores",
    "a1-no-alignment": "A1 without the alignment loss",
    "a4-no-dropout": "A4 without modality dropout",
    "a6-mean-fusion": "A6 fusion by the mean",
    "a7-no-discrepancy": "A7 without the discrepancy",
    "a11-placeholder": "A11 one engine, zeros for what is absent",
}


def one_or_many_table(results: Results) -> list[str]:
    lines = table(
        "set", "preset", "subset", "against", "seeds", "one model", "the other", "difference [90 %]", *CONTROLS
    )
    for (name, preset), document in sorted(results.over_seeds.items()):
        rows = [("a network for it alone", one) for one in document["one_or_many"]]
        rows += [("late fusion", document["late_fusion"])] if document["late_fusion"] else []
        documents = results.jobs.get((name, preset, RECIPE), ())
        lines += [row(name, preset, one["subset"], what, *against(one, documents)) for what, one in rows]
    return lines


def against(one: Document, documents: Documents) -> list[str]:
    seeds = ", ".join(str(seed) for seed in one["seeds"])
    figures = [f"{one[key]:.3f}" for key in ("one", "many")]
    place = ("subsets", one["subset"])
    untrained = number(documents, *place, "controls", "untrained", "image_auroc")
    line = best_line(at(documents[0], *place)) if documents else NONE
    return [seeds, *figures, signed(one["difference"], one["difference_ci"]), untrained, line]


def ablation_table(results: Results) -> list[str]:
    lines = table("set", "preset", "configuration", "seeds", "image AUROC by subset", "less the recipe [90 %]")
    for name, preset, documents in results.recipes():
        for configuration, what in WHAT.items():
            if mine := results.jobs.get((name, preset, configuration)):
                slugs = mine[0]["subsets"]
                figures = ", ".join(f"{slug} {number(mine, 'subsets', slug, 'image_auroc')}" for slug in slugs)
                less = at(results.together(name, preset, configuration), "less_recipe") or {}
                gaps = (f"{slug} {signed(one['difference'], one['difference_ci'])}" for slug, one in less.items())
                lines.append(row(name, preset, what, str(len(mine)), figures, ", ".join(gaps) or NONE))
        lines += controls(name, preset, documents)
    return lines


def controls(name: str, preset: str, documents: Documents) -> list[str]:
    """The rows that every configuration is to be held against; none where the documents are of before."""
    slugs = documents[0]["subsets"]
    if not all("controls" in figures for figures in slugs.values()):
        return []
    place = ("controls", "untrained", "image_auroc")
    untrained = ", ".join(f"{slug} {number(documents, 'subsets', slug, *place)}" for slug in slugs)
    lines = ", ".join(f"{slug} {best_line(figures)}" for slug, figures in slugs.items())
    seeds = str(len(documents))
    return [
        row(name, preset, "control: the network untrained", seeds, untrained, NONE),
        row(name, preset, "control: the best line", NONE, lines, NONE),
    ]
