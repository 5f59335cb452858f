"""What an engine says of the images that decide about it: held-out good parts and corrupted copies of them.

Knows Runners and arrays; not what the figures must be (export.gate) nor where files lie.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.data.dataset import load_inputs
from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import image_score

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Corrupt = Callable[[Mapping[str, Floats], np.random.Generator], tuple[dict[str, Floats], dict[str, Flags]]]
"""training.anomalies.corrupt: `[N, C, H, W]` a modality -> changed images, masks `[N, H, W]`; some parts stay good."""
Progress = Callable[[str, int, int], None]
"""Called with a stage's name, steps done, and steps in all."""

DRAWS = 8
"""How often a part is corrupted anew until something of it is really visible."""
SEED = 1
"""Of the gate's corruptions; the calibration set has its own."""


@dataclass(frozen=True, eq=False)
class Images:
    """Network inputs of one Subset."""

    inputs: Mapping[str, Floats]
    """`[N, C, H, W]` a modality."""
    masks: Flags
    """`[N, S, S]` what is anomalous; nothing of a good part."""
    groups: tuple[str, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def digest(self) -> str:
        """SHA-256 of everything that an engine's results depend on."""
        found = hashlib.sha256("\n".join(self.keys).encode())
        for name, batch in self.inputs.items():
            found.update(f"{name}{batch.shape}".encode())
            found.update(np.ascontiguousarray(batch).tobytes())
        return found.hexdigest()

    @property
    def anomalous(self) -> Flags:
        return np.asarray(self.masks.any(axis=(1, 2)))

    def joined(self, other: Images) -> Images:
        return Images(
            {name: np.concatenate([batch, other.inputs[name]]) for name, batch in self.inputs.items()},
            np.concatenate([self.masks, other.masks]),
            self.groups + other.groups,
            self.keys + other.keys,
        )

    def some(self, places: Sequence[int]) -> Images:
        return Images(
            {name: batch[list(places)] for name, batch in self.inputs.items()},
            self.masks[list(places)],
            tuple(self.groups[i] for i in places),
            tuple(self.keys[i] for i in places),
        )

    def one(self, n: int) -> dict[str, Floats]:
        return {name: batch[n : n + 1] for name, batch in self.inputs.items()}


@dataclass(frozen=True, eq=False)
class Judged:
    """One engine on Images."""

    scores: npt.NDArray[np.float64]
    """`[N]`."""
    heats: Floats
    """`[N, S, S]` maps at MAP_SIDE, logits."""
    maps: Floats
    """`[K, 1, H, W]` whole maps of the images that were asked for."""

    def some(self, places: Sequence[int]) -> Judged:
        """Without the whole maps."""
        return Judged(self.scores[list(places)], self.heats[list(places)], self.maps[:0])

    def to_bytes(self) -> bytes:
        return npz_bytes({"scores": self.scores, "heats": self.heats, "maps": self.maps})

    @classmethod
    def from_bytes(cls, data: bytes) -> Judged:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return cls(stored["scores"], stored["heats"], stored["maps"])


def good_images(parts: Sequence[Sample], subset: Subset, preprocess: Preprocess) -> Images:
    """The parts that the Subset can judge. Raises DatasetError for an image that cannot be read."""
    able = [part for part in parts if all(name in part.paths for name in subset)]
    chosen = Preprocess(modalities={name: preprocess.modalities[name] for name in subset})
    inputs, _ = load_inputs(able, chosen)
    masks = np.zeros((len(able), MAP_SIDE, MAP_SIDE), bool)
    return Images(inputs, masks, tuple(part.group for part in able), tuple(part.key for part in able))


def corrupted_images(goods: Images, corrupt: Corrupt, seed: int = SEED) -> Images:
    """A copy of each good part with synthetic anomalies that are visible in the Subset's modalities.

    Raises DatasetError if hardly any becomes visible: such images cannot judge an engine.
    """
    rng = np.random.default_rng(seed)
    inputs = {name: batch.copy() for name, batch in goods.inputs.items()}
    size = (len(goods), *next(iter(inputs.values())).shape[2:])
    seen = np.zeros(size, bool)
    for _ in range(DRAWS):
        todo = np.flatnonzero(~seen.any(axis=(1, 2)))
        if not len(todo):
            break
        changed, masks = corrupt({name: goods.inputs[name][todo] for name in inputs}, rng)
        for name in inputs:
            inputs[name][todo] = changed[name]
            seen[todo] |= masks[name]
    visible = np.flatnonzero(seen.any(axis=(1, 2)))
    if len(visible) < len(goods) / 2:
        raise DatasetError(
            "synthetic anomalies do not show on the held-out good parts",
            found=f"visible on {len(visible)} of {len(goods)}",
            next_step="look at the images: they have hardly any contrast",
        )
    keys = tuple(f"{key} corrupted" for key in goods.keys)
    small = np.stack([shrink(mask) for mask in seen])
    return Images(inputs, small, goods.groups, keys).some(visible.tolist())


def shrink(mask: Flags) -> Flags:
    """`[H, W]` -> `[S, S]`: a pixel is set if any of the anomaly falls on it."""
    small = cv2.resize(mask.astype(np.float32), (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small > 0)


def judge(
    runner: Runner, images: Images, whole: Sequence[int], progress: Progress = lambda *_: None, stage: str = "judge"
) -> Judged:
    """Every image through an engine. `whole`: the images whose maps are kept in full size."""
    scores, heats, maps = [], [], {}
    for n in range(len(images)):
        anomaly_map = runner.infer(images.one(n)).anomaly_map
        scores.append(image_score(anomaly_map))
        heats.append(cv2.resize(anomaly_map[0, 0], (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA))
        if n in whole:
            maps[n] = anomaly_map
        progress(stage, n + 1, len(images))
    return Judged(np.array(scores), np.array(heats, np.float32), np.concatenate([maps[n] for n in whole]))


def spread(count: int, most: int) -> list[int]:
    """Up to `most` places among `count`, evenly spread."""
    places: list[int] = np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist()
    return places


def npz_bytes(arrays: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
