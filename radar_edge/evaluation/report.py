"""report.html: an evaluation on one page that asks for nothing but itself. Shows figures, and computes none.

What warns stands first, then what the line would see, then what helps to compare detectors, then every subset with
its scores, its curve and the parts worth a look. The page is templates/report.html.j2; this gathers what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from radar_edge import files
from radar_edge.evaluation import figures as rows_of
from radar_edge.evaluation.evaluate import Judged, sees
from radar_edge.evaluation.gallery import galleries
from radar_edge.evaluation.histogram import BANDS, KINDS, histogram
from radar_edge.evaluation.missing_plot import missing_plot
from radar_edge.evaluation.pages import render
from radar_edge.evaluation.roc import roc
from radar_edge.modality import Subset


def write_report(path: Path, metrics: Mapping[str, Any], judged: Mapping[Subset, Sequence[Judged]]) -> None:
    """Write the page atomically. `metrics`: what evaluate.metrics_of says of `judged`, and `source` and `data`."""
    files.write_text(path, report_html(metrics, judged))


def report_html(metrics: Mapping[str, Any], judged: Mapping[Subset, Sequence[Judged]]) -> str:
    """The page. Raises DatasetError if an image that is shown cannot be read any more."""
    subsets = metrics["subsets"]
    target = metrics.get("target_frr")
    return render(
        "report.html.j2",
        source=metrics["source"],
        data=metrics["data"],
        target=target,
        seconds=metrics.get("seconds"),
        subsets=subsets,
        warnings=warnings(metrics),
        glance=[(slug, rows_of.rows(GLANCE, {slug: one})) for slug, one in subsets.items()],
        tables=tables(subsets, "all but the target" if target is None else f"all but {100 * target:g} % of them"),
        missing=missing(metrics),
        exchangeable=metrics.get("exchangeable") or {},
        sections=[section(subset, subsets[subset.slug], parts, target) for subset, parts in judged.items()],
    )


GLANCE = (rows_of.SEPARATION[0], *rows_of.RATES)


def warnings(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(class of the style sheet, title, sentence) of everything that makes figures doubtful, worst first."""
    found = []
    for leak in metrics.get("leak") or []:
        about = f"The control {leak['control']} separates the test parts with AUROC {leak['auroc']:.3f}"
        found.append(("leak", f"Leak in {leak['modality']}", f"{about}. {leak['why']}"))
    for slug, one in (metrics.get("exchangeable") or {}).items():
        if is_doubtful(one):
            differs = ", ".join(one.get("differs") or []) or "the scores"
            text = f"Good test parts are not like the held-out ones that set the threshold; what differs: {differs}."
            found.append(("doubt", f"{slug}: {one['verdict']}", text))
    for slug, one in metrics["subsets"].items():
        if rivals := one.get("beaten_by"):
            text = f"No worse than the detector on the same parts: {', '.join(rivals)}."
            found.append(("doubt", f"{slug} is beaten by less", text))
    return found


def is_doubtful(exchangeable: Mapping[str, Any]) -> bool:
    return str(exchangeable.get("verdict") or "").startswith("not")


def tables(subsets: Mapping[str, Mapping[str, Any]], target: str) -> dict[str, list[rows_of.Row]]:
    own = [replace(row, name="This detector", meaning="") for row in rows_of.rows(rows_of.SEPARATION[:1], subsets)]
    rivals = {kind: rows_of.rival_rows(kind, subsets) for kind in ("baselines", "controls")}
    return {
        "threshold": [*rows_of.part_rows(subsets, target), *rows_of.rows(rows_of.AT_THRESHOLD, subsets)],
        "separation": rows_of.rows(rows_of.SEPARATION, subsets),
        "oracle": rows_of.rows(rows_of.ORACLE, subsets),
        "own": own,
        **rivals,
    }


def missing(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    table = (metrics.get("missing") or {}).get("rows")
    if not table:
        return None
    return {"ways": rows_of.WAYS, "rows": rows_of.missing_rows(table), "plot": missing_plot(table)}


def section(subset: Subset, one: Mapping[str, Any], parts: Sequence[Judged], target: float | None) -> dict[str, Any]:
    scores = scores_by_kind(subset, parts)
    threshold, ng = one["threshold"], one.get("ng_threshold")
    limits = {"ok": threshold} | ({"ng": ng} if ng is not None and ng > threshold else {})
    return {
        "slug": subset.slug,
        "histogram": histogram(scores, threshold, ng),
        "bands": band_counts(scores, threshold, ng),
        "roc": roc(scores["good"], scores["bad"], limits, target),
        "has_ng": "ng" in limits,
        "columns": [name.name for name in rows_of.OF_STRATA],
        "strata": rows_of.stratum_tables(one),
        "galleries": galleries(subset, parts, threshold),
    }


def scores_by_kind(subset: Subset, parts: Sequence[Judged]) -> dict[str, list[float]]:
    kinds: dict[str, list[float]] = {"good": [], "bad": [], "hidden": []}
    for part in parts:
        kind = "good" if part.sample.is_good else "bad" if sees(subset, part.sample) else "hidden"
        kinds[kind].append(part.score)
    return kinds


def band_counts(scores: Mapping[str, Sequence[float]], threshold: float, ng: float | None) -> dict[str, Any]:
    """How many of each kind of part lie in each band."""
    upper = threshold if ng is None else ng
    counted = {
        KINDS[kind]: [
            sum(score <= threshold for score in found),
            sum(threshold < score <= upper for score in found),
            sum(score > upper for score in found),
        ]
        for kind, found in scores.items()
        if found
    }
    return {"names": list(BANDS.values()), "rows": counted}
