"""Training from scratch on good parts, in two stages, resumable. Knows no defect and shows nothing by itself.

Stage 1 (MAA) restores corrupted images and lets modalities rebuild each other's features. Stage 2 (MRF) adds the
fusion and the map: every step judges all Subsets of the modalities (the zero-variance form of modality dropout),
each asked only for the anomalies that its own modalities show.

Batches and random numbers are functions of (seed, step), so a resumed training repeats the killed one exactly.
Several processes share each step (`distributed`); on CUDA the network computes in half precision (`precision`).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from radar_edge import __version__, files
from radar_edge.config import Config
from radar_edge.data.dataset import fit_preprocess, hold_out, load_inputs
from radar_edge.data.layouts import Dataset, Sample
from radar_edge.errors import DatasetError, MachineError, RunError, UsageError
from radar_edge.models.radar import Radar, RadarConfig
from radar_edge.preprocess import Preprocess
from radar_edge.training import batch_norm, distributed, precision
from radar_edge.training.checkpoint import DOCUMENT, SCHEMA_VERSION, STATE, load_tensors, save_run, save_tensors
from radar_edge.training.replace import Replacement, settle
from radar_edge.training.step import Data, step_losses

SAVE_EVERY_S = 20.0
LEAST_SIZE_PX, SIZE_STEP_PX = 32, 16


class TrainConfig(Config):
    """One recipe for every data set."""

    preset: Literal["quick", "full"] = "quick"
    size_px: int = Field(
        default=128, ge=LEAST_SIZE_PX, multiple_of=SIZE_STEP_PX, description="side of the network's square inputs"
    )
    features: int = Field(default=32, ge=8, multiple_of=8, description="channels of the fine features")
    shared: int = Field(default=64, ge=8, description="dimension of the shared space")
    batch_size: int = Field(default=16, ge=2, description="parts a step; train/good must hold as many")
    steps: int = Field(default=900, ge=2, description="of both stages together")
    stage_1_share: float = Field(default=0.2, gt=0, lt=1, description="of the steps")
    learning_rate: float = Field(default=2e-3, gt=0, description="of AdamW, after the warm-up; a cosine to a hundredth")
    weight_decay: float = Field(default=1e-4, ge=0)
    warm_up_steps: int = Field(default=30, ge=0)
    texture_weight: float = Field(default=1.0, ge=0, description="of the texture's distance beside the learned logits")
    usual_rate: float = Field(default=0.04, gt=0, le=1, description="how fast the statistics of good features follow")
    ema_decay: float = Field(default=0.98, ge=0, lt=1, description="of the averaged weights, which are what is kept")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="the same seed and data give the same run")


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"size_px": 128},
    "full": {
        "preset": "full",
        "size_px": 256,
        "steps": 2500,
        "batch_size": 8,
        "warm_up_steps": 100,
        "ema_decay": 0.995,
        "texture_weight": 0.75,
    },
}


def preset_for(name: str, dataset: Dataset) -> dict[str, Any]:
    """What the preset says for these images: the network's side is that of the largest, if the preset's is larger.

    Of each modality the few images count that `index` looked at. An image made larger has no more to see in it, takes
    longer, and shows the texture's filters less than they were made for (docs/experiments.md).
    """
    largest = max(max(spec.height, spec.width) for spec in dataset.specs.values())
    whole = max(LEAST_SIZE_PX, -(-largest // SIZE_STEP_PX) * SIZE_STEP_PX)
    return {**PRESETS[name], "size_px": min(PRESETS[name]["size_px"], whole)}


@dataclass(frozen=True)
class Progress:
    """One step of a training, for whoever shows it."""

    step: int
    steps: int
    stage: int
    losses: Mapping[str, float]


@dataclass
class State:
    """Everything that changes while training."""

    model: Radar
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int
    history: list[dict[str, float]]


def train(
    dataset: Dataset,
    folder: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    device: str = "cpu",
    report: Callable[[Progress], None] = lambda _: None,
    replacement: Replacement | None = None,
) -> None:
    """Train on `dataset`'s train/good and write a run folder; with a `replacement` the new modality alone.

    Within `distributed.joined` every process calls this, and the first alone writes and reports.
    Raises UsageError if the folder is taken or the processes cannot share a batch, RunError if a resume does not
    fit, MachineError without CUDA where it is asked for.
    """
    check_device(device)
    distributed.check_batch(config.batch_size)
    check_folder(folder, resume)
    fit, held_out = hold_out(dataset, seed=config.seed)
    preprocess = replacement.preprocess(dataset, config) if replacement else fit_preprocess(dataset, config.size_px)
    document = {
        "radar_edge": __version__,
        "config": config.model_dump(mode="json"),
        "model": model_config(config, preprocess).model_dump(mode="json"),
        "preprocess": preprocess.model_dump(mode="json"),
        "modalities": list(dataset.modalities),
        "held_out": [sample.key for sample in held_out],
        "data_sha256": data_digest(fit, held_out),
        **(replacement.document() if replacement else {}),
    }
    fingerprint = files.sha256_json({**document, "schema_version": SCHEMA_VERSION})
    data = load_data(fit, preprocess, dataset.modalities, config)
    check_held_out(fit, held_out)
    state = start(config, RadarConfig.model_validate(document["model"]), data, device, replacement)
    if resume:
        load_state(folder, state, fingerprint)
    began = time.monotonic()
    run_steps(state, data, config, device, report, lambda: save_state(folder, state, fingerprint))
    if not distributed.is_first():
        return
    averaged: Radar = state.average.module.to("cpu")  # type: ignore[assignment]
    if replacement:
        replacement.keep(averaged)
    save_run(
        folder,
        averaged,
        {
            **document,
            "losses": state.history,
            "seconds": round(time.monotonic() - began, 1),
            "machine": machine(device),
        },
    )


def machine(device: str) -> dict[str, Any]:
    """Where the training ran, and how."""
    return {
        "device": device,
        "precision": precision.name(device),
        "processes": distributed.count(),
        "torch": torch.__version__,
        "platform": platform.platform(),
    }


def check_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise MachineError(
            "training on CUDA was asked for, and PyTorch finds no CUDA device",
            found=f"torch {torch.__version__}",
            next_step="install a CUDA build of torch, or say --device cpu",
        )


def check_folder(folder: Path, resume: bool) -> None:
    if taken := next((place for place in (folder, *folder.parents) if place.exists() and not place.is_dir()), None):
        raise UsageError(
            f"{folder} cannot hold a training", found=f"{taken} is a file", next_step="name a folder with --out"
        )
    if (folder / DOCUMENT).exists():
        raise UsageError(f"{folder} holds a finished training", next_step="name another folder, or remove it")
    unfinished = (folder / STATE).exists()
    if unfinished and not resume:
        raise UsageError(f"{folder} holds an unfinished training", next_step="add --resume, or name another folder")
    if resume and not unfinished:
        raise UsageError(f"{folder} holds no unfinished training", next_step="leave out --resume")


def check_held_out(fit: tuple[Sample, ...], held_out: tuple[Sample, ...]) -> None:
    """Raises DatasetError before the training if no engine of it could ever get a threshold."""
    if not held_out:
        groups = len({sample.group for sample in fit})
        raise DatasetError(
            "no good part can be held out for thresholds: the groups of train/good are too few to share",
            found=f"{len(fit)} good parts in {groups} group(s)",
            wanted="at least 3 groups, or good parts in validation/good",
            next_step="add good parts to validation/good",
        )


def model_config(config: TrainConfig, preprocess: Preprocess) -> RadarConfig:
    return RadarConfig(
        channels={name: spec.input_channels for name, spec in preprocess.modalities.items()},
        height=config.size_px,
        width=config.size_px,
        features=config.features,
        shared=config.shared,
        texture_weight=config.texture_weight,
    )


def data_digest(fit: tuple[Sample, ...], held_out: tuple[Sample, ...]) -> str:
    """Digest of every good part's name and content."""
    digests = {s.key: {m: files.sha256_file(p) for m, p in s.paths.items()} for s in (*fit, *held_out)}
    return files.sha256_json(digests)


