"""One large convolution as an ONNX graph: what the library at hand can do at best on this machine."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from radar_edge.export.onnx_export import IR_VERSION, OPSET

CHANNELS, SIDE, KERNEL = 128, 128, 3
INPUT, OUTPUT = "x", "y"
MACS = SIDE * SIDE * CHANNELS * CHANNELS * KERNEL * KERNEL
"""2.4 G: large enough that nothing but multiplying counts."""


def roofline_graph() -> bytes:
    """FP32, batch 1, `[1, 128, 128, 128]` in and out."""
    weight = np.random.default_rng(0).standard_normal((CHANNELS, CHANNELS, KERNEL, KERNEL), np.float32)
    shape = [1, CHANNELS, SIDE, SIDE]
    graph = helper.make_graph(
        [helper.make_node("Conv", [INPUT, "w"], [OUTPUT], pads=[1, 1, 1, 1])],
        "roofline",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "w")],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
    return data
