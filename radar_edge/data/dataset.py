"""From samples to arrays: preprocessing learned from good parts, held-out parts, inputs and masks. No torch.

Nothing here looks at a defect: what is learned comes from train/good alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.data.kinds import DeclaredModality, ModalitySpec, describe, kind_of
from radar_edge.data.layouts import Dataset, Sample
from radar_edge.errors import DatasetError, UsageError
from radar_edge.preprocess import ModalityPreprocess, Preprocess, preprocess_image, read_image, resize
from radar_edge.records import Image

FIT_IMAGES = 200
"""As many images of train/good are enough for a mean and a few percentiles."""
FIT_SIDE = 64
LEAST_SCALE = 1e-3
LEAST_SPAN = 0.05
"""Kelvin, usually: the noise of an uncooled camera."""
THREADS = 2
HELD_OUT_SHARE = 0.2

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


def fit_preprocess(dataset: Dataset, size_px: int) -> Preprocess:
    """Fixed scaling of every modality to a square network input of `size_px`, from train/good."""
    good = dataset.select("train", good=True)
    modalities = {}
    for name, spec in dataset.specs.items():
        paths = [sample.paths[name] for sample in good if name in sample.paths]
        pixels = [small(of_kind(path, spec, name)) for path in paths[:: -(-len(paths) // FIT_IMAGES)]]
        scaling = thermal_scaling if spec.bit_depth == 16 and spec.channels == 1 else colour_scaling
        modalities[name] = ModalityPreprocess(
            channels=spec.channels,
            bit_depth=spec.bit_depth,
            height=size_px,
            width=size_px,
            **scaling(pixels, dataset.declared.get(name)),
            **moving(dataset, name),
        )
    return Preprocess(modalities=modalities)


def moving(dataset: Dataset, name: str) -> dict[str, Any]:
    """How the modality is moved onto its reference, as dataset.yaml says; nothing without a registration."""
    entry = dataset.registration.get(name)
    return {} if entry is None else {"homography": entry.homography, "view": entry.view}


def of_kind(path: Path, spec: ModalitySpec, name: str) -> Image:
    """Raises DatasetError that names the file if its depth or channels are not the modality's."""
    image = read_image(path)
    faults = kind_of([spec], None).faults(describe(image))
    if faults:
        raise DatasetError(
            f"{path} is not of the kind of the other {name} images",
            faults=faults,
            next_step="`radar-edge dataset check` lists every one",
        )
    return image


def small(image: Image) -> npt.NDArray[np.float64]:
    """`[side, side, C]` in raw counts."""
    return np.atleast_3d(resize(image, FIT_SIDE, FIT_SIDE)).astype(np.float64)


def colour_scaling(pixels: Sequence[npt.NDArray[np.float64]], _: DeclaredModality | None) -> dict[str, Any]:
    """Mean and standard deviation of each channel."""
    stack = np.concatenate([p.reshape(-1, p.shape[2]) for p in pixels])
    scale = np.maximum(stack.std(axis=0), LEAST_SCALE)
    return {"offset": tuple(stack.mean(axis=0).tolist()), "scale": tuple(scale.tolist())}


def thermal_scaling(pixels: Sequence[npt.NDArray[np.float64]], declared: DeclaredModality | None) -> dict[str, Any]:
    """Fixed window of raw counts: median, and a quarter of the 1 to 99 % range; likewise for frame minus median.

    The local channel carries what drift hides. The least scale keeps a set without any contrast from being blown up
    to noise: LEAST_SPAN of the unit that dataset.yaml gives, else one count.
    """
    stack = np.concatenate([p.ravel() for p in pixels])
    local = np.concatenate([(p - np.median(p)).ravel() for p in pixels])
    least = LEAST_SPAN / declared.scale if declared is not None and declared.scale else 1.0
    window, near = (np.subtract(*np.percentile(x, [99, 1])) / 4 for x in (stack, local))
    return {
        "offset": (float(np.median(stack)),),
        "scale": (max(float(window), least),),
        "median_channel": max(float(near), least),
    }


def hold_out(
    dataset: Dataset, share: float = HELD_OUT_SHARE, seed: int = 0
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """(parts to fit, good parts held out for thresholds): validation/good, else `share` of the train groups.

    Which groups are held out depends on their names and the seed alone; no group is split.
    """
    train, validation = dataset.select("train", good=True), dataset.select("validation", good=True)
    if validation:
        return train, validation
    groups = sorted({sample.group for sample in train}, key=lambda group: _rank(group, seed))
    chosen = set(groups[: round(share * len(groups))])
    return (
        tuple(sample for sample in train if sample.group not in chosen),
        tuple(sample for sample in train if sample.group in chosen),
    )


def _rank(group: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{group}".encode()).digest()


def load_inputs(samples: Sequence[Sample], preprocess: Preprocess) -> tuple[dict[str, Floats], Flags]:
    """Network inputs `[N, C, H, W]` a modality, zeros where a part lacks it, and presence `[N, M]`.

    Raises DatasetError naming the file if one cannot be read or is of another kind.
    """
    arrays = {
        name: np.zeros((len(samples), spec.input_channels, spec.height, spec.width), np.float32)
        for name, spec in preprocess.modalities.items()
    }
    presence = np.zeros((len(samples), len(arrays)), bool)
    for n, sample in enumerate(samples):
        presence[n] = [name in sample.paths for name in arrays]

    def load(place: tuple[int, str]) -> None:
        n, name = place
        arrays[name][n] = read_input(samples[n].paths[name], preprocess.modalities[name], name)

    with ThreadPoolExecutor(THREADS) as pool:
        places = [(n, name) for n, sample in enumerate(samples) for name in arrays if name in sample.paths]
        for _ in pool.map(load, places):
            pass
    return arrays, presence


def read_input(path: Path, spec: ModalityPreprocess, name: str) -> Floats:
    """`[C, H, W]` of one file. Raises DatasetError naming it if it cannot be read or is of another kind."""
    try:
        return preprocess_image(spec, read_image(path), name)
    except UsageError as error:
        raise DatasetError(f"{path}: {error.problem}", found=error.found, wanted=error.wanted) from error


def load_mask(sample: Sample, modalities: Iterable[str], height: int, width: int) -> Flags:
    """`[height, width]`: what these modalities show of the defect; all False for a good part or one without masks.

    The masks of single modalities where there are any, else the union mask. A pixel is set if any of the defect falls
    on it, so that a scratch of one pixel neither vanishes nor falls apart where the mask is made smaller.
    """
    paths = [sample.masks[name] for name in modalities if name in sample.masks]
    if not sample.masks and sample.mask is not None:
        paths = [sample.mask]
    union = np.zeros((height, width), bool)
    for path in paths:
        mask = read_image(path)
        plane = (mask if mask.ndim == 2 else mask.max(axis=2)) > 0
        union |= cv2.resize(plane.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
    return union
