"""`radar-edge synth`: the embedded default data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say
from radar_edge.cli.progress import progress_bar, shower


def register(app: typer.Typer) -> None:
    app.command("synth")(synth)


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    parts: Annotated[int, typer.Option(help="Pairs of images, all splits together.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    size: Annotated[int, typer.Option(help="Side of the RGB images in px; thermal ones have half of it.")] = 256,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    json: JsonOption = False,
) -> None:
    """Draw a data set of RGB and thermal parts."""
    from radar_edge.data.synthetic.generate import generate

    with progress_bar() as bar:
        show = shower(bar)
        jobs = generate(
            out,
            parts=parts,
            seed=seed,
            size_px=size,
            replace=force,
            progress=lambda done, total: show("parts", done, total),
        )
    counts = Counter(f"{job.split}/{job.cls}" for job in jobs)
    say(f"{len(jobs)} pairs in {out}: " + ", ".join(f"{counts[name]} {name}" for name in sorted(counts)))
    if json:
        print_json({"out": str(out), "parts": len(jobs), "seed": seed, "size_px": size, "counts": dict(counts)})
