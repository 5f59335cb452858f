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
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from radar_edge import __version__, files
from radar_edge.config import Config
from radar_edge.data.dataset import fit_preprocess, hold_out, load_inputs
from radar_edge.data.layouts import Dataset, Sample
from radar_edge.errors import DatasetError, MachineError, RunError, UsageError
from radar_edge.modality import Subset, all_subsets
from radar_edge.models.radar import Encoded, Radar, RadarConfig
from radar_edge.preprocess import Preprocess
from radar_edge.training import batch_norm, distributed, losses, precision
from radar_edge.training.anomalies import corrupt, fade, nuisance
from radar_edge.training.checkpoint import DOCUMENT, SCHEMA_VERSION, STATE, load_tensors, save_run, save_tensors
from radar_edge.training.replace import Replacement, settle

SAVE_EVERY_S = 20.0
DISTILLATION = 0.5
"""Weight of what the set of all modalities teaches the others; they teach it nothing."""


class TrainConfig(Config):
    """One recipe for every data set."""

    preset: Literal["quick", "full"] = "quick"
    size_px: int = Field(default=128, ge=32, multiple_of=16, description="side of the network's square inputs")
    features: int = Field(default=32, ge=8, multiple_of=8, description="channels of the fine features")
    shared: int = Field(default=64, ge=8, description="dimension of the shared space")
    batch_size: int = Field(default=16, ge=2, description="parts a step; train/good must hold as many")
    steps: int = Field(default=900, ge=2, description="of both stages together")
    stage_1_share: float = Field(default=0.2, gt=0, lt=1, description="of the steps")
    learning_rate: float = Field(default=2e-3, gt=0, description="of AdamW, after the warm-up; a cosine to a hundredth")
    weight_decay: float = Field(default=1e-4, ge=0)
    warm_up_steps: int = Field(default=30, ge=0)
    usual_rate: float = Field(default=0.04, gt=0, le=1, description="how fast the statistics of good features follow")
    ema_decay: float = Field(default=0.98, ge=0, lt=1, description="of the averaged weights, which are what is kept")
    seed: int = Field(default=0, ge=0, description="the same seed and data give the same run")


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {},
    "full": {
        "preset": "full",
        "size_px": 256,
        "steps": 2500,
        "batch_size": 8,
        "warm_up_steps": 100,
        "ema_decay": 0.995,
    },
}


@dataclass(frozen=True)
class Progress:
    """One step of a training, for whoever shows it."""

    step: int
    steps: int
    stage: int
    losses: Mapping[str, float]


@dataclass
class Data:
    """The good parts that are fitted, as tensors in memory."""

    inputs: dict[str, npt.NDArray[np.float32]]
    """`[N, C, H, W]` a modality."""
    presence: Tensor
    """`[N, M]`, 1 where the part has the modality."""


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
    if (folder / DOCUMENT).exists():
        raise UsageError(f"{folder} holds a finished training", next_step="name another folder, or remove it")
    unfinished = (folder / STATE).exists()
    if unfinished and not resume:
        raise UsageError(f"{folder} holds an unfinished training", next_step="add --resume, or name another folder")
    if resume and not unfinished:
        raise UsageError(f"{folder} holds no unfinished training", next_step="leave out --resume")


