"""`radar-edge dataset check`: what is in an image folder, and everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.errors import DatasetError

if TYPE_CHECKING:
    from radar_edge.data.check import Report

commands = typer.Typer(no_args_is_help=True, help="Look at an image folder before it is used.")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="dataset")


@commands.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Image folder with train/good.")],
    json: JsonOption = False,
) -> None:
    """Open every image and list every fault at once; exit code 2 if there is any."""
    from radar_edge.data import check as checking

    with progress_bar() as bar:
        report = checking.check(folder, shower(bar))
    console.print(table(report))
    for note in report.notes:
        say(f"note: {note}")
    if json:
        print_json(document(report))
    if report.faults:
        raise DatasetError(
            f"{folder} has {len(report.faults)} fault(s)", faults=report.faults, next_step="mend them all"
        )
    say(f"{folder} has no fault")


def table(report: Report) -> Table:
    shown = Table()
    for title in ("split", "class"):
        shown.add_column(title)
    for title in ("parts", *report.modalities, "with mask"):
        shown.add_column(title, justify="right")
    for i, count in enumerate(report.counts):
        is_last = i + 1 == len(report.counts) or report.counts[i + 1].split != count.split
        images = [str(count.images[name]) for name in report.modalities]
        shown.add_row(count.split, count.cls, str(count.parts), *images, str(count.masked), end_section=is_last)
    kinds = [f"{kind.bit_depth} bit x {kind.channels}" for kind in report.kinds.values()]
    if len(kinds) == len(report.modalities):
        shown.add_row("", "", "", *kinds, "", style="dim")
    return shown


def document(report: Report) -> dict[str, Any]:
    return {
        "ok": not report.faults,
        "modalities": {
            name: {"channels": kind.channels, "bit_depth": kind.bit_depth} for name, kind in report.kinds.items()
        },
        "counts": [
            {"split": c.split, "cls": c.cls, "parts": c.parts, "images": c.images, "masked": c.masked}
            for c in report.counts
        ],
        "faults": list(report.faults),
        "notes": list(report.notes),
    }
