"""`radar-edge evaluate`: a trained run or a bundle on the test parts of an image folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.cli.thresholds import facts, promises
from radar_edge.errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    from radar_edge.data.layouts import Dataset
    from radar_edge.evaluation.evaluate import Progress
    from radar_edge.inference.runner import Runner
    from radar_edge.modality import Subset
    from radar_edge.preprocess import Preprocess
    from radar_edge.scoring import Calibration

TARGET_FRR = 0.05
"""Of the thresholds of a run; a bundle carries its own."""
BACKEND = "onnxruntime"
PRECISION = "fp32"


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)


def evaluate(
    source: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="Folder written by train or build-engines.")],
    data: Annotated[Path, typer.Option("--data", help="Image folder with test parts.")],
    report: Annotated[Path | None, typer.Option("--report", help="HTML page to write, with pictures.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write: metrics.json.")] = None,
    json: JsonOption = False,
) -> dict[str, Any]:
    """Measure every subset of modalities on the test parts, each with its 95 % interval over groups."""
    from radar_edge.data.layouts import index
    from radar_edge.evaluation.evaluate import judge
    from radar_edge.evaluation.measure import metrics_of
    from radar_edge.evaluation.pages import check_packages
    from radar_edge.evaluation.promise import frr_chance
    from radar_edge.evaluation.report import write_report
    from radar_edge.files import write_json

    check_kind(source)
    if report is not None:
        check_packages()
    dataset = index(data)
    with ExitStack() as stack:
        show = shower(stack.enter_context(progress_bar()))
        judges = open_judges(source, dataset, stack, show)
        judged = judge(judges.runners, dataset.select("test"), judges.preprocess, show)
        metrics = {**metrics_of(judged, judges.thresholds, show), "source": str(source), "data": str(data)}
    for subset, calibration in judges.calibrations.items():
        chance = frr_chance(calibration, judged[subset])
        metrics["subsets"][subset.slug] |= {**facts(calibration), "frr_chance": chance}
    metrics["target_frr"] = next(iter(judges.calibrations.values())).target_frr
    console.print(table(metrics))
    console.print(promises(metrics))
    if out is not None:
        write_json(out, metrics)
    if report is not None:
        write_report(report, metrics, judged)
    for written in (path for path in (out, report) if path is not None):
        say(f"written: {written}")
    if json:
        print_json(metrics)
    return metrics


@dataclass(frozen=True)
class Judges:
    """An engine and its thresholds for every Subset, and how to feed them."""

    runners: Mapping[Subset, Runner]
    calibrations: Mapping[Subset, Calibration]
    preprocess: Preprocess

    @property
    def thresholds(self) -> dict[Subset, float]:
        return {subset: calibration.threshold for subset, calibration in self.calibrations.items()}


def check_kind(source: Path) -> None:
    """Raises UsageError unless `source` is a run or a bundle."""
    if not any((source / name).is_file() for name in ("manifest.json", "run.json")):
        raise UsageError(
            f"{source} is neither a run nor a bundle",
            found="a folder without run.json and manifest.json" if source.is_dir() else "no such folder",
            wanted="a folder written by `radar-edge train` or `radar-edge build-engines`",
        )


def open_judges(source: Path, dataset: Dataset, stack: ExitStack, progress: Progress) -> Judges:
    """The engines of a run or bundle, closed with `stack`. Raises UsageError if `source` is neither.

    A bundle brings its thresholds. Those of a run are set on the good parts that its training held out, which
    `dataset` must hold; too few of them are a UsageError.
    """
    check_kind(source)
    if (source / "manifest.json").is_file():
        return judges_of_bundle(source, stack)
    return judges_of_run(source, dataset, stack, progress)


def judges_of_bundle(folder: Path, stack: ExitStack) -> Judges:
    from radar_edge.bundle import open_bundle
    from radar_edge.inference.runner import open_runner

    bundle = open_bundle(folder)
    engines = {subset: bundle.engine(subset, PRECISION) for subset in bundle.subsets}
    runners = {
        subset: stack.enter_context(open_runner(BACKEND, bundle.path(engine.file), subset, PRECISION))
        for subset, engine in engines.items()
    }
    calibrations = {subset: engine.calibration for subset, engine in engines.items()}
    return Judges(runners, calibrations, bundle.manifest.preprocess)


def judges_of_run(folder: Path, dataset: Dataset, stack: ExitStack, progress: Progress) -> Judges:
    try:
        import torch

        from radar_edge.training.checkpoint import load_run
        from radar_edge.training.torch_runner import TorchRunner
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "train", "evaluating a run") from error
    from radar_edge.evaluation.evaluate import judge
    from radar_edge.export.measure import held_out_parts
    from radar_edge.modality import all_subsets
    from radar_edge.scoring import calibrate

    # One part at a time gains little from a second thread, and on a busy machine loses up to a hundredfold.
    stack.callback(torch.set_num_threads, torch.get_num_threads())
    torch.set_num_threads(1)
    run = load_run(folder)
    runners = {s: stack.enter_context(TorchRunner(run.model, s)) for s in all_subsets(run.modalities)}
    held_out = held_out_parts(dataset.samples, run.held_out)
    goods = judge(runners, held_out, run.preprocess, progress, "judge held-out parts")
    calibrations = {
        subset: calibrate([p.score for p in parts], TARGET_FRR, [p.sample.group for p in parts])
        for subset, parts in goods.items()
    }
    return Judges(runners, calibrations, run.preprocess)


def table(metrics: Mapping[str, Any]) -> Table:
    shown = Table(caption="below each figure its 95 % interval over groups", caption_justify="left")
    shown.add_column("subset")
    for title in (
        "good",
        "defects",
        "AUROC\nvisible",
        "AUROC\nany",
        "AUPRO\n0.30",
        "FRR at\nthreshold",
        "escape at\nthreshold",
    ):
        shown.add_column(title, justify="right", no_wrap=True)
    for slug, m in metrics["subsets"].items():
        decimals = [cell(m, name, "{:.3f}", 1) for name in ("image_auroc", "image_auroc_any", "aupro_030")]
        shares = [cell(m, name, "{:.1f}", 100) for name in ("frr_at_threshold", "escape_at_threshold")]
        shown.add_row(slug, str(m["good"]), str(m["defects"]), *decimals, *shares, end_section=True)
    return shown


def cell(figures: Mapping[str, Any], name: str, form: str, factor: float) -> str:
    """The figure, and its interval on a second line."""
    value, interval = figures[name], figures[f"{name}_ci"]
    unit = " %" if factor == 100 else ""
    first = "-" if value is None else form.format(factor * value) + unit
    return first if interval is None else f"{first}\n{'–'.join(form.format(factor * end) for end in interval)}"