def model_config(config: TrainConfig, preprocess: Preprocess) -> RadarConfig:
    return RadarConfig(
        channels={name: spec.input_channels for name, spec in preprocess.modalities.items()},
        height=config.size_px,
        width=config.size_px,
        features=config.features,
        shared=config.shared,
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


def step_losses(model: Radar, data: Data, config: TrainConfig, step: int, stage: int, device: str) -> dict[str, Tensor]:
    """The weighted loss terms of one step."""
    rng = np.random.default_rng((config.seed, step))
    picked = batch_indices(len(data.presence), config, step)
    presence = data.presence[picked]
    good = {name: nuisance(batch[picked.numpy()], rng) for name, batch in data.inputs.items()}
    changed, marked = corrupt(good, rng)
    useful = torch.from_numpy(fade(changed, marked, presence.numpy() > 0, rng))
    present = {name: useful[:, i].to(device) for i, name in enumerate(model.modalities)}
    clean = {name: torch.from_numpy(batch).to(device) for name, batch in good.items()}
    masks = {name: torch.from_numpy(mask).to(device) & present[name][:, None, None] for name, mask in marked.items()}
    inputs = {name: distributed.own(torch.from_numpy(batch)) for name, batch in changed.items()}
    with precision.autocast(device):
        encoded = model.encode(
            {name: x.to(device, memory_format=torch.channels_last) for name, x in inputs.items()},
            distributed.own(presence) > 0,
        )
        rebuilt = model.rebuilt(encoded)
    seen = all_slices(encoded)
    learn_usual(model, seen, masks, present, config)
    guesses = {pair: distributed.whole(guess.float()) for pair, guess in rebuilt.items()}
    weight = 1.0 if stage == 1 else 0.5
    terms = {
        "restoration": weight * losses.restoration(seen, clean, present),
        "alignment": weight * losses.alignment(seen, guesses, masks, present),
        "spread": 0.1 * losses.spread(seen, present),
    }
    if stage == 2:
        terms |= judge_all_subsets(model, encoded, rebuilt, masks, presence.to(device), useful.to(device))
    return terms


def all_slices(encoded: Encoded) -> Encoded:
    """What the losses and the statistics read, of the whole batch and in float32; the rest as it is."""
    features = {
        name: f._replace(
            fine=distributed.whole(f.fine.detach().float()), restored=distributed.whole(f.restored.float())
        )
        for name, f in encoded.features.items()
    }
    shared = {name: distributed.whole(z.float()) for name, z in encoded.shared.items()}
    return encoded._replace(features=features, shared=shared)


def learn_usual(
    model: Radar,
    encoded: Encoded,
    masks: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    config: TrainConfig,
) -> None:
    """Keep each modality's statistics of good features up to date; changed places and absent images do not count."""
    for name in model.modalities:
        if not model.encoders[name].training:
            continue  # frozen
        fine = encoded.features[name].fine.detach()
        good = (1 - losses.covered(masks[name], fine)) * present[name].to(fine.device).reshape(-1, 1, 1, 1)
        model.encoders[name].usual.learn(fine, good, config.usual_rate)  # type: ignore[union-attr,operator]


def judge_all_subsets(
    model: Radar,
    encoded: Encoded,
    rebuilt: Mapping[tuple[str, str], Tensor],
    masks: Mapping[str, Tensor],
    presence: Tensor,
    useful: Tensor,
) -> dict[str, Tensor]:
    """Segmentation loss of every Subset on the parts of which one of its modalities carries something.

    `presence` `[N, M]` is what the fusion is told; `useful` `[N, M]` lacks what is there and faded.
    These and `masks` are of the whole batch, `encoded` and `rebuilt` of this process's slice.
    """
    per_modality = torch.stack([masks[name] for name in model.modalities], 1)
    terms: dict[str, Tensor] = {}
    everything = Subset(model.modalities)
    teacher: Tensor | None = None
    # The set of all modalities goes first: the others learn from what it says.
    for subset in sorted(all_subsets(model.modalities), key=len, reverse=True):
        members = torch.tensor(subset.mask(model.modalities), device=presence.device)
        judged = (useful & members).any(1)
        if not bool(judged.any()):
            continue
        mask = torch.where(judged[:, None], presence * members, members.float())
        with precision.autocast(mask.device.type):
            logit, alpha = model.fuse(encoded, rebuilt, distributed.own(mask))
        logit, alpha = distributed.whole(logit.float()), distributed.whole(alpha.float())
        visible = (per_modality & members[None, :, None, None]).any(1)
        terms[f"map_{subset.slug}"] = losses.segmentation(logit[judged], visible[judged])
        if teacher is not None:
            hidden = (per_modality & ~members[None, :, None, None]).any(1) & ~visible
            terms[f"distillation_{subset.slug}"] = DISTILLATION * losses.distillation(
                logit[judged], teacher[judged], ~hidden[judged]
            )
        elif subset == everything:
            teacher = logit.detach()
            if len(subset) > 1:
                terms["attention"] = 0.1 * losses.attention_hint(alpha, per_modality)
    return terms


def batch_indices(count: int, config: TrainConfig, step: int) -> Tensor:
    """Every part once an epoch, in an order that depends on seed and epoch alone."""
    per_epoch = count // config.batch_size
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(config.seed * 7_919 + epoch))
    return order[place * config.batch_size : (place + 1) * config.batch_size]


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
    saved = load_tensors(folder / STATE)
    if saved["fingerprint"] != fingerprint:
        raise RunError(
            f"{folder} was begun with other data or another configuration",
            next_step="resume with the same --data, --config, --seed and --from, or start in another folder",
        )
    state.model.load_state_dict(saved["model"])
    state.average.load_state_dict(saved["average"])
    state.optimizer.load_state_dict(saved["optimizer"])
    # Absent or empty where nothing was scaled: another device may go on with a state.
    if saved.get("scaler"):
        state.scaler.load_state_dict(saved["scaler"])
    state.step, state.history = saved["step"], saved["history"]
