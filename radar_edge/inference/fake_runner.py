"""The Runner without an engine: arithmetic in NumPy, for tests of everything around a Runner.

Its "engine file" is JSON: {"inputs": {"rgb": [1, 3, 8, 8], ...}}. The map is the mean over modalities and
channels, so a bright spot in an input is a bright spot in the map. All modalities contribute alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from radar_edge.errors import BundleError
from radar_edge.inference.runner import Inference, Runner, Tensor
from radar_edge.modality import Subset


class FakeRunner(Runner):
    """Behaves as every Runner must: tests/inference/contract_runner.py runs on it and on the real ones."""

    def __init__(self, model: Path, subset: Subset, precision: str, *, threads: int = 1) -> None:
        try:
            shapes = {name: tuple(shape) for name, shape in json.loads(model.read_bytes())["inputs"].items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{model} is not a model that the fake can load", found=str(error)) from error
        if set(shapes) != set(subset.modalities):
            raise BundleError(
                f"{model} is no engine for the subset {subset}", found=sorted(shapes), wanted=sorted(subset.modalities)
            )
        super().__init__(subset, precision, shapes)
        self.threads = threads
        self._open = True

    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        if not self._open:
            raise ValueError("the runner is closed")
        means = [inputs[name].mean(axis=1, keepdims=True) for name in self.subset]
        anomaly_map = np.asarray(np.mean(means, axis=0), np.float32)
        count = len(means)
        contribution = np.full((1, count, *anomaly_map.shape[2:]), 1 / count, np.float32) if count > 1 else None
        return Inference(anomaly_map, contribution)

    def close(self) -> None:
        self._open = False
