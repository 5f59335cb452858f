"""`radar-edge doctor`: is this unit fit for a line? Every finding with why it matters and what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say

MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL"}
COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    root: Annotated[Path, typer.Option("--root", help="Another root, such as a mounted disk.")] = Path("/"),
    line: Annotated[Path | None, typer.Option("--line", metavar="LINE.yaml", help="Also what this line needs.")] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Also this bundle.")] = None,
    json: JsonOption = False,
) -> None:
    """Look a unit over, from JetPack to serial port.

    Changes nothing. Exit code 1 if anything fails. Its checks were tried on trees of files, not on a Jetson.
    """
    from dataclasses import asdict

    from radar_edge.config import LineConfig, load_config, resolve_paths
    from radar_edge.device.board import Board
    from radar_edge.device.doctor import examine
    from radar_edge.errors import ShortfallError, UsageError

    if not root.is_dir():
        raise UsageError(f"{root} is no folder", wanted="the root of a file system")
    config = None if line is None else resolve_paths(load_config(LineConfig, line), line.parent)
    findings = examine(Board(root), config, bundle)
    table = Table("", "check", "found")
    for finding in findings:
        mark = f"[{COLOURS[finding.level]}]{MARKS[finding.level]}[/]"
        table.add_row(mark, finding.check, finding.found.replace("[", "\\["))
    console.print(table)
    for finding in findings:
        if finding.level != "ok":
            say(f"{MARKS[finding.level]} {finding.check}: {finding.why}\n     -> {finding.mend}")
    failed = [finding.check for finding in findings if finding.level == "fail"]
    if json:
        print_json({"root": str(root), "ok": not failed, "findings": [asdict(finding) for finding in findings]})
    if failed:
        raise ShortfallError("this unit is not fit for a line", faults=failed, next_step="mend what is marked FAIL")
