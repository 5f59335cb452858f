"""Ranges for INT8, measured on one Subset's own graph and kept as JSON that people review. Knows no Q/DQ node.

    good parts of train/, spread over groups  --+-- largest magnitude of every activation to round --> record
    corrupted copies of them                  --+
    held-out parts and corrupted copies       ----> how much of each tensor lies beyond its range

The corrupted copies are there because the tail carries the anomaly: ranges from good parts alone would cut it off.
Magnitudes are the plain maximum ("max" calibration); nothing is clipped on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import onnx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from radar_edge import files
from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError, UsageError
from radar_edge.inference.onnxruntime_runner import open_session
from radar_edge.modality import Subset

Tensor = npt.NDArray[np.float32]
Batch = Mapping[str, Tensor]
"""`[N, C, H, W]` a modality."""
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]

RECORD_AGAIN = (
    "measure the ranges again: `radar-edge build-engines --until calibrate` with another --calibration folder"
)


class CalibrationSet(BaseModel):
    """Which images the ranges are measured on. The same definition chooses the same images of the same folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: int = Field(default=256, ge=1, description="good parts of train/, at most")
    corrupted: bool = Field(default=True, description="a corrupted copy of each as well")
    seed: int = Field(default=0, description="of the corruptions")


class TensorRange(BaseModel):
    """One activation: its range, and what held-out images do with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amax: float = Field(gt=0, description="largest magnitude on the calibration images: becomes 127 steps")
    held_out_peak: float = Field(ge=0, description="largest magnitude on held-out images, corrupted ones included")
    saturated: float = Field(ge=0, le=1, description="share of the held-out images' values beyond amax")


class CalibrationRecord(BaseModel):
    """calibration/<slug>_<model>_<set>.json: everything that makes a Subset's INT8 ranges, and their coverage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=1, ge=1, le=1)
    subset: str
    weights_sha256: Digest
    graph_sha256: Digest = Field(description="of the FP32 engine that was measured")
    set_sha256: Digest = Field(description="of the definition, the chosen parts and their images")
    definition: CalibrationSet
    parts: tuple[str, ...] = Field(min_length=1)
    images: int = Field(ge=1)
    held_out_images: int = Field(ge=1)
    tensors: dict[str, TensorRange]

    @property
    def amax(self) -> dict[str, float]:
        return {name: tensor.amax for name, tensor in self.tensors.items()}

    @property
    def worst(self) -> tuple[str, TensorRange] | None:
        """The tensor of which held-out images lose the most."""
        ranked = sorted(self.tensors.items(), key=lambda item: -item[1].saturated)
        return ranked[0] if ranked else None


