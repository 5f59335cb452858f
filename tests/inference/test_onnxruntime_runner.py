from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from contract_runner import RGB, RunnerContract, inputs
from toy_engine import mean_engine

from radar_edge.errors import UsageError
from radar_edge.inference.onnxruntime_runner import OnnxRuntimeRunner, open_session
from radar_edge.inference.runner import Runner, open_runner
from radar_edge.modality import Subset


class TestOnnxRuntimeRunner(RunnerContract):
    def write(self, folder: Path, subset: Subset) -> Path:
        path = folder / f"{subset}.onnx"
        onnx.save(mean_engine(subset), path)
        return path

    def open(self, model: Path, subset: Subset) -> Runner:
        return OnnxRuntimeRunner(model, subset, "fp32")


def test_a_session_opens_from_bytes_too() -> None:
    given = inputs(RGB)
    (anomaly_map,) = open_session(mean_engine(RGB).SerializeToString()).run(["anomaly_map"], given)
    np.testing.assert_allclose(anomaly_map, given["rgb"].mean(axis=1, keepdims=True), atol=1e-6)


def test_an_unknown_engine_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="onnxruntime"):
        open_runner("tensorflow", tmp_path / "x", RGB, "fp32")
