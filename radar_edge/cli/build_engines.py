"""`radar-edge build-engines`: a run in, a signed bundle out, with proven engines for every Subset and precision."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radar_edge.cli.engines import document, engines_table, tell_refused
from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.cli.thresholds import thresholds_table
from radar_edge.errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    from radar_edge.bundle import Signer
    from radar_edge.export.build import Result
    from radar_edge.export.calibrate import CalibrationSet
    from radar_edge.export.workshop import Workshop
    from radar_edge.targets import Target


class PrecisionName(str, Enum):
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class StageName(str, Enum):
    EXPORT = "export"
    SPECIALISE = "specialise"
    CALIBRATE = "calibrate"
    QUANTISE = "quantise"


def register(app: typer.Typer) -> None:
    app.command("build-engines")(build_engines)


def build_engines(
    run: Annotated[Path, typer.Argument(help="Run folder written by train.")],
    data: Annotated[Path, typer.Option("--data", help="The image folder that the run was trained on.")],
    out: Annotated[Path | None, typer.Option("--out", help="Bundle folder to write.")] = None,
    target_frr: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="False-reject rate that every threshold keeps.")
    ] = 0.05,
    precision: Annotated[
        list[PrecisionName] | None,
        typer.Option("--precision", help="Only these beside fp32; may be repeated. Default: all."),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="Folder of INT8 ranges. Default: RUN/calibration.")
    ] = None,
    calibration_set: Annotated[
        Path | None, typer.Option("--calibration-set", help="YAML: which images the ranges are measured on.")
    ] = None,
    preflight: Annotated[
        bool, typer.Option("--preflight", help="Compile every graph with TensorRT-RTX; needs no GPU.")
    ] = False,
    target: Annotated[
        str | None, typer.Option("--target", help="Board of engines/targets/: its workspace in the preflight.")
    ] = None,
    remote: Annotated[
        str | None, typer.Option("--remote", metavar="USER@UNIT", help="Then deploy it there, plans and all; by ssh.")
    ] = None,
    until: Annotated[
        StageName | None, typer.Option("--until", help="Stop after this stage; no bundle is written.")
    ] = None,
    work: Annotated[Path | None, typer.Option("--work", help="Results of stages. Default: RUN/build.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Make and prove INT8, FP16 and FP32 engines, signed.

    A TensorRT plan can only be built on a Jetson of its own class: the bundle holds everything up to it. With
    --remote and --target the unit builds and tests its plans at once, as `radar-edge deploy` does.
    """
    try:
        from radar_edge.export.build import build_bundle, build_until, open_workshop
        from radar_edge.export.preflight import compiler
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "onnx", "export", "building engines") from error
    from radar_edge.targets import target as known_target

    if out is None and until is None:
        raise UsageError("no bundle folder is named", next_step="say --out FOLDER, or --until STAGE for a part of it")
    board = None if target is None else known_target(target)
    check_remote(remote, target, out)
    with progress_bar() as bar:
        show = shower(bar)
        shop = open_workshop(
            run, data, ranges_folder=calibration, work=work, definition=definition_of(calibration_set), progress=show
        )
        if until is not None:
            build_until(shop, until.value)
        elif out is not None:
            result = build_bundle(
                shop,
                out,
                target_frr=target_frr,
                signer=own_key(),
                precisions=[one.value for one in precision or PrecisionName],
                compile_graph=compiler(board) if preflight else None,
                replace=force,
            )
    if until is not None:
        tell_stages(shop, until)
        return
    tell_ranges(result)
    console.print(engines_table(result.bundle.manifest.engines, result.bundle.folder))
    tell_refused(result.bundle.manifest.refused)
    console.print(thresholds_table(result.bundle.manifest.engines))
    tell_bundle(result)
    if board is not None:
        tell_target(board)
    if remote is not None and target is not None:
        finish_there(result.bundle.folder, remote, target)
    if json:
        print_json({**document(result.bundle), "made": list(result.made), "reused": list(result.reused)})


def check_remote(remote: str | None, target: str | None, out: Path | None) -> None:
    """Raises UsageError before anything is built."""
    from radar_edge.device.deploy import check_host

    if remote is None:
        return
    check_host(remote)
    if target is None or out is None:
        raise UsageError("--remote builds plans for a board", wanted="--target and --out beside it")


def finish_there(bundle: Path, remote: str, target: str) -> None:
    """Deploy with ssh's own settings for this host; the line uses it from its next start on."""
    from radar_edge.device.deploy import Unit, Wanted, deploy

    wanted = Wanted(bundle, target, None, "", 0.0)
    found = deploy(Unit(remote), wanted, lambda text: say(f"{remote}: {text}"))
    say(f"{remote}: slot {found['slot']} is current; restart the line to use it")


def definition_of(path: Path | None) -> CalibrationSet | None:
    """Raises ConfigError for a file that is no calibration set."""
    from radar_edge.config import load_config
    from radar_edge.export.calibrate import CalibrationSet

    return None if path is None else load_config(CalibrationSet, path)


def tell_stages(shop: Workshop, until: StageName) -> None:
    say(f"stopped after {until.value}: results in {shop.cache.folder}; no bundle was written")
    if until in (StageName.CALIBRATE, StageName.QUANTISE):
        say(f"INT8 ranges in {shop.ranges_folder}: look at them, keep them under review, and build with --calibration")


def tell_ranges(result: Result) -> None:
    """Where each Subset's INT8 ranges come from, and what held-out images lose by them."""
    for slug, ranges in result.ranges.items():
        worst = ranges.record.worst
        lost = f"{worst[0]} saturates {worst[1].saturated:.4%} of held-out values" if worst else "no tensor"
        came = "recorded before" if ranges.reviewed else "new, to be reviewed"
        say(f"INT8 ranges of {slug}: {ranges.path} ({came}); worst coverage: {lost}")


def tell_bundle(result: Result) -> None:
    from radar_edge.export.preflight import SAYS

    compiled = {engine.preflight.flavour for engine in result.bundle.manifest.engines if engine.preflight is not None}
    for flavour in compiled:
        say(SAYS.format(flavour=flavour))
    done = f"{len(result.made)} stages made, {len(result.reused)} reused from before"
    say(f"bundle written to {result.bundle.folder}, signed with the key {result.bundle.signed_by} ({done})")


def tell_target(board: Target) -> None:
    known = ", ".join(f"{one.tensorrt} (JetPack {one.jetpack})" for one in board.jetpacks)
    say(f"plans for a {board.module} are built on one: TensorRT {known}, workspace {board.workspace_mib} MiB")


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
