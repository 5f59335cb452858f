"""The Runner seam: arrays in, an anomaly map out. Knows nothing of cameras, scores or thresholds.

Back ends are reached by name and imported on demand, so that a Jetson needs no ONNX Runtime and a
workstation no TensorRT. Nothing falls back on its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from radar_edge.errors import UsageError
from radar_edge.modality import Subset

Tensor = npt.NDArray[np.float32]

RUNNERS = {
    "onnxruntime": ("radar_edge.inference.onnxruntime_runner", "OnnxRuntimeRunner"),
    "fake": ("radar_edge.inference.fake_runner", "FakeRunner"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """What an engine says of one part."""

    anomaly_map: Tensor
    """`[1, 1, H, W]` logits."""
    contribution: Tensor | None
    """`[1, M, h, w]`, the attention weight of each modality of the Subset; None with one modality."""


class Runner(ABC):
    """One engine of one Subset. Not thread-safe: use it from the thread that opened it."""

    def __init__(self, subset: Subset, precision: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.subset = subset
        self.precision = precision
        self.shapes = dict(shapes)

    def infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        """Judge one part. `inputs`: `[1, C, H, W]` float32 a modality.

        Raises UsageError naming every missing, extra or misshapen input.
        """
        faults = [f"missing input {name!r}" for name in self.shapes if name not in inputs]
        faults += [f"extra input {name!r}" for name in inputs if name not in self.shapes]
        for name, shape in self.shapes.items():
            array = inputs.get(name)
            if array is not None and (array.shape != shape or array.dtype != np.float32):
                faults.append(f"input {name!r} is {array.dtype} {list(array.shape)}, wanted float32 {list(shape)}")
        if faults:
            raise UsageError(f"the {self.subset} engine cannot take these inputs", faults=faults)
        return self._infer(inputs)

    @abstractmethod
    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        """Run the checked inputs."""

    def warm_up(self) -> None:
        """Run once on zeros, so that the first part costs no allocation."""
        self.infer({name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()})

    @abstractmethod
    def close(self) -> None:
        """Free the engine. May be called more than once."""

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def open_runner(backend: str, model: Path, subset: Subset, precision: str, *, threads: int = 1) -> Runner:
    """Open the engine file `model` with the named back end.

    Raises UsageError for an unknown name, MissingPackageError if its library is not installed,
    BundleError if the file is no engine for `subset`.
    """
    if backend not in RUNNERS:
        raise UsageError("unknown inference engine", found=backend, wanted=", ".join(RUNNERS))
    module, name = RUNNERS[backend]
    runner: Runner = getattr(import_module(module), name)(model, subset, precision, threads=threads)
    return runner
