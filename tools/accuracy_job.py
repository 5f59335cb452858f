"""What a job of tools/accuracy.py is, where its files are, and the head of its document. Trains and judges nothing."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from radar_edge.errors import RunError
from radar_edge.training import train as training

SCHEMA_VERSION = 2
"""Of the documents. One of another version is made again; what was trained for it is not."""


@dataclass(frozen=True)
class Job:
    """One set, configuration and training, and where its files are."""

    set: str
    configuration: str
    config: training.TrainConfig
    work: Path
    out: Path
    equalised_to: int | None = None
    """Grey level of every image's background, where the set is a copy that was scaled to it."""

    @property
    def suffix(self) -> str:
        return "" if self.config.preset == "quick" else f"-{self.config.preset}"

    @property
    def document(self) -> Path:
        return self.out / f"{self.set}-{self.configuration}{self.suffix}-{self.config.seed}.json"

    @property
    def over_seeds(self) -> Path:
        return self.out / f"{self.set}{self.suffix}-seeds.json"

    def run(self, configuration: str) -> Path:
        """Presets have folders of their own: work/SET-SEED/CONFIGURATION, and work/full/SET-SEED/CONFIGURATION."""
        base = self.work if self.config.preset == "quick" else self.work / self.config.preset
        return base / f"{self.set}-{self.config.seed}" / configuration

    @property
    def scores(self) -> Path:
        return self.run(f"{self.configuration}.scores.json")

    @property
    def is_done(self) -> bool:
        """A trial of fewer steps is not the preset's. A document that says no texture_weight has the default one."""
        if not self.document.is_file():
            return False
        wanted = self.config.model_dump(include={"steps", "size_px", "texture_weight"})
        said = {"texture_weight": training.TrainConfig().texture_weight, **read(self.document)}
        return {"schema_version": SCHEMA_VERSION, **wanted}.items() <= said.items()


def read(path: Path) -> dict[str, Any]:
    """Raises RunError for what this tool did not write whole."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        document = str(error)
    if not isinstance(document, dict):
        raise RunError(f"{path} is no document of this tool", found=str(document)[:100], next_step="remove it")
    return document


def head(job: Job) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "set": job.set,
        "equalised_to": job.equalised_to,
        "configuration": job.configuration,
        "preset": job.config.preset,
        "seed": job.config.seed,
        "steps": job.config.steps,
        "size_px": job.config.size_px,
        "texture_weight": job.config.texture_weight,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
    }


def documents_of(job: Job) -> list[dict[str, Any]]:
    """Of the same set and preset, in the form of today."""
    read_all = (read(path) for path in sorted(job.out.glob(f"{job.set}-*.json")))
    of_trainings = (one for one in read_all if one.get("schema_version") == SCHEMA_VERSION and "kind" not in one)
    return [one for one in of_trainings if (one["set"], one["preset"]) == (job.set, job.config.preset)]


def with_seed(config: training.TrainConfig, seed: int) -> training.TrainConfig:
    return config.model_copy(update={"seed": seed})
