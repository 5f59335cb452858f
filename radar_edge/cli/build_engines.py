"""`radar-edge build-engines`: a run in, a signed bundle with one engine a Subset out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.cli.thresholds import facts, thresholds_table
from radar_edge.errors import MissingPackageError

if TYPE_CHECKING:
    from radar_edge.bundle import Bundle, Signer


def register(app: typer.Typer) -> None:
    app.command("build-engines")(build_engines)


def build_engines(
    run: Annotated[Path, typer.Argument(help="Run folder written by train.")],
    data: Annotated[Path, typer.Option("--data", help="The image folder that the run was trained on.")],
    out: Annotated[Path, typer.Option("--out", help="Bundle folder to write.")],
    target_frr: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="False-reject rate that every threshold keeps.")
    ] = 0.05,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Make one engine for every subset of modalities, set its threshold, and sign the bundle."""
    try:
        from radar_edge.export.build import build_bundle
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "onnx", "export", "building engines") from error

    signer = own_key()
    with progress_bar() as bar:
        bundle = build_bundle(run, data, out, target_frr=target_frr, signer=signer, replace=force, progress=shower(bar))
    console.print(summary(bundle))
    console.print(thresholds_table(bundle.manifest.engines))
    say(f"bundle written to {out}, signed with the key {signer.key_id}")
    if json:
        print_json(document(bundle))


def own_key() -> Signer:
    """The user's signing key; made, and said, on first use."""
    from radar_edge.bundle import create_key, keys_folder, load_signer
    from radar_edge.bundle.signing import PRIVATE

    folder = keys_folder()
    if (folder / PRIVATE).exists():
        return load_signer(folder)
    signer = create_key(folder)
    say(f"made your signing key {signer.key_id} in {folder}: keep {PRIVATE} to yourself, and a copy of it safe")
    return signer


def summary(bundle: Bundle) -> Table:
    table = Table()
    for title in ("subset", "precision"):
        table.add_column(title)
    for title in ("param.", "MMAC", "MB", "map parity", "score parity"):
        table.add_column(title, justify="right")
    for engine in bundle.manifest.engines:
        table.add_row(
            engine.subset,
            engine.precision,
            f"{engine.parameters:,}",
            f"{engine.macs / 1e6:.1f}",
            f"{bundle.path(engine.file).stat().st_size / 1e6:.2f}",
            f"{engine.parity.max_abs_map:.1e}",
            f"{engine.parity.max_abs_score:.1e}",
        )
    return table


def document(bundle: Bundle) -> dict[str, Any]:
    engines = [
        {
            "subset": engine.subset,
            "precision": engine.precision,
            "parameters": engine.parameters,
            "macs": engine.macs,
            "bytes": bundle.path(engine.file).stat().st_size,
            "parity": engine.parity.model_dump(),
            **facts(engine.calibration),
        }
        for engine in bundle.manifest.engines
    ]
    return {"bundle": str(bundle.folder), "sha256": bundle.sha256, "signed_by": bundle.signed_by, "engines": engines}
