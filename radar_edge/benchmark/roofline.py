"""What the library can do at best on this machine: a large convolution and a large matrix product, as contenders.

The roof is the faster of the two, in multiply-accumulates a second, measured in the same rounds as the models. It is
the arithmetic's alone (Williams, Waterman, Patterson, Communications of the ACM 52(4), 2009): what moves memory instead
of multiplying stays below it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from radar_edge import files
from radar_edge.benchmark.contenders import ROOFLINE, Contender
from radar_edge.benchmark.counting import Cost
from radar_edge.export import roofline
from radar_edge.export.onnx_export import IR_VERSION, OPSET

SIDE = 1024


def roofs(folder: Path) -> list[Contender]:
    """Their graphs are written into `folder`."""
    weights = (roofline.CHANNELS * roofline.KERNEL) ** 2
    graphs = {
        "convolution": (roofline.roofline_graph(), Cost(roofline.MACS, weights)),
        "product": (product_graph(), Cost(SIDE**3, SIDE**2)),
    }
    found = []
    for name, (graph, cost) in graphs.items():
        path = folder / f"{name}.onnx"
        files.write_bytes(path, graph)
        found.append(Contender(name, ROOFLINE, "fp32", path, cost))
    return found


def product_graph() -> bytes:
    """FP32, `[1024, 1024]` times a constant of that shape."""
    weight = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [SIDE, SIDE])],
        [numpy_helper.from_array(weight, "w")],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
    return data
