"""`radar-edge finish BUNDLE`: on the unit, from the bundle's engines to plans for this very GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower

if TYPE_CHECKING:
    from radar_edge.bundle import Signer
    from radar_edge.bundle.device_record import DeviceRecord


def register(app: typer.Typer) -> None:
    app.command("finish")(finish)


def finish(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the plans; what was there is replaced when all pass.")],
    target: Annotated[
        str,
        typer.Option("--target", envvar="RADAR_EDGE_TARGET", help="This board's class, such as orin-nano-8gb."),
    ],
    precision: Annotated[str, typer.Option(help="int8, fp16 or fp32; higher ones stand in where it fails.")] = "int8",
    cuda: Annotated[str, typer.Option(help="pycuda or cuda-python.")] = "pycuda",
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Leave plans alone that fit this bundle and unit.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Build and test TensorRT plans on this unit.

    Each plan is tested against the bundle's reference parts and gets its own threshold from them. Written for
    TensorRT 10.3 to 11 and proven on an emulated GPU; it has not run on a Jetson.
    """
    from radar_edge.bundle import PRECISIONS, open_bundle
    from radar_edge.device.finish import Order, fits
    from radar_edge.device.finish import finish as build
    from radar_edge.device.unit import available_mib
    from radar_edge.errors import UsageError
    from radar_edge.inference.plans import l4t_release
    from radar_edge.inference.tensorrt_runner import open_session
    from radar_edge.targets import target as known_target

    wanted = next((name for name in PRECISIONS if name == precision), None)
    if wanted is None:
        raise UsageError("unknown precision", found=precision, wanted=", ".join(PRECISIONS))
    opened = open_bundle(bundle)
    order = Order(opened, target, known_target(target), wanted, l4t_release(), available_mib())
    signer = unit_signer()
    with open_session(cuda) as session:
        there = fits(out, order, session) if if_needed else None
        if there is not None:
            say(f"the plans in {out} fit this bundle and unit: nothing to do")
            record = there.record
        else:
            say(f"building on {session.device.facts.name} with TensorRT {session.trt.__version__}")
            with progress_bar() as bar:
                record = build(order, out, session, signer, shower(bar))
    console.print(table(record))
    for entry in record.plans:
        for reason in entry.instead_of:
            say(f"{entry.subset}: {entry.precision}, because {reason}")
    if json:
        print_json({"out": str(out), "built": there is None, "record": record.model_dump(mode="json")})


def unit_signer() -> Signer:
    """The unit's own key, made if it has none: its plans are for itself alone."""
    from radar_edge.bundle import create_key, keys_folder, load_signer
    from radar_edge.bundle.signing import PRIVATE

    folder = keys_folder()
    if (folder / PRIVATE).exists():
        return load_signer(folder)
    signer = create_key(folder)
    say(f"made this unit's own key {signer.key_id} in {folder}")
    return signer


def table(record: DeviceRecord) -> Table:
    shown = Table(
        caption=f"{record.gpu}, TensorRT {record.tensorrt}; score: as in `radar-edge verify`", caption_justify="left"
    )
    for title in ("subset", "engine", "memory"):
        shown.add_column(title, no_wrap=True)
    for title in ("ms", "score", "flips", "threshold", "build s"):
        shown.add_column(title, justify="right", no_wrap=True)
    for p in record.plans:
        way, ms = ("in place", p.mapped_ms) if p.mapped else ("copied", p.staged_ms)
        threshold = f"{p.calibration.threshold:.3f}{'' if p.recalibrated else ' (bundle)'}"
        score, flips = f"{p.score_gap:.1e}", f"{p.flipped}/{p.parts}"
        shown.add_row(p.subset, p.precision, way, f"{ms:.2f}", score, flips, threshold, str(p.build_s))
    return shown
