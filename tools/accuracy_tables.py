"""Each table of docs/benchmarks.md as lines, from the documents. Computes no figure but means over seeds."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from accuracy_documents import (
    NONE,
    Document,
    Documents,
    Results,
    at,
    best_line,
    interval,
    number,
    row,
    set_name,
    share,
    signed,
    table,
    values,
    with_interval,
)

CONTROLS = ("untrained", "best line")
RATE = 0.7
"""Of parts that lose a camera in the table of missing cameras; the documents have more."""
LOST = {"both": "one or the other", "any": "any one"}


def recipe_table(results: Results) -> list[str]:
    what = (
        "set",
        "preset",
        "subset",
        "seeds",
        "image AUROC [95 %]",
        "untrained",
        "best line",
        "background",
        "AUPRO@0.3",
    )
    lines = table(*what, "validation AUROC", "false rejects", "escapes")
    for name, preset, documents in results.recipes():
        together = results.together(name, preset)
        for slug in documents[0]["subsets"]:
            at_slug = ("subsets", slug)
            over_seeds = at(together, *at_slug, "image_auroc_ci")
            cells = [set_name(name, documents), preset, slug, str(len(documents))]
            cells += [with_interval(documents, (*at_slug, "image_auroc"), over_seeds)]
            cells += [number(documents, *at_slug, "controls", "untrained", "image_auroc")]
            cells += [best_line(at(documents[0], *at_slug)), background(documents[0], slug)]
            cells += [number(documents, *at_slug, key) for key in ("aupro_030", "validation_image_auroc")]
            cells += [share(documents, *at_slug, key) for key in ("frr_at_threshold", "escape_at_threshold")]
            lines.append(row(*cells))
    return lines


def background(document: Document, slug: str) -> str:
    """The AUROC of each background's brightness alone; a leak is said."""
    leaking = {one["control"] for one in document.get("leak", ())}
    found = at(document, "subsets", slug, "controls") or {}
    parts = []
    for name, one in found.items():
        if name != "untrained" and one["image_auroc"] is not None:
            mark = " **leak**" if name in leaking else ""
            parts.append(f"{name.rpartition('.')[2]} {one['image_auroc']:.3f}{mark}")
    return ", ".join(parts) or NONE


def strata_table(results: Results) -> list[str]:
    """Of the parts that a camera saw badly, and of the others."""
    lines = table("set", "preset", "stratum", "subset", "good + defects", "seeds", "image AUROC [95 %]", *CONTROLS)
    for name, preset, documents in results.recipes():
        together = results.together(name, preset)
        for slug, figures in documents[0]["subsets"].items():
            for column, of_values in figures.get("strata", {}).items():
                for value, one in of_values.items():
                    place = ("subsets", slug, "strata", column, value)
                    over_seeds = at(together, *place, "image_auroc_ci")
                    cells = [name, preset, f"{column} = {value}", slug, f"{one['good']} + {one['defects']}"]
                    cells += [str(len(documents)), with_interval(documents, (*place, "image_auroc"), over_seeds)]
                    cells += [number(documents, *place, "controls", "untrained", "image_auroc"), best_line(one)]
                    lines.append(row(*cells))
    return lines


def dark_table(results: Results) -> list[str]:
    lines = table("set", "preset", "seeds", "all cameras", "the others alone", "difference [95 %]", "all, untrained")
    for name, preset, documents in results.recipes():
        slugs = sorted(documents[0].get("dark_rgb") or {}, key=lambda slug: -slug.count("_"))
        if slugs:
            figures = [f"{slug} {number(documents, 'dark_rgb', slug)}" for slug in slugs]
            control = number(documents, "dark_rgb_untrained")
            lines.append(row(name, preset, str(len(documents)), *figures, dark_difference(documents), control))
    return lines


def dark_difference(documents: Documents) -> str:
    found = values(documents, "dark_rgb_difference")
    if found is None:
        return NONE
    return signed(mean(found), documents[0]["dark_rgb_difference_ci"] if len(found) == 1 else None) + spread(found)


def spread(found: list[float]) -> str:
    return "" if len(found) == 1 else f" ({min(found):+.3f} to {max(found):+.3f})"


def missing_table(results: Results) -> list[str]:
    what = (
        "calibrated",
        "raw",
        "placeholder",
        "calibrated less placeholder [95 %]",
        "untrained",
        "no visible defect missed",
    )
    lines = table("set", "preset", "what is lost", "seeds", *what)
    for name, preset, documents in results.recipes():
        for lost, rows in missing_rows(documents):
            figures = [number(rows, way) for way in ("calibrated", "raw", "placeholder")]
            gains = [one["gain"] for one in rows]
            gain = signed(mean(gains), rows[0]["gain_ci"] if len(rows) == 1 else None) + spread(gains)
            others = [number(rows, way) for way in ("untrained", "perfect")]
            lines.append(row(name, preset, LOST.get(lost, lost), str(len(rows)), *figures, gain, *others))
    return lines


def missing_rows(documents: Documents) -> Iterator[tuple[str, Documents]]:
    """(what is lost, its row in each document) at RATE."""
    tables = [[one for one in at(d, "missing", "rows") or () if one["rate"] == RATE] for d in documents]
    if all(tables):
        for rows in zip(*tables, strict=True):
            yield rows[0]["missing"], rows


def contribution_table(results: Results) -> list[str]:
    lines = table("set", "preset", "seed", "shown by", "defects", "largest weight there [95 %]", "untrained")
    for name, preset, documents in results.recipes():
        for document in documents:
            for shown_by, one in (at(document, "contribution", "trained") or {}).items():
                first = at(document, "contribution", "untrained", shown_by, "share")
                control = NONE if first is None else f"{first:.3f}"
                figure = f"{one['share']:.3f}{interval(one['share_ci'])}"
                who = "one camera, whichever" if shown_by == "all" else f"{shown_by} alone"
                lines.append(row(name, preset, str(document["seed"]), who, str(one["defects"]), figure, control))
    return lines
