"""`radar-edge estimate BUNDLE --target T`: will it be fast enough on a board that is not here? Never a measurement."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say

if TYPE_CHECKING:
    from radar_edge.bundle import Bundle
    from radar_edge.config import LineConfig
    from radar_edge.export.estimate import Estimate
    from radar_edge.targets import Mode, Target

Engines = dict[tuple[str, str], "Estimate"]


def register(app: typer.Typer) -> None:
    app.command("estimate")(estimate)


def estimate(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    target: Annotated[str, typer.Option("--target", help="The board's class, such as orin-nano-8gb.")],
    mode: Annotated[str | None, typer.Option("--mode", help="Power mode; the board's fastest if absent.")] = None,
    line: Annotated[
        Path | None, typer.Option("--line", metavar="LINE.yaml", help="Whose deadline and precision are to be met.")
    ] = None,
    bench: Annotated[
        Path | None, typer.Option("--bench", help="JSON of `radar-edge bench`: its measured share of a roofline.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Estimate latency and memory on a board.

    Not measured: no Jetson was at hand.

    Exit code 2 if a line's deadline cannot be met even at the fast end.
    """
    from radar_edge.bundle import open_bundle
    from radar_edge.config import LineConfig, load_config
    from radar_edge.errors import ConfigError, UsageError
    from radar_edge.export.estimate import mode_of, needed_mib
    from radar_edge.targets import target as known_target

    opened, board = open_bundle(bundle), known_target(target)
    try:
        power = mode_of(board, mode)
    except ValueError as error:
        raise UsageError(str(error), found=mode, wanted=", ".join(one.name for one in board.modes)) from error
    share = None if bench is None else measured_share(bench)
    engines = estimates(opened, power, share)
    tell_assumptions(board, power, share)
    console.print(table(engines))
    opened_at_once = [one for (_, precision), one in engines.items() if precision == "fp16"] or list(engines.values())
    needed = needed_mib(opened_at_once)
    say(
        f"memory with all engines open: about {needed:.0f} of {board.memory_gb * 1024} MiB, the system's share included"
    )
    deadline = None if line is None else judge(load_config(LineConfig, line), engines)
    if deadline is not None:
        say(f"deadline: {deadline['left_ms']:.0f} ms are left for the engine; {deadline['verdict']}")
    if json:
        rows = [{"subset": s, "precision": p, **one.__dict__} for (s, p), one in engines.items()]
        found = {"target": target, "mode": power.name, "efficiency": share, "engines": rows, "needed_mib": needed}
        print_json({**found, "deadline": deadline, "measured": False})
    if deadline is not None and deadline["verdict"] == "not feasible":
        raise ConfigError(
            "the line's deadline cannot be met on this board",
            found=f"{deadline['fast_ms']:.1f} ms at the fast end of the estimate",
            wanted=f"at most {deadline['left_ms']:.1f} ms",
            next_step="lengthen deadline_ms, use a lower precision or a faster board",
        )


def estimates(bundle: Bundle, mode: Mode, share: float | None) -> Engines:
    try:
        import onnx
    except ImportError as error:
        from radar_edge.errors import MissingPackageError

        raise MissingPackageError("onnx", "export", "reading the engines' graphs") from error
    from radar_edge.export.estimate import estimate as of

    return {
        (entry.subset, entry.precision): of(onnx.load(bundle.path(entry.file)), mode, share)
        for entry in bundle.manifest.engines
    }


def measured_share(path: Path) -> float:
    """The median share of the roofline in a bench file. Raises UsageError if it has none."""
    from statistics import median

    from radar_edge.errors import UsageError

    try:
        document = json_module.loads(path.read_text().splitlines()[-1])
        shares = [row["roofline_share"] for row in document["rows"] if row["roofline_share"] is not None]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UsageError(f"{path} is no output of `radar-edge bench --json`", found=str(error)) from error
    if not shares:
        raise UsageError(f"{path} measured no roofline", next_step="run `radar-edge bench` where onnx is installed")
    return float(median(shares))


def tell_assumptions(board: Target, mode: Mode, share: float | None) -> None:
    from radar_edge.export.estimate import BANDWIDTH_SHARE, FASTEST, LAUNCH_US, SLOWEST

    int8 = "not published, FP16's is used" if mode.int8_tops is None else f"{mode.int8_tops:g} TOPS"
    peaks = f"INT8 {int8}, FP16 {mode.fp16_tflops:g} TFLOPS, {mode.dram_gb_s:g} GB/s"
    say(f"{board.module}, mode {mode.name}, dense peaks: {peaks}")
    assumed = f"{SLOWEST:.0%} to {FASTEST:.0%} of the peak, as others' networks reach on Orin"
    used = assumed if share is None else f"{share:.0%} of the peak, the bench file's median"
    say(f"assumed: {used}; {BANDWIDTH_SHARE:.0%} of the bandwidth, {LAUNCH_US:g} us a launch, no CUDA graph, no DLA")
    say("an estimate, not a measurement: nothing was run on this board")


def table(engines: Engines) -> Table:
    shown = Table()
    for title in ("subset", "engine"):
        shown.add_column(title, no_wrap=True)
    for title in ("at peak ms", "fast ms", "slow ms", "compute-bound", "weights MiB"):
        shown.add_column(title, justify="right", no_wrap=True)
    for (subset, precision), e in engines.items():
        times = (f"{ms:.2f}" for ms in (e.peak_ms, e.fast_ms, e.slow_ms))
        shown.add_row(subset, precision, *times, f"{e.compute_bound:.0%}", f"{e.weights_mib:.1f}")
    return shown


def judge(config: LineConfig, engines: Engines) -> dict[str, Any]:
    """The slowest engine of the line's precision against what deadline, wire and pairing leave."""
    from radar_edge.errors import UsageError
    from radar_edge.export.estimate import verdict

    mine = [one for (_, precision), one in engines.items() if precision == config.precision]
    if not mine:
        raise UsageError(f"the bundle has no engine in {config.precision}, which the line wants")
    left_ms = config.deadline_ms - config.wire_margin_ms - config.pair_wait_ms
    fast, slow = max(one.fast_ms for one in mine), max(one.slow_ms for one in mine)
    return {"left_ms": left_ms, "fast_ms": fast, "slow_ms": slow, "verdict": verdict(mine, left_ms)}
