"""Opens the engines of a run or a bundle, with what evaluate and compare need beside them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radar_edge.cli.output import say
from radar_edge.errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from radar_edge.data.layouts import Dataset
    from radar_edge.evaluation.evaluate import Judged, Progress
    from radar_edge.evaluation.full import Detector
    from radar_edge.inference.runner import Runner
    from radar_edge.modality import Subset

TARGET_FRR = 0.05
"""Of the thresholds of a run, unless the user or the number of held-out parts says otherwise; a bundle has its own."""
BACKEND = "onnxruntime"
PrecisionOption = Annotated[
    str | None,
    typer.Option("--precision", help="Which engines of a bundle: fp32, fp16 or int8. Default: fp32."),
]
UNTRAINED_SEED = 0


def check_kind(source: Path) -> None:
    """Raises UsageError unless `source` is a run or a bundle."""
    if not any((source / name).is_file() for name in ("manifest.json", "run.json")):
        if (source / "state.pt").is_file():
            raise UsageError(
                f"{source} holds an unfinished training", next_step="finish it with `radar-edge train --resume`"
            )
        raise UsageError(
            f"{source} is neither a run nor a bundle",
            found="a folder without run.json and manifest.json" if source.is_dir() else "no such folder",
            wanted="a folder written by `radar-edge train` or `radar-edge build-engines`",
        )


def open_judges(
    source: Path,
    dataset: Dataset,
    stack: ExitStack,
    progress: Progress,
    target_frr: float | None = None,
    precision: str | None = None,
) -> Detector:
    """The engines of a run or bundle, closed with `stack`. Raises UsageError if `source` is neither.

    A bundle brings its thresholds, and a `target_frr` for it is a UsageError. Those of a run are set on the good
    parts that its training held out, which `dataset` must hold; too few of them for `target_frr` are a UsageError.
    Without one the target is TARGET_FRR, or the least that so few parts can guarantee, which is then said. A run has no
    engines, and a `precision` for it is a UsageError.
    """
    check_kind(source)
    if not (source / "manifest.json").is_file():
        if precision is not None:
            raise UsageError(
                f"the run {source} has no engines, and so no precision {precision}",
                next_step="name its bundle, or leave out --precision",
            )
        return detector_of_run(source, dataset, stack, progress, target_frr)
    if target_frr is not None:
        raise UsageError(
            f"the bundle {source} has its own thresholds",
            found=f"a false-reject target of {target_frr:.2%} for it",
            next_step="set others with `radar-edge calibrate-threshold`, or evaluate its run",
        )
    return detector_of_bundle(source, dataset, stack, precision or "fp32")


def detector_of_bundle(folder: Path, dataset: Dataset, stack: ExitStack, precision: str) -> Detector:
    from radar_edge.bundle import open_bundle
    from radar_edge.evaluation.full import Detector
    from radar_edge.inference.runner import open_runner

    bundle = open_bundle(folder)
    engines = {subset: bundle.engine(subset, precision) for subset in bundle.subsets}
    runners = {
        subset: stack.enter_context(open_runner(BACKEND, bundle.path(engine.file), subset, precision))
        for subset, engine in engines.items()
    }
    return Detector(
        runners,
        {subset: engine.calibration for subset, engine in engines.items()},
        bundle.manifest.preprocess,
        untrained_runners(bundle.manifest.model.shape, list(runners), stack),
        dataset.select("validation", good=True),
    )


def detector_of_run(
    folder: Path, dataset: Dataset, stack: ExitStack, progress: Progress, target_frr: float | None
) -> Detector:
    try:
        from radar_edge.training.checkpoint import load_run
        from radar_edge.training.torch_runner import TorchRunner
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "train", "evaluating a run") from error
    from radar_edge.evaluation.evaluate import judge
    from radar_edge.evaluation.full import Detector
    from radar_edge.export.parts import held_out_parts
    from radar_edge.modality import all_subsets
    from radar_edge.scoring import calibrate

    run = load_run(folder)
    subsets = all_subsets(run.modalities)
    runners: Mapping[Subset, Runner] = {s: stack.enter_context(TorchRunner(run.model, s)) for s in subsets}
    one_thread(stack)
    held_out = held_out_parts(dataset.samples, run.held_out)
    goods = judge(runners, held_out, run.preprocess, progress, "judge held-out parts")
    target = default_target(goods) if target_frr is None else target_frr
    calibrations = {
        subset: calibrate([p.score for p in parts], target, [p.sample.group for p in parts])
        for subset, parts in goods.items()
    }
    untrained = untrained_runners(run.model.config.model_dump(), subsets, stack)
    return Detector(runners, calibrations, run.preprocess, untrained, held_out)


def default_target(held_out: Mapping[Subset, Sequence[Judged]]) -> float:
    from radar_edge.scoring import smallest_frr

    groups = min(len({part.sample.group for part in parts}) for parts in held_out.values())
    least = smallest_frr(groups)
    if least > TARGET_FRR and groups:
        say(f"{groups} independent held-out good parts cannot guarantee {TARGET_FRR:.0%}: the target is {least:.2%}")
        return least
    return TARGET_FRR


def untrained_runners(shape: object, subsets: Sequence[Subset], stack: ExitStack) -> Mapping[Subset, Runner] | None:
    """The network of this shape as it is before training; None without PyTorch, which a bundle does not need."""
    try:
        import torch

        from radar_edge.models.radar import Radar, RadarConfig
        from radar_edge.training.torch_runner import TorchRunner
    except ModuleNotFoundError:
        return None
    one_thread(stack)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        model = Radar(RadarConfig.model_validate(shape))
    return {subset: stack.enter_context(TorchRunner(model, subset)) for subset in subsets}


def one_thread(stack: ExitStack) -> None:
    """One part at a time gains little from a second thread, and on a busy machine loses up to a hundredfold."""
    import torch

    stack.callback(torch.set_num_threads, torch.get_num_threads())
    torch.set_num_threads(1)
