"""`radar-edge train`: good parts in, a run folder out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    from radar_edge.training.replace import Replacement
    from radar_edge.training.train import Progress as StepProgress
    from radar_edge.training.train import TrainConfig


def register(app: typer.Typer) -> None:
    app.command("train")(train)


def train(
    data: Annotated[Path, typer.Option("--data", help="Image folder with train/good.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write.")],
    preset: Annotated[Literal["quick", "full"], typer.Option(help="quick: minutes; full: up to an hour.")] = "quick",
    config: Annotated[Path | None, typer.Option(help="YAML that overrides the preset.")] = None,
    seed: Annotated[int | None, typer.Option(help="Overrides the configuration's seed.")] = None,
    device: Annotated[
        Literal["cpu", "cuda"],
        typer.Option(help="cuda: mixed precision; compiled and checked, not run on hardware. Never changed silently."),
    ] = "cpu",
    origin: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Run to keep all of but one modality; see --replace.")
    ] = None,
    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--replace", metavar="OLD=NEW", help="The modality of --from that NEW of --data takes the place of."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a training that was stopped.")] = False,
    json: JsonOption = False,
) -> None:
    """Train RADAR from scratch on good parts, or one new modality of a trained one.

    On several processes: `torchrun -m radar_edge train`.
    """
    try:
        from radar_edge.training import distributed
        from radar_edge.training import train as training
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "train", "training") from error
    from radar_edge.data.layouts import index

    with distributed.joined(device):
        replacement = read_replacement(origin, replace)
        dataset = index(data)
        fitting = training.preset_for(preset, dataset)
        settings = read_settings(fitting, config, seed)
        if not distributed.is_first():
            training.train(dataset, out, settings, resume=resume, device=device, replacement=replacement)
            return
        learning = dataset.modalities if replacement is None else [replacement.new]
        say(f"training on {', '.join(learning)} of {data}: {settings.steps} steps at {settings.size_px} px")
        if settings.size_px == fitting["size_px"] < training.PRESETS[preset]["size_px"]:
            say(
                f"not the preset's {training.PRESETS[preset]['size_px']} px: the images that were looked at are smaller"
            )
        say_how(device, settings)
        with progress_bar() as bar:
            training.train(
                dataset, out, settings, resume=resume, device=device, report=shower(bar), replacement=replacement
            )
        say(f"run written to {out}")
        if json:
            print_json({"run": str(out), "steps": settings.steps})


def say_how(device: str, settings: TrainConfig) -> None:
    """What differs from one process on the CPU. Raises what `train` raises for the device and the batch."""
    from radar_edge.training import distributed, precision
    from radar_edge.training.train import check_device

    check_device(device)
    distributed.check_batch(settings.batch_size)
    processes = distributed.count()
    if processes > 1:
        say(f"{processes} processes share each batch: {settings.batch_size // processes} parts each")
    if device == "cuda":
        say(f"the network computes in {precision.name(device)}: compiled and checked on the CPU, not run on hardware")


def read_settings(preset: Mapping[str, Any], config: Path | None, seed: int | None) -> TrainConfig:
    """The preset's values, overridden by the file, overridden by --seed. Raises ConfigError."""
    from radar_edge.config import load_config, validate
    from radar_edge.training.train import TrainConfig

    given = load_config(TrainConfig, config).model_dump(exclude_unset=True) if config else {}
    seeds = {} if seed is None else {"seed": seed}
    return validate(TrainConfig, {**preset, **given, **seeds}, str(config or "the command"))


def read_replacement(origin: Path | None, replace: list[str] | None) -> Replacement | None:
    """Raises UsageError for one of --from and --replace without the other, or what cannot be replaced."""
    from radar_edge.training.replace import open_replacement

    if origin is None and not replace:
        return None
    if origin is None or not replace:
        raise UsageError(
            "--from and --replace go together",
            found="--replace alone" if origin is None else "--from alone",
            next_step="say both, or leave both out to train from scratch",
        )
    return open_replacement(origin, replace)


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
        console=console,
        disable=not console.is_terminal,
    )


def shower(bar: Progress) -> Callable[[StepProgress], None]:
    """Shows each step on the bar; a line every 100 steps where there is no terminal."""
    task = bar.add_task("training", total=None, losses="")

    def show(step: StepProgress) -> None:
        text = " ".join(f"{name} {value:.3f}" for name, value in step.losses.items())
        bar.update(task, description=f"stage {step.stage}", completed=step.step, total=step.steps, losses=text)
        if not console.is_terminal and (step.step % 100 == 0 or step.step == step.steps):
            say(f"stage {step.stage} step {step.step}/{step.steps} {text}")

    return show
