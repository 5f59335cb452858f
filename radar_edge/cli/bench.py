"""`radar-edge bench`: every engine of a bundle on this machine, in interleaved runs."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower

if TYPE_CHECKING:
    from radar_edge.bundle import Bundle
    from radar_edge.inference.bench import Case, Roofline

THREADS = (1, 2)
BACKEND = "onnxruntime"
ORACLE = (
    "on a CPU, ONNX Runtime is the numeric oracle of INT8 and FP16 engines: it runs their layers in FP32 and pays for "
    "the rounding, so that INT8 is slower here than FP32. What it gains shows on a Jetson only"
)


def register(app: typer.Typer) -> None:
    app.command("bench")(bench)


def bench(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    rounds: Annotated[int, typer.Option(min=10, help="Runs of every engine.")] = 200,
    json: JsonOption = False,
) -> None:
    """Measure latency, start-up and memory of every engine."""
    from radar_edge.bundle import open_bundle
    from radar_edge.inference.bench import bench as measure

    opened = open_bundle(bundle)
    with progress_bar() as bar:
        found = measure(cases_of(opened), rooflines(), rounds, shower(bar))
    console.print(table(found))
    say(ORACLE)
    if not found["roofline_gmac_s"]:
        say("no roofline: that needs the package onnx (pip install 'radar-edge[export]')")
    if json:
        print_json({**machine(), "bundle": str(bundle), "sha256": opened.sha256, **found})


def cases_of(bundle: Bundle) -> list[Case]:
    from radar_edge.inference.bench import Case
    from radar_edge.modality import subset_from_slug

    return [
        Case(
            runner=BACKEND,
            model=bundle.path(entry.file),
            subset=subset_from_slug(entry.subset, bundle.modalities),
            precision=entry.precision,
            threads=threads,
            macs=entry.macs,
        )
        for threads in THREADS
        for entry in bundle.manifest.engines
    ]


def rooflines() -> list[Roofline]:
    """A large convolution at each number of threads; none without the package onnx."""
    import numpy as np

    from radar_edge.inference.bench import Roofline
    from radar_edge.inference.onnxruntime_runner import open_session

    try:
        from radar_edge.export import roofline
    except ModuleNotFoundError:
        return []
    x = {roofline.INPUT: np.zeros((1, roofline.CHANNELS, roofline.SIDE, roofline.SIDE), np.float32)}
    graph = roofline.roofline_graph()
    sessions = {threads: open_session(graph, threads=threads) for threads in THREADS}
    return [Roofline(roofline.MACS, n, partial(session.run, None, x)) for n, session in sessions.items()]


def machine() -> dict[str, Any]:
    """Where and when: a figure without them is worth nothing."""
    from importlib.metadata import version

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cpu": names[0] if names else "unknown",
        "cores": os.cpu_count(),
        "onnxruntime": version("onnxruntime"),
    }


def table(found: dict[str, Any]) -> Table:
    shown = Table(
        title=f"Latency of {found['rounds']} interleaved runs", title_justify="left", caption_justify="left",
        caption="of all: p50 against the engine of all modalities; roofline: of what a large convolution reaches here",
    )  # fmt: skip
    for title in ("subset", "engine"):
        shown.add_column(title, no_wrap=True)
    for title in ("threads", "p50 ms", "p95", "p99", "of all", "GMAC/s", "roofline", "start ms", "MiB"):
        shown.add_column(title, justify="right", no_wrap=True)
    for row in found["rows"]:
        latency = [f"{row['latency_ms'][p]:.2f}" for p in ("p50", "p95", "p99")]
        share = [percent(row["of_all_modalities"]), f"{row['gmac_s']:.1f}", percent(row["roofline_share"])]
        costs = [f"{row['startup_ms']:.0f}", f"{row['memory_mib']:.0f}"]
        shown.add_row(row["subset"], row["precision"], str(row["threads"]), *latency, *share, *costs)
    return shown


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
