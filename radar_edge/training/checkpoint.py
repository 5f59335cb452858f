"""A run folder: `run.json` says everything that the weights need; `weights.pt` holds the averaged weights.

    run.json      model shape, preprocessing, held-out parts, configuration, losses, where it ran
    weights.pt    state_dict of the exported (EMA) network
    state.pt      only while training is unfinished: everything that a resume needs

It does not know how training works, only what it left.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError

from radar_edge import files
from radar_edge.errors import RunError
from radar_edge.models.radar import Radar, RadarConfig
from radar_edge.preprocess import Preprocess

SCHEMA_VERSION = 3
DOCUMENT, WEIGHTS, STATE = "run.json", "weights.pt", "state.pt"
T = TypeVar("T")


@dataclass(frozen=True)
class TrainedRun:
    """A finished training: the network in evaluation mode on the CPU, and how to feed it."""

    folder: Path
    model: Radar
    preprocess: Preprocess
    held_out: tuple[str, ...]
    document: dict[str, Any]
    weights_sha256: str

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.model.modalities


def save_tensors(path: Path, tensors: dict[str, Any]) -> None:
    """torch.save, atomically."""
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    files.write_bytes(path, buffer.getvalue())


def load_tensors(path: Path, next_step: str = "train again") -> dict[str, Any]:
    """Raises RunError if the file is absent or damaged, or holds something else. Never unpickles code."""
    try:
        tensors: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file; each means the same to the user
        found = str(error)[:200] or type(error).__name__
        raise RunError(f"{path} cannot be read", found=found, next_step=next_step) from error
    if not isinstance(tensors, dict):
        raise RunError(f"{path} cannot be read", found=type(tensors).__name__, next_step=next_step)
    return tensors


def save_run(folder: Path, model: Radar, document: dict[str, Any]) -> None:
    """Weights first, run.json last: a folder with run.json is complete."""
    save_tensors(folder / WEIGHTS, model.state_dict())
    files.write_json(
        folder / DOCUMENT,
        {"schema_version": SCHEMA_VERSION, "weights_sha256": files.sha256_file(folder / WEIGHTS), **document},
    )
    (folder / STATE).unlink(missing_ok=True)


def in_order(by_name: Mapping[str, T], names: tuple[str, ...]) -> dict[str, T]:
    """In the model's order, which the file's objects do not keep. Raises KeyError unless these are the names."""
    if by_name.keys() != set(names):
        raise KeyError(f"modalities: {', '.join(by_name)} where {', '.join(names)} are wanted")
    return {name: by_name[name] for name in names}


def load_run(folder: Path) -> TrainedRun:
    """Open a finished run. Raises RunError that says what is missing, changed or unknown."""
    path = folder / DOCUMENT
    if not path.is_file():
        unfinished = (folder / STATE).is_file()
        raise RunError(
            f"{folder} holds no finished training",
            found="an unfinished training" if unfinished else "no run.json",
            wanted="a folder written by `radar-edge train`",
            next_step="finish it with `radar-edge train --resume`" if unfinished else "run `radar-edge train`",
        )
    try:
        document = json.loads(path.read_text())
        if not isinstance(document, dict):
            raise KeyError("it is no JSON object")
        version = document["schema_version"]
        if version != SCHEMA_VERSION:
            raise RunError(
                f"{path} has an unknown schema version", found=version, wanted=SCHEMA_VERSION, next_step="train again"
            )
        digest = files.sha256_file(folder / WEIGHTS)
        if digest != document["weights_sha256"]:
            raise RunError(f"{folder / WEIGHTS} is not the file that run.json names", next_step="train again")
        names = tuple(document["modalities"])
        shape = RadarConfig.model_validate(document["model"])
        model = Radar(shape.model_copy(update={"channels": in_order(shape.channels, names)}))
        preprocess = Preprocess.model_validate(document["preprocess"])
        preprocess = Preprocess(modalities=in_order(preprocess.modalities, names))
        held_out = tuple(document["held_out"])
    except (json.JSONDecodeError, KeyError, ValidationError, OSError) as error:
        raise RunError(f"{folder} is damaged", found=str(error)[:300], next_step="train again") from error
    model.load_state_dict(load_tensors(folder / WEIGHTS))
    return TrainedRun(folder, model.eval(), preprocess, held_out, document, digest)
