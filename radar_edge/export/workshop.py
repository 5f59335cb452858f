"""The graphs of a run, stage by stage: exported, specialised, ranged, rounded, halved. Judges none of them.

Every stage is skipped when nothing that it depends on has changed (export.cache), and can be asked for alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import onnx

from radar_edge.data.dataset import load_inputs
from radar_edge.data.layouts import Dataset, Sample
from radar_edge.errors import MissingPackageError
from radar_edge.export import calibrate
from radar_edge.export.cache import StageCache
from radar_edge.export.calibrate import Batch, CalibrationRecord, CalibrationSet
from radar_edge.export.half import to_half
from radar_edge.export.judged import Images, Progress, corrupted_images, good_images, spread
from radar_edge.export.onnx_export import export_onnx
from radar_edge.export.parts import held_out_parts
from radar_edge.export.quantize import quantize, tensors_to_range
from radar_edge.export.specialize import specialize
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import Preprocess
from radar_edge.training.anomalies import corrupt
from radar_edge.training.checkpoint import TrainedRun

TOOLS = ("torch", "onnx", "onnxscript", "onnx-graphsurgeon", "onnxruntime", "nvidia-modelopt", "numpy")
GATE_PARTS = 100
"""Held-out good parts of the gate, each with a corrupted copy."""


@dataclass(frozen=True)
class Ranges:
    """The recorded INT8 ranges of a Subset, and whether the record was there already."""

    record: CalibrationRecord
    path: Path
    reviewed: bool


@dataclass(frozen=True, eq=False)
class Workshop:
    """One run on the images that it was trained on. `ranges_folder` holds the calibration records."""

    run: TrainedRun
    dataset: Dataset
    cache: StageCache
    ranges_folder: Path
    definition: CalibrationSet
    progress: Progress = lambda *_: None

    @cached_property
    def subsets(self) -> tuple[Subset, ...]:
        return all_subsets(self.run.modalities)

    @cached_property
    def held_out(self) -> tuple[Sample, ...]:
        return held_out_parts(self.dataset.samples, self.run.held_out)

    @cached_property
    def full(self) -> bytes:
        """The graph of all modalities with its presence mask."""
        specs = self.run.preprocess.modalities
        names = self.run.modalities
        shapes = {n: (1, specs[n].input_channels, specs[n].height, specs[n].width) for n in names}
        self.progress("export", 0, 1)
        inputs = {
            "weights": self.run.weights_sha256,
            # Not all of the network is in its weights: trainings that differ in texture_weight alone have the same.
            "model": self.run.model.config.model_dump(mode="json"),
            "shapes": shapes,
            **tools("torch", "onnx", "onnxscript"),
        }
        found = self.cache.get("full", "onnx", inputs, lambda: to_bytes(export_onnx(self.run.model, shapes)))
        self.progress("export", 1, 1)
        return found

    def fp32(self, subset: Subset) -> bytes:
        """The specialised graph, proven equal to the masked one."""
        full = self.full
        inputs = {"full": digest(full), "subset": subset.slug, **tools("onnx", "onnx-graphsurgeon")}
        return self.cache.get(
            f"{subset}_fp32",
            "onnx",
            inputs,
            lambda: to_bytes(specialize(onnx.load_from_string(full), subset, self.run.modalities)),
        )

    def fp16(self, subset: Subset) -> bytes:
        return self.halved(f"{subset}_fp16", self.fp32(subset))

    def int8(self, subset: Subset, ranges: Ranges, kept: Sequence[str] = ()) -> bytes:
        """Q/DQ where INT8 runs, FP16 elsewhere; the layers named in `kept` are FP16 as well."""
        fp32, amax = self.fp32(subset), ranges.record.amax
        inputs = {"fp32": digest(fp32), "amax": amax, "kept": sorted(kept), **tools("onnx-graphsurgeon")}
        rounded = self.cache.get(
            f"{subset}_qdq",
            "onnx",
            inputs,
            lambda: to_bytes(quantize(onnx.load_from_string(fp32), amax, kept)),
        )
        return self.halved(f"{subset}_int8", rounded)

    def halved(self, stage: str, graph: bytes) -> bytes:
        inputs = {"graph": digest(graph), **tools("onnx", "nvidia-modelopt")}
        return self.cache.get(stage, "onnx", inputs, lambda: to_bytes(to_half(onnx.load_from_string(graph))))

    def ranges(self, subset: Subset) -> Ranges:
        """The Subset's record: the one in `ranges_folder` if there is one for this model and set, else measured anew.

        Raises DatasetError for an empty set, one that overlaps the test split, or images that show nothing.
        """
        fp32 = self.fp32(subset)
        parts = self.calibration_parts(subset)
        set_sha256 = calibrate.set_digest(parts, subset, self.definition)
        path = calibrate.record_file(self.ranges_folder, subset, self.run.weights_sha256, set_sha256)
        reviewed = path.exists()
        if not reviewed:
            calibrate.write_record(path, self.measure(subset, fp32, parts, set_sha256))
        needed = tensors_to_range(onnx.load_from_string(fp32))
        return Ranges(calibrate.read_record(path, digest(fp32), needed), path, reviewed)

    def calibration_parts(self, subset: Subset) -> tuple[Sample, ...]:
        held_out = set(self.run.held_out)
        fitted = [part for part in self.dataset.select("train", good=True) if part.key not in held_out]
        parts = calibrate.choose_parts(fitted, subset, self.definition.parts)
        calibrate.check_unseen(parts, self.dataset.select("test"))
        return parts

    def measure(self, subset: Subset, fp32: bytes, parts: Sequence[Sample], set_sha256: str) -> CalibrationRecord:
        stage = f"calibrate {subset}"
        self.progress(stage, 0, 2)
        images = self.calibration_images(subset, parts)
        held_out = self.gate_images(subset)
        model = onnx.load_from_string(fp32)
        self.progress(stage, 1, 2)
        tensors = calibrate.measure_ranges(model, tensors_to_range(model), images, held_out.inputs)
        self.progress(stage, 2, 2)
        return CalibrationRecord(
            subset=subset.slug,
            weights_sha256=self.run.weights_sha256,
            graph_sha256=digest(fp32),
            set_sha256=set_sha256,
            definition=self.definition,
            parts=tuple(part.key for part in parts),
            images=len(next(iter(images.values()))),
            held_out_images=len(held_out),
            tensors=tensors,
        )

    def calibration_images(self, subset: Subset, parts: Sequence[Sample]) -> Batch:
        chosen = Preprocess(modalities={name: self.run.preprocess.modalities[name] for name in subset})
        inputs, _ = load_inputs(parts, chosen)
        calibrate.check_batch(parts, inputs)
        if not self.definition.corrupted:
            return inputs
        changed, _ = corrupt(inputs, np.random.default_rng(self.definition.seed))
        return {name: np.concatenate([batch, changed[name]]) for name, batch in inputs.items()}

    def good(self, subset: Subset) -> Images:
        """Every held-out good part that the Subset can judge."""
        return good_images(self.held_out, subset, self.run.preprocess)

    def gate_images(self, subset: Subset) -> Images:
        """Held-out good parts, evenly spread, then corrupted copies of them."""
        good = self.good(subset)
        chosen = good.some(spread(len(good), GATE_PARTS))
        return chosen.joined(corrupted_images(chosen, corrupt))


def to_bytes(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def tools(*packages: str) -> dict[str, str]:
    """Package -> installed version. Raises MissingPackageError."""
    try:
        return {name: version(name) for name in packages}
    except PackageNotFoundError as error:
        raise MissingPackageError(str(error.name), "export", "building engines") from error
