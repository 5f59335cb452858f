"""The progress bar of commands whose work has stages: one bar a stage, with the time left. Knows no command."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from radar_edge.cli.output import console


def progress_bar() -> Progress:
    """On stderr; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def shower(bar: Progress) -> Callable[[str, int, int], None]:
    """Takes a stage's name, steps done, and steps in all."""
    tasks: dict[str, TaskID] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage)
        bar.update(tasks[stage], completed=done, total=total)

    return show
