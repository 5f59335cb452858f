"""`radar-edge cameras [LINE.yaml]`: which cameras there are, and what a line's cameras show while they are set up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radar_edge.cli.output import JsonOption, console, print_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from radar_edge.runtime.viewing import View

PATIENCE_S = 15.0
FRAMES = 10
"""Pictures of each camera where nobody watches."""
COLUMNS = ("camera", "size", "rate", "drops", "focus", "of best", "1 / 50 / 99 %", "clipped", "black", "noise", "hints")


def register(app: typer.Typer) -> None:
    @app.command("cameras")
    def cameras(
        line: Annotated[
            Path | None, typer.Argument(metavar="[LINE.yaml]", help="Show this line's cameras; it must not be running.")
        ] = None,
        frames: Annotated[
            int | None, typer.Option(min=1, help="End after so many pictures of each. Default: Ctrl-C; 10 in a pipe.")
        ] = None,
        save: Annotated[Path | None, typer.Option(help="Write each camera's last picture into this folder.")] = None,
        json: JsonOption = False,
    ) -> None:
        """Without a line: find this machine's cameras. With one: focus, exposure and rate of its cameras, live."""
        if line is None:
            found = search()
            if json:
                print_json(found)
            return
        views = watch(line, frames, save)
        if json:
            print_json({"cameras": {name: document(view) for name, view in views.items()}})
        complain(views)


def search() -> dict[str, Any]:
    from dataclasses import asdict

    from radar_edge.runtime.camera_search import find_aravis, find_v4l2

    v4l2 = find_v4l2()
    aravis, told = find_aravis()
    looked = {"V4L2": "/dev/video0, /dev/video1, ...", "Aravis": told}
    for kind, where in looked.items():
        say(f"{kind}: {where}")
    for one in (*v4l2, *aravis):
        say(f"  {'' if one.usable else 'not usable: '}{one.backend} {one.source}  {one.name}  ({one.detail})")
    if not v4l2 and not aravis:
        say("no camera found. RTSP streams, GStreamer pipelines and CSI cameras are named in line.yaml, not searched")
    return {"cameras": [asdict(one) for one in (*v4l2, *aravis)], "looked": looked}


def watch(line: Path, frames: int | None, save: Path | None) -> dict[str, View]:
    """The line's cameras, each in a process of its own as in a run."""
    from rich.live import Live

    from radar_edge.clock import MonotonicClock
    from radar_edge.config import LineConfig, load_config, resolve_paths
    from radar_edge.preprocess import write_png
    from radar_edge.runtime.capture.supervisor import open_cameras
    from radar_edge.runtime.stopping import stop_on_signals
    from radar_edge.runtime.viewing import look

    config = resolve_paths(load_config(LineConfig, line), line.parent)
    clock, live = MonotonicClock(), console.is_terminal
    wanted = frames if frames is not None or live else FRAMES
    views: dict[str, View] = {}
    opened = open_cameras(config.cameras, clock)
    with stop_on_signals() as stop, opened, Live(console=console, auto_refresh=False, transient=True) as screen:
        for views in look(opened, config.cameras, wanted, PATIENCE_S, clock, stop.is_set):
            if live:
                screen.update(table(views), refresh=True)
    console.print(table(views))
    if save is not None:
        for name, view in views.items():
            if view.image is not None:
                write_png(save / f"{name}.png", view.image)
                say(f"written: {save / f'{name}.png'}")
    return views


def table(views: dict[str, View]) -> Table:
    from rich.table import Table

    made = Table(*COLUMNS, expand=False)
    for name, view in views.items():
        made.add_row(f"{name} ({view.camera.modality})", *cells(view), "; ".join(view.hints) or "well")
    return made


def cells(view: View) -> list[str]:
    numbers = view.numbers
    rate = "-" if view.rate_hz is None else f"{view.rate_hz:.1f} Hz"
    if numbers is None:
        return ["-", rate, str(view.dropped), *["-"] * 6]
    return [
        f"{numbers.width} x {numbers.height}, {numbers.channels} x {numbers.bit_depth} bit",
        rate,
        str(view.dropped),
        f"{numbers.focus:.4g}",
        f"{numbers.focus / view.best_focus:.0%}" if view.best_focus else "-",
        f"{numbers.p1:.0f} / {numbers.p50:.0f} / {numbers.p99:.0f}",
        f"{numbers.saturated:.2%}",
        f"{numbers.black:.2%}",
        f"{numbers.noise:.2f}",
    ]


def document(view: View) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "modality": view.camera.modality,
        "frames": view.frames,
        "dropped": view.dropped,
        "restarts": view.restarts,
        "rate_hz": view.rate_hz,
        "best_focus": view.best_focus,
        "numbers": None if view.numbers is None else asdict(view.numbers),
        "hints": view.hints,
    }


def complain(views: dict[str, View]) -> None:
    """Raises CameraError if a camera gave no picture."""
    from radar_edge.errors import CameraError

    silent = [name for name, view in views.items() if view.frames == 0]
    if silent:
        raise CameraError(
            f"no picture came from {', '.join(silent)}",
            next_step="is a line running that has it? `radar-edge cameras` without a line lists what is here",
        )
