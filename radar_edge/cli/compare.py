"""`radar-edge compare`: two runs or bundles on the same test parts, paired."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.judges import check_kind, open_judges
from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower

ROWS = {
    "image_auroc": ("AUROC, visible defects", "{:.3f}", "{:+.3f}", 1),
    "image_auroc_any": ("AUROC, all defects", "{:.3f}", "{:+.3f}", 1),
    "aupro_030": ("AUPRO 0.30", "{:.3f}", "{:+.3f}", 1),
    "frr_at_threshold": ("false rejects", "{:.1f} %", "{:+.1f}", 100),
    "escape_at_threshold": ("escapes", "{:.1f} %", "{:+.1f}", 100),
}
SHOWN = 5
"""Parts that changed sides in the text; the JSON document has all."""


def register(app: typer.Typer) -> None:
    app.command("compare")(compare)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Run or bundle: the one before.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Run or bundle: the one after.")],
    data: Annotated[Path, typer.Option("--data", help="Image folder with test parts.")],
    precision_a: Annotated[str | None, typer.Option("--precision-a", help="Of A, a bundle: fp32, fp16, int8.")] = None,
    precision_b: Annotated[str | None, typer.Option("--precision-b", help="Of B, likewise. Default: fp32.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="HTML page to write, with pictures.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write.")] = None,
    json: JsonOption = False,
) -> dict[str, Any]:
    """Compare two detectors part by part.

    Name one bundle twice to compare two of its precisions.
    """
    from radar_edge.data.layouts import index
    from radar_edge.evaluation import compare as paired
    from radar_edge.evaluation.compare_report import write_comparison
    from radar_edge.evaluation.evaluate import judge
    from radar_edge.evaluation.pages import check_packages
    from radar_edge.files import write_json

    for source in (a, b):
        check_kind(source)
    if report is not None:
        check_packages()
    dataset = index(data)
    with ExitStack() as stack:
        show = shower(stack.enter_context(progress_bar()))
        wanted = ((a, precision_a), (b, precision_b))
        judges = [open_judges(source, dataset, stack, show, precision=precision) for source, precision in wanted]
        paired.common_subsets(tuple(judges[0].runners), tuple(judges[1].runners))
        judged = [
            judge(one.runners, dataset.select("test"), one.preprocess, show, f"judge test parts with {name}")
            for name, one in zip("AB", judges, strict=True)
        ]
    found = paired.compare(judged[0], judged[1], judges[0].thresholds, judges[1].thresholds)
    result = {**found, "a": titled(a, precision_a), "b": titled(b, precision_b), "data": str(data)}
    console.print(table(result))
    tell_sides(result)
    if out is not None:
        write_json(out, result)
    if report is not None:
        write_comparison(report, result, judged[0], judged[1])
    for written in (path for path in (out, report) if path is not None):
        say(f"written: {written}")
    if json:
        print_json(result)
    return result


def titled(source: Path, precision: str | None) -> str:
    return str(source) if precision is None else f"{source} {precision}"


def table(result: Mapping[str, Any]) -> Table:
    shown = Table(
        title="B - A on the same parts",
        title_justify="left",
        caption="in brackets: 95 % by paired bootstrap over groups; better: where that leaves out 0",
        caption_justify="left",
    )
    shown.add_column("subset")
    shown.add_column("figure")
    for title in ("A", "B", "B - A", "better"):
        shown.add_column(title, justify="right", no_wrap=True)
    for slug, figures in result["subsets"].items():
        for name, (title, form, signed, factor) in ROWS.items():
            one = figures[name]
            values = ("-" if one[side] is None else form.format(factor * one[side]) for side in ("a", "b"))
            shown.add_row(
                slug, title, *values, gap(one, signed, factor), one["better"] or "", end_section=name == last()
            )
    return shown


def last() -> str:
    return list(ROWS)[-1]


def gap(figure: Mapping[str, Any], form: str, factor: float) -> str:
    value, interval = figure["difference"], figure["difference_ci"]
    if value is None:
        return "-"
    text = form.format(factor * value)
    return text if interval is None else f"{text} [{', '.join(form.format(factor * end) for end in interval)}]"


def tell_sides(result: Mapping[str, Any]) -> None:
    for slug, figures in result["subsets"].items():
        sides = figures["sides"]
        say(f"{slug}: of {figures['parts']} parts B gets {len(sides['won'])} right that A got wrong, "
            f"and {len(sides['lost'])} wrong that A got right")  # fmt: skip
        for side, parts in sides.items():
            names = ", ".join(part["part"] for part in parts[:SHOWN])
            if names:
                say(f"  {side}: {names}{f' and {len(parts) - SHOWN} more' if len(parts) > SHOWN else ''}")
