"""What a graph of any origin costs and holds, from the graph alone. Times nothing.

Multiply-accumulates of convolutions and matrix products, as export.graph counts them for our own engines. Graphs of
others take their sizes from the input while they run, so the shapes are those of one run, not inferred ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx

from radar_edge.errors import BundleError, UsageError
from radar_edge.export.graph import WEIGHTED, macs, parameters
from radar_edge.inference.onnxruntime_runner import open_session

UNCOUNTED = ("If", "Loop", "Scan", "Einsum", "LSTM", "GRU", "RNN", "Attention")
"""Operators whose work the count would miss."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


@dataclass(frozen=True)
class Cost:
    """Of one run, and of one file: `parameters` are all the floating-point numbers in it, learned or kept otherwise
    (a memory bank, a covariance)."""

    macs: int
    parameters: int


def load_graph(path: Path) -> onnx.ModelProto:
    """Raises BundleError if the file is no ONNX graph."""
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf and the file system raise many types; each means the same to the user
        raise BundleError(f"{path} is no ONNX file", found=str(error)[:200]) from error


def cost_of(model: onnx.ModelProto) -> Cost:
    """Raises UsageError for operators that it cannot count, or an input without a fixed shape."""
    foreign = {
        node.op_type for node in model.graph.node if node.op_type in UNCOUNTED or node.domain not in ("", "ai.onnx")
    }
    if foreign or model.functions:
        raise UsageError(
            "the multiply-accumulates of this graph cannot be counted",
            found=", ".join(sorted(foreign)) or "functions",
            wanted="plain convolutions and matrix products",
            next_step="export it with an opset of ONNX alone",
        )
    return Cost(macs(model, run_shapes(model)), parameters(model) + constants(model))


def constants(model: onnx.ModelProto) -> int:
    """Floating-point numbers in Constant nodes of more than one value, where some exporters put weights."""
    tensors = [
        a.t for node in model.graph.node if node.op_type == "Constant" for a in node.attribute if a.HasField("t")
    ]
    sizes = [prod(tensor.dims) for tensor in tensors if tensor.data_type in FLOATS]
    return sum(size for size in sizes if size > 1)


def run_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of both factors and the result of every convolution and matrix product, in one run on zeros."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in WEIGHTED]
    names = dict.fromkeys(name for node in nodes for name in (*node.input[:2], node.output[0]) if name not in shapes)
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    inputs = {name: np.zeros(shape, np.float32) for name, shape in input_shapes(model).items()}
    shapes.update({name: shape for name, shape in input_shapes(model).items() if name in names})
    session = open_session(probe.SerializeToString())
    asked = [name for name in names if name not in inputs]
    found = session.run(asked, inputs) if asked else []
    return {**shapes, **{name: value.shape for name, value in zip(asked, found, strict=True)}}


def input_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Raises UsageError for an input that is not of fixed shape and float32."""
    stored = {tensor.name for tensor in model.graph.initializer}
    taken = {value.name: value.type.tensor_type for value in model.graph.input if value.name not in stored}
    faults = [
        f"input {name}"
        for name, kind in taken.items()
        if kind.elem_type != onnx.TensorProto.FLOAT or not all(d.HasField("dim_value") for d in kind.shape.dim)
    ]
    if faults or not taken:
        raise UsageError(
            "the graph's inputs cannot be filled",
            faults=faults,
            wanted="float32 inputs of fixed shape",
            next_step="export it with batch 1 and a fixed picture size",
        )
    return {name: tuple(d.dim_value for d in kind.shape.dim) for name, kind in taken.items()}
