from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from contract_runner import RGB, SHAPES, RunnerContract, inputs
from onnx import TensorProto, helper

from radar_edge.errors import UsageError
from radar_edge.inference.onnxruntime_runner import OnnxRuntimeRunner, open_session
from radar_edge.inference.runner import Runner, open_runner
from radar_edge.modality import Subset


def mean_engine(subset: Subset) -> onnx.ModelProto:
    """The map is the mean over the channels of all modalities; each contributes alike."""
    names = list(subset)
    nodes = [
        helper.make_node("Concat", names, ["stack"], axis=1),
        helper.make_node("ReduceMean", ["stack", "axes"], ["anomaly_map"], keepdims=1),
    ]
    weights = [helper.make_tensor("axes", TensorProto.INT64, [1], [1])]
    outputs = [helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, [1, 1, 8, 8])]
    if len(names) > 1:
        nodes.append(helper.make_node("Identity", ["alpha"], ["contribution"]))
        shape = [1, len(names), 2, 2]
        weights.append(helper.make_tensor("alpha", TensorProto.FLOAT, shape, [1 / len(names)] * (4 * len(names))))
        outputs.append(helper.make_tensor_value_info("contribution", TensorProto.FLOAT, shape))
    taken = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPES[name]) for name in names]
    graph = helper.make_graph(nodes, "mean", taken, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


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
