"""`radar-edge dataset`: what is in an image folder and all that is wrong with it; foreign sets as such a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.errors import DatasetError, UsageError

if TYPE_CHECKING:
    from radar_edge.data.adapters.plan import Plan
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


@commands.command("import")
def import_set(
    kind: Annotated[
        str,
        typer.Argument(
            help="mvtec-ad, mvtec-3d-ad, mulsen-ad, eyecandies, magnetic-tile, toyadmos, or csv (a table of your own)."
        ),
    ],
    src: Annotated[
        Path, typer.Argument(help="The set as it was unpacked, or one of its categories; it stays as it is.")
    ],
    dst: Annotated[Path, typer.Argument(help="New folder to write; several categories become a folder each in it.")],
    category: Annotated[str | None, typer.Option(help="This one alone.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Parts may lack a modality or a mask; otherwise that is a fault.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="magnetic-tile: of the split by groups; 0 if not given.")
    ] = None,
    second_exposure: Annotated[
        bool, typer.Option("--second-exposure", help="magnetic-tile: the next exposure of the tile as modality exp2.")
    ] = False,
    max_shift_px: Annotated[
        float | None, typer.Option(min=0, help="magnetic-tile: most shift between two exposures; 5 if not given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Bring a public data set, or images with a CSV, into the layout that every other command reads."""
    from radar_edge.data.adapters.importing import plan_sets, write_sets
    from radar_edge.data.adapters.plan import Options
    from radar_edge.data.adapters.table import adapter
    from radar_edge.data.layouts import shortened

    asked = {"seed": seed, "second_exposure": second_exposure or None, "max_shift_px": max_shift_px}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if foreign := set(given) - adapter(kind).options:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(foreign))
        raise UsageError(f"{kind} has no option {names}", next_step="leave it out")
    with progress_bar() as bar:
        show = shower(bar)
        plans = plan_sets(kind, src, category, Options(allow_missing=allow_missing, **given), show)
        if not dry_run:
            write_sets(kind, plans, dst, show)
    for name, plan in plans.items():
        say(f"{dst / name}: " + ", ".join(f"{count} {cls}" for cls, count in parts_by_class(plan).items()))
        for note in shortened(plan.notes):
            say(f"note: {note}")
    say("nothing was written (--dry-run)" if dry_run else f"written and checked: {dst}")
    if json:
        print_json({"kind": kind, "out": str(dst), "dry_run": dry_run, "sets": import_document(plans, dst)})


def parts_by_class(plan: Plan) -> dict[str, int]:
    return dict(sorted(Counter(f"{part.split}/{part.cls}" for part in plan.parts).items()))


def import_document(plans: Mapping[str, Plan], dst: Path) -> list[dict[str, Any]]:
    return [
        {
            "category": name,
            "out": str(dst / name),
            "modalities": list(plan.modalities),
            "parts": len(plan.parts),
            "counts": parts_by_class(plan),
            "notes": list(plan.notes),
        }
        for name, plan in plans.items()
    ]


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
