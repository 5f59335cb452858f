"""`radar-edge record LINE.yaml`: training images from the line's own cameras, so that a user can start from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say


def register(app: typer.Typer) -> None:
    @app.command("record")
    def record(
        line: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line whose cameras are used.")],
        out: Annotated[Path, typer.Option("--out", help="Image folder to write, or to go on with.")],
        lot: Annotated[str, typer.Option("--lot", help="The batch that these parts are of.")],
        count: Annotated[int, typer.Option(min=1, help="Parts to record.")] = 300,
        every_ms: Annotated[float, typer.Option("--every-ms", min=20, help="From part to part.")] = 1000,
        split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
        cls: Annotated[str, typer.Option("--class", help="good, or the name of a defect.")] = "good",
        json: JsonOption = False,
    ) -> None:
        """Record training images from a line's cameras.

        Parts are paired as on the line, with lot and time in samples.csv; the line's registration goes into
        dataset.yaml. Ctrl-C ends it. The line's bundle, PLC and
        journal are not opened.
        """
        from radar_edge.clock import MonotonicClock
        from radar_edge.config import LineConfig, load_config, resolve_paths
        from radar_edge.errors import UsageError
        from radar_edge.registration.store import carry
        from radar_edge.runtime.capture.supervisor import open_cameras
        from radar_edge.runtime.recording import Folder, Target, timing_of
        from radar_edge.runtime.recording import record as record_parts
        from radar_edge.runtime.stopping import stop_on_signals

        if split not in ("train", "validation", "test"):
            raise UsageError("unknown split", found=split, wanted="train, validation or test")
        config = resolve_paths(load_config(LineConfig, line), line.parent)
        modalities = tuple(camera.modality for camera in config.cameras)
        folder, clock = Folder(Target(out, split, cls, lot)), MonotonicClock()
        carry(config.registration, out / "dataset.yaml")
        timing = timing_of(every_ms, config.pair_wait_ms, config.max_skew_ms)
        with stop_on_signals() as stop, open_cameras(config.cameras, clock) as cameras:
            say(f"recording {split}/{cls} of {', '.join(modalities)} into {out}; Ctrl-C ends it")
            written, missed = record_parts(
                cameras,
                modalities,
                folder,
                count,
                timing,
                clock,
                lambda done, lost, name: say(f"{done}/{count} {name}{f' ({lost} missed)' if lost else ''}"),
                stop.is_set,
            )
        say(f"{written} parts recorded, {missed} missed; next: radar-edge dataset check {out}")
        if json:
            print_json({"out": str(out), "written": written, "missed": missed})
