"""A benchmark's document as Markdown. Computes nothing; knows no detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from radar_edge.benchmark.cells import NOTHING
from radar_edge.benchmark.results import RADAR

Rows = Sequence[Mapping[str, Any]]
DASH = "–"
WHAT = {
    "radar": "RADAR as it ships",
    "radar-no-maa": "without MAA: no alignment loss, no discrepancy",
    "radar-mean": "without MRF: fusion by the mean",
    "radar-concat": "without MRF: fusion by concatenation",
    "radar-no-dropout": "without modality dropout: trained on complete parts alone",
}
ABOUT = (
    'Image AUROC of all test parts ranked together against "anomalous at all", and AUPRO up to 30 % of normal pixels; '
    "in brackets the 95 % interval by bootstrap over groups. With several seeds a figure is their mean. RADAR judges a "
    "part with the engine of what is left, on the scale of its own held-out parts; the others are one detector a "
    "modality, and the mean of their standardised scores, of which a lost modality has none."
)


def markdown(document: Mapping[str, Any]) -> str:
    rows = document["rows"]
    lines = [f"# benchmark {document['kind']}: {document['data']}", "", *head(document), "", ABOUT, ""]
    lines += ["## Nothing missing", "", *complete_table(rows, document), ""]
    lines += ["## Missing in test", "", *missing_table(rows, document, ["test"]), ""]
    if any(row["missing_in"] == ["train", "test"] for row in rows):
        lines += ["## Missing in training and test", "", *missing_table(rows, document, ["train", "test"]), ""]
    if any(row["method"] in WHAT and row["method"] != RADAR for row in rows):
        lines += ["## Ablations", "", *ablation_table(rows, document), ""]
    return "\n".join([*lines, "## Cost", "", *cost_table(document)]) + "\n"


def head(document: Mapping[str, Any]) -> Iterator[str]:
    test, settings, recipe = document["test_parts"], document["settings"], document["recipe"]
    names = ", ".join(labelled(name, document) for name in document["modalities"])
    if document["quick"]:
        peers = f"{settings['peer_steps']} of external detectors that train, these on at most {settings['fit_parts']}"
        yield f"**Quick: {recipe['steps']} steps of RADAR, {peers} good parts; one seed; no losses in training.**"
        yield ""
    yield f"- modalities: {names}; {recipe['size_px']} px for every method"
    counts = f"{test['good']} good and {test['defective']} defective in {test['groups']} groups"
    yield f"- {document['train_parts']} good parts to train on; test: {counts}, {test['left_out']} incomplete left out"
    yield f"- seeds {', '.join(map(str, settings['seeds']))}; {recipe['steps']} steps of RADAR"
    machine = document["machine"]
    yield f"- {machine['date']}, {machine['cores']} cores, radar-edge {machine['radar_edge']}"
    yield from (f"- {note}" for note in document["notes"])
    for leak in document["leak"]:
        yield f"- **leak: {leak['control']} alone separates the test parts, AUROC {leak['auroc']:.3f}.** {leak['why']}"


def labelled(name: str, document: Mapping[str, Any]) -> str:
    return f"{name} (derived)" if name in document["derived"] else name


def complete_table(rows: Rows, document: Mapping[str, Any]) -> Iterator[str]:
    complete = [row for row in rows if row["missing"] == NOTHING]
    subsets = list(dict.fromkeys(row["subset"] for row in complete))
    full = subsets[0]
    titles = [" + ".join(labelled(name, document) for name in subset.split("_")) for subset in subsets]
    yield from header(["method", *titles, f"AUPRO, {titles[0]}"])
    for method, mine in by_method(complete).items():
        found = {row["subset"]: row for row in mine}
        cells = [figure(found[subset], "image_auroc") for subset in subsets]
        yield line([method, *cells, figure(found[full], "aupro_030")])


def missing_table(rows: Rows, document: Mapping[str, Any], where: list[str]) -> Iterator[str]:
    """A line for each kind of loss and method, a column for each rate; AUPRO at the highest."""
    asked = [row for row in rows if row["missing_in"] == where]
    rates = sorted({row["rate"] for row in asked})
    yield from header(["without", "method", *(f"{rate:.0%}" for rate in rates), f"AUPRO at {rates[-1]:.0%}"])
    for missing in dict.fromkeys(row["missing"] for row in asked):
        for method, mine in by_method([row for row in asked if row["missing"] == missing]).items():
            found = {row["rate"]: row for row in mine}
            cells = [figure(found[rate], "image_auroc") for rate in rates]
            yield line([lost(missing, document), method, *cells, figure(found[rates[-1]], "aupro_030")])


def lost(missing: str, document: Mapping[str, Any]) -> str:
    return {"both": "one or the other", "any": "one of them"}.get(missing) or labelled(missing, document)


def ablation_table(rows: Rows, document: Mapping[str, Any]) -> Iterator[str]:
    """Each variant with nothing missing, and with most missing; below each figure its difference to RADAR."""
    own = [row for row in rows if row["method"] in WHAT]
    settings = {setting_of(row): row for row in own if row["missing"] == NOTHING}
    most = [row for row in own if row["missing"] in ("both", "any")]
    settings |= {setting_of(row): row for row in most if row["rate"] == max(one["rate"] for one in most)}
    titles = [title(row, document) for row in settings.values()]
    yield from header(["variant", *titles])
    for method, mine in by_method(own).items():
        found = {setting_of(row): row for row in mine}
        cells = [figure(found[one], "image_auroc") + gap(found[one]) if one in found else DASH for one in settings]
        yield line([WHAT[method], *cells])


def setting_of(row: Mapping[str, Any]) -> tuple[object, ...]:
    return row["subset"], row["missing"], row["rate"], tuple(row["missing_in"])


def title(row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    if row["missing"] == NOTHING:
        return " + ".join(labelled(name, document) for name in row["subset"].split("_"))
    return f"{row['rate']:.0%} without {lost(row['missing'], document)}, {' and '.join(row['missing_in'])}"


def gap(row: Mapping[str, Any]) -> str:
    if "minus_radar" not in row:
        return ""
    interval = row["minus_radar_ci"]
    return f"; {row['minus_radar']:+.3f}" + ("" if interval is None else f" [{interval[0]:+.3f}, {interval[1]:+.3f}]")


def cost_table(document: Mapping[str, Any]) -> Iterator[str]:
    yield from header(["method", "jobs", "CPU hours", "fitting s", "scoring s", "parameters of the largest job"])
    for method, cost in document["methods"].items():
        hours, seconds = f"{cost['cpu_hours']:.2f}", [f"{cost[key]:.0f}" for key in ("fit_seconds", "score_seconds")]
        yield line([method, str(cost["jobs"]), hours, *seconds, f"{cost['parameters']:,}"])
    total = sum(cost["cpu_hours"] for cost in document["methods"].values())
    yield line(["all", "", f"{total:.2f}", "", "", ""])


def figure(row: Mapping[str, Any], name: str) -> str:
    """The figure and its interval; a dash where it is not defined."""
    value, interval = row[name], row[f"{name}_ci"]
    if value is None:
        return DASH
    return f"{value:.3f}" + ("" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]")


def by_method(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["method"], []).append(row)
    return found


def header(titles: Sequence[str]) -> Iterator[str]:
    yield line(titles)
    yield line(["---"] * len(titles))


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
