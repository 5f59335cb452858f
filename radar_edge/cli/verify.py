"""`radar-edge verify`: is every byte of a bundle what its maker signed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say


def register(app: typer.Typer) -> None:
    app.command("verify")(verify)


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    json: JsonOption = False,
) -> None:
    """Check a bundle's signature and every file in it; exit code 2 names each one that is wrong."""
    from radar_edge.bundle import open_bundle
    from radar_edge.errors import BundleError

    try:
        opened = open_bundle(bundle)
    except BundleError as error:
        if json:
            print_json({"ok": False, "problem": error.problem, "faults": list(error.faults), "next": error.next_step})
        raise
    files = len(opened.manifest.files)
    say(f"{bundle} is whole: {files} files, signed with the trusted key {opened.signed_by}")
    say(f"made by {opened.manifest.created_by}; engines: {', '.join(opened.manifest.subsets)}")
    if json:
        print_json({"ok": True, "sha256": opened.sha256, "signed_by": opened.signed_by, "files": files})
