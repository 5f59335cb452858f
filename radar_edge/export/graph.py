"""What an ONNX graph costs and holds. Counts; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import onnx

WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")


def macs(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]] | None = None) -> int:
    """Multiply-accumulate operations of one run: convolutions and matrix products. Needs static shapes, or `shapes` of
    these nodes' two factors and results."""
    known = static_shapes(model) if shapes is None else shapes
    return sum(node_macs(node, known) for node in model.graph.node if node.op_type in WEIGHTED)


def node_macs(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type == "Conv":
        return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]


def parameters(model: onnx.ModelProto) -> int:
    """Number of floating-point weights."""
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    return sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type in floats)


def static_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor. Raises ValueError if one cannot be inferred as fixed numbers."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        dims = value.type.tensor_type.shape.dim
        if not all(dim.HasField("dim_value") for dim in dims):
            raise ValueError(f"the tensor {value.name} has no fixed shape")
        shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def input_names(model: onnx.ModelProto) -> set[str]:
    return {value.name for value in model.graph.input}


def output_names(model: onnx.ModelProto) -> set[str]:
    return {value.name for value in model.graph.output}


def input_reach(model: onnx.ModelProto) -> dict[str, frozenset[str]]:
    """Tensor -> names of the graph inputs that it depends on. Nodes of an ONNX graph are in topological order."""
    reach = {value.name: frozenset([value.name]) for value in model.graph.input}
    for node in model.graph.node:
        joined = frozenset[str]().union(*(reach.get(name, frozenset()) for name in node.input))
        reach.update(dict.fromkeys(node.output, joined))
    return reach
