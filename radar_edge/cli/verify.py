"""`radar-edge verify`: is every byte of a bundle what its maker signed, and do its engines judge as they did there?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower

if TYPE_CHECKING:
    from radar_edge.bundle import Bundle
    from radar_edge.inference.self_test import SelfTest


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Digests and signature, without running an engine.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check a bundle's signature, files and engines."""
    from radar_edge.bundle import open_bundle
    from radar_edge.errors import BundleError

    try:
        opened = open_bundle(bundle)
        tests = [] if files_only else run_engines(opened)
        check(opened, tests)
    except BundleError as error:
        if json:
            print_json({"ok": False, "problem": error.problem, "faults": list(error.faults), "next": error.next_step})
        raise
    files = len(opened.manifest.files)
    say(f"{bundle} is whole: {files} files, signed with the trusted key {opened.signed_by}")
    say(f"made by {opened.manifest.created_by}; every engine of a lower precision passed its gate")
    if tests:
        console.print(table(tests))
    if json:
        engines = [asdict(test) for test in tests]
        summary = {"ok": True, "sha256": opened.sha256, "signed_by": opened.signed_by, "files": files}
        print_json({**summary, "engines": engines})


def run_engines(bundle: Bundle) -> list[SelfTest]:
    """Every engine on the reference parts, in ONNX Runtime on this machine."""
    from radar_edge.inference.runner import open_runner
    from radar_edge.inference.self_test import self_test
    from radar_edge.modality import subset_from_slug

    tests = []
    entries = bundle.manifest.engines
    with progress_bar() as bar:
        show = shower(bar)
        for done, entry in enumerate(entries):
            show("run engines on reference parts", done, len(entries))
            subset = subset_from_slug(entry.subset, bundle.modalities)
            with open_runner("onnxruntime", bundle.path(entry.file), subset, entry.precision) as runner:
                tests.append(self_test(bundle, entry, runner))
    return tests


def check(bundle: Bundle, tests: list[SelfTest]) -> None:
    from radar_edge.errors import BundleError

    faults = [test.text for test in tests if not test.passed]
    if faults:
        raise BundleError(
            f"engines of {bundle.folder} do not judge here as they did where they were made",
            faults=faults,
            next_step="compare the versions under `radar-edge inspect` with the installed ones; report this",
        )


def table(tests: list[SelfTest]) -> Table:
    shown = Table(
        caption="against what the bundle records; score: share of the way from median good part to threshold",
        caption_justify="left",
    )
    for title in ("subset", "engine"):
        shown.add_column(title, no_wrap=True)
    for title in ("parts", "map", "score", "flips"):
        shown.add_column(title, justify="right", no_wrap=True)
    for t in tests:
        shown.add_row(t.subset, t.precision, str(t.parts), f"{t.max_abs_map:.1e}", f"{t.score_gap:.1e}", str(t.flipped))
    return shown
