"""`radar-edge register LINE.yaml`: how one camera's picture lies on another's, into the line's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say

if TYPE_CHECKING:
    from radar_edge.config import LineConfig
    from radar_edge.records import Image


def register(app: typer.Typer) -> None:
    @app.command("register")
    def register_(
        line: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line whose file is written.")],
        reference: Annotated[str, typer.Option(help="The modality that keeps its pixels.")] = "rgb",
        moving: Annotated[str, typer.Option(help="The modality that is moved onto it.")] = "tir",
        data: Annotated[
            Path | None,
            typer.Option(help="Pairs from this folder: <modality>/<name>, or a data set. Default: the line's cameras."),
        ] = None,
        target: Annotated[
            str | None,
            typer.Option(help="chessboard:9x6 (inner corners) or circles:7x5. Default: the parts themselves."),
        ] = None,
        pairs: Annotated[int, typer.Option(min=1, help="Use so many pairs at most.")] = 60,
        every_ms: Annotated[float, typer.Option("--every-ms", min=20, help="From the line: from pair to pair.")] = 500,
        max_error_percent: Annotated[
            float, typer.Option("--max-error-percent", min=0.1, help="Refused above, of the view's longer side.")
        ] = 2.0,
        picture: Annotated[
            Path | None, typer.Option(help="Before and after. Default: registration-<moving>.png beside LINE.yaml.")
        ] = None,
        json: JsonOption = False,
    ) -> None:
        """Find how MOVING's camera lies on REFERENCE's, and write it into LINE.yaml.

        With a data set the same block goes into its dataset.yaml, for training. Exit code 2, and nothing written, where
        the mount is not known well enough. The picture is written in any case: look at it.
        """
        from dataclasses import asdict
        from datetime import datetime, timezone

        from radar_edge.config import LineConfig, load_config, resolve_paths
        from radar_edge.preprocess import write_png
        from radar_edge.registration.picture import before_and_after
        from radar_edge.registration.scene import register_scene
        from radar_edge.registration.store import check_estimate, entry_of, store
        from radar_edge.registration.target import Target, register_target

        board = None if target is None else Target.of(target)
        config = resolve_paths(load_config(LineConfig, line), line.parent)
        check_names(config, reference, moving)
        images = (
            folder_pairs(data, reference, moving, pairs)
            if data
            else line_pairs(config, reference, moving, pairs, every_ms)
        )
        say(f"{len(images)} pairs of {reference} and {moving}")
        estimate = register_scene(images, say) if board is None else register_target(images, board)
        view = images[0][0].shape[:2]
        out = picture or line.with_name(f"registration-{moving}.png")
        write_png(out, before_and_after(*images[0], estimate.homography))
        say(f"before and after: {out}")
        limit_px = max_error_percent / 100 * max(view)
        check_estimate(estimate, limit_px)
        entry = entry_of(estimate, reference, view)
        written = [line, *([data / "dataset.yaml"] if data is not None and (data / "train").is_dir() else [])]
        for path in written:
            store(path, moving, entry, estimate, datetime.now(timezone.utc).date())
            say(f"written: registration.{moving} in {path}")
        say(
            f"{estimate.model} from {estimate.points} points: left-out points within {estimate.residual_px:.2f} px, "
            f"corners known to {estimate.spread_px:.2f} px, limit {limit_px:.1f} px"
        )
        if json:
            said = {**asdict(estimate), "homography": list(entry.homography), "view": list(view), "limit_px": limit_px}
            print_json({**said, "picture": str(out), "written": [str(path) for path in written]})


def check_names(config: LineConfig, reference: str, moving: str) -> None:
    from radar_edge.errors import UsageError

    known = [camera.modality for camera in config.cameras]
    if reference == moving or reference not in known or moving not in known or reference in config.registration:
        raise UsageError(
            "these two modalities cannot be registered",
            found=f"reference {reference}, moving {moving}",
            wanted=f"two of {', '.join(known)}, and a reference that is not registered itself",
        )


def folder_pairs(data: Path, reference: str, moving: str, most: int) -> list[tuple[Image, Image]]:
    from radar_edge.data.pairs import read_pairs

    return read_pairs(data, reference, moving, most)


def line_pairs(
    config: LineConfig, reference: str, moving: str, count: int, every_ms: float
) -> list[tuple[Image, Image]]:
    """From the line's own cameras, each in its process."""
    from radar_edge.clock import MonotonicClock
    from radar_edge.runtime.capture.supervisor import open_cameras
    from radar_edge.runtime.recording import Kept, record, timing_of
    from radar_edge.runtime.stopping import stop_on_signals

    clock, kept = MonotonicClock(), Kept()
    cameras = tuple(camera for camera in config.cameras if camera.modality in (reference, moving))
    timing = timing_of(every_ms, config.pair_wait_ms, config.max_skew_ms)
    with stop_on_signals() as stop, open_cameras(cameras, clock) as opened:
        say(f"taking {count} pairs; Ctrl-C ends it with those that are there")
        record(opened, (reference, moving), kept, count, timing, clock, stopping=stop.is_set)
    return [(images[reference], images[moving]) for images in kept.images]
