"""An engine that costs nothing."""

from __future__ import annotations

import onnx
from contract_runner import SHAPES
from onnx import TensorProto, helper

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
