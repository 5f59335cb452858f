"""What each layer of an engine's graph is computed in. Reads the graph; runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import onnx

from radar_edge.export.graph import WEIGHTED, static_shapes

NAMES = {onnx.TensorProto.FLOAT: "fp32", onnx.TensorProto.FLOAT16: "fp16"}


@dataclass(frozen=True)
class LayerFact:
    """One layer with weights."""

    name: str
    op: str
    precision: str
    """`int8` where both its input and its weights are rounded."""
    weights: int
    output: tuple[int, ...]


def layer_facts(model: onnx.ModelProto) -> tuple[LayerFact, ...]:
    """Every layer with weights, in the order of the graph."""
    shapes = static_shapes(model)
    made_by = {name: node for node in model.graph.node for name in node.output}
    kinds = {tensor.name: NAMES.get(tensor.data_type, "int8") for tensor in model.graph.initializer}
    facts = []
    for node in model.graph.node:
        if node.op_type not in WEIGHTED:
            continue
        sources = [made_by.get(name) for name in node.input[:2]]
        rounded = all(source is not None and source.op_type == "DequantizeLinear" for source in sources)
        weight = sources[1].input[0] if sources[1] is not None else node.input[1]
        facts.append(
            LayerFact(
                name=plain(weight),
                op=node.op_type,
                precision="int8" if rounded else kinds.get(weight, "fp32"),
                weights=prod(shapes[weight]),
                output=shapes[node.output[0]],
            )
        )
    return tuple(facts)


def plain(weight: str) -> str:
    """The layer's name in the network."""
    name = weight.removeprefix("model.")
    for ending in ("_int8", ".weight"):
        name = name.removesuffix(ending)
    return name


def count(facts: Sequence[LayerFact]) -> Counter[str]:
    return Counter(fact.precision for fact in facts)
