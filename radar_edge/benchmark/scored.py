"""What a detector said of parts, and what that cost: in memory, and in a file of the work folder. Knows no detector.

A file's name carries the digest of all that its content depends on, so that one that is there is never made again.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge import files
from radar_edge.config import Config, validate
from radar_edge.data.layouts import Dataset, Sample
from radar_edge.errors import RadarEdgeError, RunError
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.modality import Subset

Floats = npt.NDArray[np.float32]
SHORT = 12
"""Digits of a digest in a name."""
KEEP_EVERY_S = 10.0


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of parts by one detector, higher = more anomalous. `maps` `[N, MAP_SIDE, MAP_SIDE]`, or None."""

    keys: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    maps: Floats | None

    def of(self, keys: Sequence[str]) -> Scored:
        """These parts alone, in this order."""
        place = {key: i for i, key in enumerate(self.keys)}
        chosen = [place[key] for key in keys]
        return Scored(tuple(keys), self.scores[chosen], None if self.maps is None else self.maps[chosen])

    def scaled(self, zero: float, unit: float) -> Scored:
        maps = None if self.maps is None else np.asarray((self.maps - zero) / unit, np.float32)
        return Scored(self.keys, (self.scores - zero) / unit, maps)


class Cost(Config):
    """Of one job: fitting and scoring. `cpu_seconds` counts every thread, also of starts that were stopped."""

    cpu_seconds: float
    fit_seconds: float
    score_seconds: float
    parameters: int
    versions: dict[str, str]


@dataclass(frozen=True)
class Task:
    """One condition of training with one seed. `tested` are complete, whatever `dataset` lost in training."""

    condition: str
    seed: int
    dataset: Dataset
    tested: tuple[Sample, ...]


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What a method says of the tested parts by what it sees of them, all on one scale; costs by job."""

    by_subset: Mapping[Subset, Scored]
    costs: Mapping[str, Cost]


@dataclass
class Digests:
    """SHA-256 of files, each read once."""

    known: dict[Path, str] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        if path not in self.known:
            self.known[path] = files.sha256_file(path)
        return self.known[path]

    def of_images(self, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
        return {sample.key: {name: self.of(path) for name, path in sample.paths.items()} for sample in samples}


def sources(*places: Path) -> dict[str, str]:
    """Digest of every Python file in these folders, or that these are: results follow from code, too."""
    found = sorted({path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])})
    return {f"{path.parent.name}/{path.name}": files.sha256_file(path) for path in found}


class Meter:
    """CPU seconds of this process, added to those of earlier starts of the same job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = float(json.loads(path.read_text())["cpu_seconds"]) if path.is_file() else 0.0
        self.began = time.process_time()
        self.kept = time.monotonic()

    @property
    def cpu_seconds(self) -> float:
        return self.before + time.process_time() - self.began

    def tick(self) -> None:
        """Keep the sum, at most every KEEP_EVERY_S."""
        if time.monotonic() - self.kept > KEEP_EVERY_S:
            files.write_json(self.path, {"cpu_seconds": self.cpu_seconds})
            self.kept = time.monotonic()


def small_map(one: npt.NDArray[np.floating]) -> Floats:
    """`[H, W]` at MAP_SIDE."""
    larger = one.shape[0] >= MAP_SIDE
    heat = cv2.resize(
        np.asarray(one, np.float32),
        (MAP_SIDE, MAP_SIDE),
        interpolation=cv2.INTER_AREA if larger else cv2.INTER_LINEAR,
    )
    return np.asarray(heat, np.float32)


def save(path: Path, scored: Mapping[str, Scored], cost: Cost) -> None:
    """One file, atomically: what is scored by name, and the cost."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"cost": np.array(cost.model_dump_json())}
    for name, one in scored.items():
        arrays[f"{name}/keys"] = np.array(one.keys)
        arrays[f"{name}/scores"] = one.scores
        if one.maps is not None:
            arrays[f"{name}/maps"] = one.maps
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    files.write_bytes(path, buffer.getvalue())


def load(path: Path) -> tuple[dict[str, Scored], Cost]:
    """Raises RunError if the file is damaged."""
    try:
        # From memory: of a damaged file NumPy would leave the handle open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        cost = validate(Cost, json.loads(str(arrays.pop("cost"))), str(path))
        names = [name.removesuffix("/keys") for name in arrays if name.endswith("/keys")]
        return {
            name: Scored(tuple(arrays[f"{name}/keys"].tolist()), arrays[f"{name}/scores"], arrays.get(f"{name}/maps"))
            for name in names
        }, cost
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, RadarEdgeError) as error:
        raise RunError(
            f"{path} is damaged", found=str(error)[:200], next_step="remove it: it is made again, only this one"
        ) from error