def choose_parts(samples: Sequence[Sample], subset: Subset, count: int) -> tuple[Sample, ...]:
    """Up to `count` parts with every modality of the Subset, spread evenly over their groups, in a fixed order.

    Raises DatasetError if there is none.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one.key):
        if all(name in sample.paths for name in subset):
            groups.setdefault(sample.group, []).append(sample)
    if not groups:
        raise DatasetError(
            f"the calibration set of {subset} is empty",
            found="no good part of train/ with all its modalities that the training did not hold out",
            next_step="add such parts to train/good and train again",
        )
    ranked = [member for rank in range(max(map(len, groups.values()))) for member in rank_of(groups.values(), rank)]
    if len(ranked) <= count:
        return tuple(ranked)
    first = list(rank_of(groups.values(), 0))
    pool = first if len(first) >= count else ranked[:count]
    places = np.linspace(0, len(pool) - 1, count).round().astype(int)
    return tuple(pool[i] for i in places)


def rank_of(groups: Iterable[Sequence[Sample]], rank: int) -> Iterator[Sample]:
    """The member of that rank of every group that has so many."""
    return (members[rank] for members in groups if len(members) > rank)


def set_digest(parts: Sequence[Sample], subset: Subset, definition: CalibrationSet) -> str:
    images = {part.key: {name: files.sha256_file(part.paths[name]) for name in subset} for part in parts}
    return files.sha256_json({"definition": definition.model_dump(), "images": images})


def check_unseen(parts: Sequence[Sample], tests: Sequence[Sample]) -> None:
    """Raises DatasetError naming every calibration part that is in the test split, by its key or byte for byte."""
    keys = {sample.key for sample in tests}
    digests = {files.sha256_file(path): sample.key for sample in tests for path in sample.paths.values()}
    faults = [f"{part.key} is a test part" for part in parts if part.key in keys]
    faults += [
        f"{path} is an image of {digests[found]}"
        for part in parts
        for path in part.paths.values()
        if (found := files.sha256_file(path)) in digests
    ]
    if faults:
        raise DatasetError(
            "the calibration set overlaps the test split: its figures would be worth nothing",
            faults=faults[:10],
            found=f"{len(faults)} image(s)",
            next_step="take them out of test/, or out of train/ and train again",
        )


def check_batch(parts: Sequence[Sample], inputs: Batch) -> None:
    """Raises DatasetError naming every part whose image is not finite or shows nothing at all."""
    faults = []
    for name, batch in inputs.items():
        for part, image in zip(parts, batch, strict=True):
            if not np.isfinite(image).all():
                faults.append(f"{part.key} {name}: values that are no numbers")
            elif np.ptp(image.reshape(len(image), -1), axis=1).max() == 0:
                faults.append(f"{part.key} {name}: every pixel has the same value")
    if faults:
        raise DatasetError(
            "the calibration set holds images that show nothing",
            faults=faults[:10],
            next_step="take them out of train/good: a range measured on them would be wrong",
        )


def magnitudes(model: onnx.ModelProto, tensors: Sequence[str], images: Batch) -> Iterator[dict[str, Tensor]]:
    """|values| of the named activations for each image in turn, through ONNX Runtime."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for name in tensors:
        probe.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = open_session(probe.SerializeToString())
    for n in range(len(next(iter(images.values())))):
        inputs = {name: batch[n : n + 1] for name, batch in images.items()}
        yield dict(zip(tensors, map(np.abs, session.run(list(tensors), inputs)), strict=True))


def measure_ranges(
    model: onnx.ModelProto, tensors: Sequence[str], images: Batch, held_out: Batch
) -> dict[str, TensorRange]:
    """The range of every tensor on `images`, and how far `held_out` images go beyond it.

    Raises UsageError for a tensor without any signal: its INT8 grid would be empty.
    """
    amax = dict.fromkeys(tensors, 0.0)
    for found in magnitudes(model, tensors, images):
        amax = {name: max(amax[name], float(values.max())) for name, values in found.items()}
    silent = [name for name, value in amax.items() if not (np.isfinite(value) and value > 0)]
    if silent:
        raise UsageError(
            "some activations show nothing on the calibration images",
            faults=silent,
            next_step="train longer, or build without INT8: --precision fp32 --precision fp16",
        )
    peak, beyond, count = dict.fromkeys(tensors, 0.0), dict.fromkeys(tensors, 0), dict.fromkeys(tensors, 0)
    for found in magnitudes(model, tensors, held_out):
        for name, values in found.items():
            peak[name] = max(peak[name], float(values.max()))
            beyond[name] += int((values > amax[name]).sum())
            count[name] += values.size
    return {
        name: TensorRange(amax=amax[name], held_out_peak=peak[name], saturated=beyond[name] / max(count[name], 1))
        for name in tensors
    }


def record_file(folder: Path, subset: Subset, weights_sha256: str, set_sha256: str) -> Path:
    return folder / f"{subset}_{weights_sha256[:12]}_{set_sha256[:12]}.json"


def write_record(path: Path, record: CalibrationRecord) -> None:
    files.write_json(path, record.model_dump(mode="json"))


def read_record(path: Path, graph_sha256: str, tensors: Sequence[str]) -> CalibrationRecord:
    """Raises UsageError if the file is absent, damaged, of another graph or lacks one of the `tensors`.

    INT8 without its recorded ranges is not built.
    """
    if not path.is_file():
        raise UsageError(f"there are no recorded INT8 ranges at {path}", next_step=RECORD_AGAIN)
    try:
        record = CalibrationRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"{path} holds no INT8 ranges", found=detail[:200], next_step=RECORD_AGAIN) from error
    if record.graph_sha256 != graph_sha256:
        raise UsageError(
            f"{path} was measured on another graph",
            found=record.graph_sha256[:12],
            wanted=graph_sha256[:12],
            next_step=RECORD_AGAIN,
        )
    missing = [name for name in tensors if name not in record.tensors]
    if missing:
        raise UsageError(f"{path} lacks the ranges of some activations", faults=missing, next_step=RECORD_AGAIN)
    return record