def load_data(
    fit: tuple[Sample, ...], preprocess: Preprocess, modalities: tuple[str, ...], config: TrainConfig
) -> Data:
    if len(fit) < config.batch_size:
        raise DatasetError(
            "too few good parts to train on", found=len(fit), wanted=f"at least {config.batch_size} in train/good"
        )
    arrays, presence = load_inputs(fit, preprocess)
    if lacking := [name for i, name in enumerate(arrays) if not presence[:, i].any()]:
        raise DatasetError(
            f"no good part that is trained on has {' or '.join(lacking)}",
            found=f"{len(fit)} parts in train/good beside those held out",
            wanted="some with each modality",
            next_step="add parts, or give the held-out ones in validation/good",
        )
    return Data({name: arrays[name] for name in modalities}, torch.from_numpy(np.asarray(presence, np.float32)))


def start(
    config: TrainConfig, shape: RadarConfig, data: Data, device: str, replacement: Replacement | None = None
) -> State:
    torch.manual_seed(config.seed)
    model = Radar(shape)
    for i, name in enumerate(model.modalities):
        good = data.inputs[name][data.presence[:, i].numpy() > 0]
        model.texture[name].learn(torch.from_numpy(good))  # type: ignore[operator]
    if replacement:
        replacement.inherit(model)
    batch_norm.share(model)
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = get_ema_multi_avg_fn(config.ema_decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(model, multi_avg_fn=ema, use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return State(model, average, optimizer, precision.gradient_scaler(device), 0, [])


def run_steps(
    state: State,
    data: Data,
    config: TrainConfig,
    device: str,
    report: Callable[[Progress], None],
    save: Callable[[], None],
) -> None:
    state.model.train()
    settle(state.model)
    saved = time.monotonic()
    while state.step < config.steps:
        stage = 1 if state.step < config.stage_1_share * config.steps else 2
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(config, state.step)
        terms = step_losses(state.model, data, config, state.step, stage, device)
        total = torch.stack(list(terms.values())).sum()
        if not bool(torch.isfinite(total)):
            raise RunError(f"the loss is not finite at step {state.step}", next_step="try a lower learning_rate")
        state.optimizer.zero_grad()
        state.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        distributed.combine(state.model)
        state.scaler.unscale_(state.optimizer)
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.average.update_parameters(state.model)
        state.step += 1
        values = {name: float(value.detach()) for name, value in terms.items()}
        if state.step % 20 == 0 or state.step == config.steps:
            state.history.append({"step": state.step, **{name: round(v, 5) for name, v in values.items()}})
        if not distributed.is_first():
            continue
        report(Progress(state.step, config.steps, stage, values))
        if time.monotonic() - saved > SAVE_EVERY_S:
            save()
            saved = time.monotonic()


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < config.warm_up_steps:
        return config.learning_rate * (step + 1) / config.warm_up_steps
    share = (step - config.warm_up_steps) / max(config.steps - config.warm_up_steps, 1)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * share))))


def save_state(folder: Path, state: State, fingerprint: str) -> None:
    save_tensors(
        folder / STATE,
        {
            "fingerprint": fingerprint,
            "step": state.step,
            "history": state.history,
            "model": state.model.state_dict(),
            "average": state.average.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "scaler": state.scaler.state_dict(),
        },
    )


def load_state(folder: Path, state: State, fingerprint: str) -> None:
    saved = load_tensors(folder / STATE, next_step=f"remove {folder}, and train again without --resume")
    if saved.get("fingerprint") != fingerprint:
        raise RunError(
            f"{folder} was begun with other data or another configuration",
            next_step="resume with the same --data, --preset, --config, --seed and --from, or start in another folder",
        )
    state.model.load_state_dict(saved["model"])
    state.average.load_state_dict(saved["average"])
    state.optimizer.load_state_dict(saved["optimizer"])
    # Absent or empty where nothing was scaled: another device may go on with a state.
    if saved.get("scaler"):
        state.scaler.load_state_dict(saved["scaler"])
    state.step, state.history = saved["step"], saved["history"]
