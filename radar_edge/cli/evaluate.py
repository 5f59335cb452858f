"""`radar-edge evaluate`: a trained run or a bundle on the test parts of an image folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.judges import PrecisionOption, check_kind, open_judges
from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.cli.thresholds import facts, promises
from radar_edge.errors import MissingPackageError


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)


def evaluate(
    source: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="Folder written by train or build-engines.")],
    data: Annotated[Path, typer.Option("--data", help="Image folder with test parts.")],
    precision: PrecisionOption = None,
    report: Annotated[Path | None, typer.Option("--report", help="HTML page to write, with pictures.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write: metrics.json.")] = None,
    target_frr: Annotated[
        float | None,
        typer.Option("--target-frr", min=0.0001, max=0.5, help="Of a run's thresholds: share of good parts rejected."),
    ] = None,
    json: JsonOption = False,
) -> dict[str, Any]:
    """Measure every subset on the test parts."""
    from radar_edge.data.layouts import index
    from radar_edge.evaluation.pages import check_packages
    from radar_edge.evaluation.promise import frr_chance
    from radar_edge.evaluation.report import write_report
    from radar_edge.files import write_json

    check_kind(source)
    if report is not None:
        check_packages()
    try:
        from radar_edge.evaluation.full import evaluation_of
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "scipy", "report", "evaluate") from error
    dataset = index(data)
    with ExitStack() as stack:
        show = shower(stack.enter_context(progress_bar()))
        detector = open_judges(source, dataset, stack, show, target_frr, precision)
        metrics, judged = evaluation_of(detector, dataset, show)
    metrics |= {"source": str(source), "data": str(data), "precision": precision}
    for subset, calibration in detector.calibrations.items():
        chance = frr_chance(calibration, judged[subset])
        metrics["subsets"][subset.slug] |= {**facts(calibration), "frr_chance": chance}
    show_tables(metrics)
    if out is not None:
        write_json(out, metrics)
    if report is not None:
        write_report(report, metrics, judged)
    for written in (path for path in (out, report) if path is not None):
        say(f"written: {written}")
    if json:
        print_json(metrics)
    return metrics


def show_tables(metrics: Mapping[str, Any]) -> None:
    console.print(table(metrics))
    console.print(promises(metrics))
    say("\nAUROC on visible defects; ! where a baseline or control is no worse than the detector")
    console.print(rivals_table(metrics))
    if metrics["missing"] is not None:
        say(f"\nAUROC of all parts, some of which lost a modality; mean of {metrics['missing']['draws']} draws")
        console.print(missing_table(metrics["missing"]))
    for line in doubts(metrics):
        console.print(line, style="yellow", markup=False)


def table(metrics: Mapping[str, Any]) -> Table:
    shown = Table(caption="below each figure its 95 % interval over groups", caption_justify="left")
    shown.add_column("subset")
    for title in (
        "good",
        "defects",
        "AUROC\nvisible",
        "AUROC\nany",
        "AUPRO\n0.30",
        "FRR at\nthreshold",
        "escape at\nthreshold",
    ):
        shown.add_column(title, justify="right", no_wrap=True)
    for slug, m in metrics["subsets"].items():
        decimals = [cell(m, name, "{:.3f}", 1) for name in ("image_auroc", "image_auroc_any", "aupro_030")]
        shares = [cell(m, name, "{:.1f}", 100) for name in ("frr_at_threshold", "escape_at_threshold")]
        shown.add_row(slug, str(m["good"]), str(m["defects"]), *decimals, *shares, end_section=True)
    return shown


def cell(figures: Mapping[str, Any], name: str, form: str, factor: float) -> str:
    """The figure, and its interval on a second line."""
    value, interval = figures[name], figures[f"{name}_ci"]
    unit = " %" if factor == 100 else ""
    first = "-" if value is None else form.format(factor * value) + unit
    return first if interval is None else f"{first}\n{'–'.join(form.format(factor * end) for end in interval)}"


def rivals_table(metrics: Mapping[str, Any]) -> Table:
    """AUROC of the detector, of one-line baselines and of controls, on the defects that each subset can see."""
    subsets = metrics["subsets"]
    shown = Table()
    shown.add_column("judged by")
    for slug in subsets:
        shown.add_column(slug, justify="right", no_wrap=True)
    shown.add_row("this detector", *(number(one["image_auroc"]) for one in subsets.values()), end_section=True)
    for kind in ("baselines", "controls"):
        for name in dict.fromkeys(name for one in subsets.values() for name in one[kind]):
            cells = []
            for one in subsets.values():
                rival = one[kind].get(name)
                mark = " !" if name in one["beaten_by"] else ""
                cells.append("" if rival is None else number(rival["image_auroc"]) + mark)
            shown.add_row(name, *cells)
    return shown


def missing_table(missing: Mapping[str, Any]) -> Table:
    """The pooled AUROC of all test parts when some have lost a modality."""
    shown = Table()
    for name in ("parts that lost", "calibrated", "raw scores", "placeholder"):
        shown.add_column(name, justify="left" if name.startswith("parts") else "right", no_wrap=True)
    for row in missing["rows"]:
        cells = (cell(row, way, "{:.3f}", 1).replace("\n", "  ") for way in ("calibrated", "raw", "placeholder"))
        shown.add_row(f"{row['rate']:.0%} {row['missing']}", *cells)
    return shown


def doubts(metrics: Mapping[str, Any]) -> Iterator[str]:
    for leak in metrics["leak"]:
        yield f"leak: {leak['control']} alone separates the test parts, AUROC {leak['auroc']:.3f}. {leak['why']}"
    for slug, one in metrics["exchangeable"].items():
        if one["differs"]:
            yield f"{slug}: good test parts are {one['verdict']} with the held-out ones: {'; '.join(one['differs'])}"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
