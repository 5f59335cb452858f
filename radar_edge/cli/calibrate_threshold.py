"""`radar-edge calibrate-threshold`: a bundle's thresholds set anew from new good parts, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radar_edge.cli.build_engines import own_key
from radar_edge.cli.engines import document
from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.cli.thresholds import thresholds_table


def register(app: typer.Typer) -> None:
    app.command("calibrate-threshold")(calibrate_threshold)


def calibrate_threshold(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder written by build-engines; stays as it is.")],
    data: Annotated[Path, typer.Option("--data", help="Image folder with new good parts in validation/good.")],
    out: Annotated[Path, typer.Option("--out", help="Bundle folder to write.")],
    target_frr: Annotated[
        float | None,
        typer.Option(min=1e-6, max=0.5, help="False-reject rate that every threshold keeps [default: the bundle's]."),
    ] = None,
    ng_frr: Annotated[
        float | None,
        typer.Option(min=1e-6, max=0.5, help="Rate of good parts in the NG band [default: a fifth of the target]."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Set every threshold anew from new good parts."""
    from radar_edge.bundle import open_bundle
    from radar_edge.data.layouts import new_good_parts
    from radar_edge.evaluation.recalibrate import recalibrate, rejected_share

    old = open_bundle(bundle)
    parts = new_good_parts(data, old.modalities)
    target = old.manifest.engines[0].calibration.target_frr if target_frr is None else target_frr
    signer = own_key()
    with progress_bar() as bar:
        new = recalibrate(
            old, parts, out, signer, target_frr=target, ng_frr=ng_frr, replace=force, progress=shower(bar)
        )
    console.print(thresholds_table(new.manifest.engines))
    for before, after in zip(old.manifest.engines, new.manifest.engines, strict=True):
        thresholds = f"OK up to {after.calibration.threshold:.3f}, before {before.calibration.threshold:.3f}"
        share = rejected_share(before, after.calibration)
        say(f"{after.subset} {after.precision}: {thresholds}, which rejects {share:.1%} of these parts")
    say(f"bundle written to {out}, signed with the key {signer.key_id}; {bundle} is unchanged")
    if json:
        print_json(document(new))
