"""From the full graph to the engine of one Subset: what is absent is cut out, not masked.

The presence mask becomes a constant. The fusion is written with the mask as a factor only (models.mrf),
so plain algebra, repeated until nothing changes, removes the absent branches:

    x * 0 -> 0    x * 1 -> x    x + 0 -> x    x - 0 -> x    0 / x -> 0    x / 1 -> x    x / x -> 1

x * 0 -> 0 also holds here where x is NaN: a broken absent modality cannot reach the result. Every engine
is then proven: its inputs and outputs, no weight of an absent modality, and equal numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs

from radar_edge import __version__
from radar_edge.export.graph import input_names, input_reach, output_names
from radar_edge.export.onnx_export import IR_VERSION, MASK, check_portable
from radar_edge.inference.onnxruntime_runner import OUTPUT_CONTRIBUTION, OUTPUT_MAP, open_session
from radar_edge.modality import Subset

TOLERANCE = 1e-5
"""Largest difference to the masked graph, as a share of the largest value (at least 1) of the output."""


def specialize(full: onnx.ModelProto, subset: Subset, modalities: tuple[str, ...]) -> onnx.ModelProto:
    """The graph of `subset` alone, of the full graph of `modalities` (in the model's order).

    Inputs: the Subset's modalities. Outputs: `anomaly_map`, and with several modalities `contribution`
    `[1, M', h, w]` in the Subset's order. Raises RuntimeError if the result is not proven equal and clean.
    """
    graph = gs.import_onnx(onnx.shape_inference.infer_shapes(full, strict_mode=True))
    fix_mask(graph, subset.mask(modalities))
    graph.fold_constants(error_ok=False).cleanup()
    while sum(reduce_node(graph, node) for node in graph.nodes):
        graph.cleanup()
    keep_contribution(graph, subset, modalities)
    graph.fold_constants(error_ok=False).cleanup(remove_unused_graph_inputs=True).toposort()
    engine = to_model(graph)
    check_clean(engine, full, subset, modalities)
    check_equal(engine, full, subset, modalities)
    return engine


def fix_mask(graph: gs.Graph, presence: tuple[bool, ...]) -> None:
    mask = next(tensor for tensor in graph.inputs if tensor.name == MASK)
    graph.inputs.remove(mask)
    mask.to_constant(np.array([presence], np.float32))


def reduce_node(graph: gs.Graph, node: gs.Node) -> bool:
    """Replace the node's result if algebra knows it. Whether it did."""
    rule = RULES.get(node.op)
    result = rule(node) if rule and node.outputs else None
    if result is None:
        return False
    replace(graph, node.outputs[0], result)
    node.outputs.clear()
    return True


def product(node: gs.Node) -> gs.Tensor | None:
    out = node.outputs[0]
    for x, factor in (node.inputs, node.inputs[::-1]):
        if is_all(factor, 0):
            return constant(out, 0)
        if is_all(factor, 1) and same_shape(x, out):
            return x
    return None


def total(node: gs.Node) -> gs.Tensor | None:
    out = node.outputs[0]
    for x, term in (node.inputs, node.inputs[::-1]):
        if is_all(term, 0) and same_shape(x, out):
            return x
    return None


def difference(node: gs.Node) -> gs.Tensor | None:
    x, term = node.inputs
    return x if is_all(term, 0) and same_shape(x, node.outputs[0]) else None


def quotient(node: gs.Node) -> gs.Tensor | None:
    x, divisor = node.inputs
    out = node.outputs[0]
    if x is divisor:
        return constant(out, 1)
    if is_all(x, 0):
        return constant(out, 0)
    return x if is_all(divisor, 1) and same_shape(x, out) else None


RULES = {"Mul": product, "Add": total, "Sub": difference, "Div": quotient}


def is_all(tensor: gs.Tensor, value: float) -> bool:
    return isinstance(tensor, gs.Constant) and bool((tensor.values == value).all())


def same_shape(a: gs.Tensor, b: gs.Tensor) -> bool:
    return tuple(a.shape) == tuple(b.shape)


def constant(like: gs.Tensor, value: float) -> gs.Constant:
    """Of the whole shape of `like`, so that nothing after it must broadcast; it falls away in the end."""
    return gs.Constant(f"{like.name}_is_{value:g}", np.full(like.shape, value, like.dtype))


def replace(graph: gs.Graph, old: gs.Tensor, new: gs.Tensor) -> None:
    """Every reader of `old` reads `new`; a graph output keeps its name."""
    for node in list(old.outputs):
        node.inputs = [new if tensor is old else tensor for tensor in node.inputs]
    for i, tensor in enumerate(graph.outputs):
        if tensor is old:
            graph.outputs[i] = new
            old.name, new.name = f"{old.name}_was", old.name


def keep_contribution(graph: gs.Graph, subset: Subset, modalities: tuple[str, ...]) -> None:
    """Of the attention weights only the Subset's; none at all for one modality, whose weight is 1."""
    place = next(i for i, tensor in enumerate(graph.outputs) if tensor.name == OUTPUT_CONTRIBUTION)
    if len(subset) == 1:
        del graph.outputs[place]
        return
    (concat,) = graph.outputs[place].inputs
    if concat.op != "Concat" or len(concat.inputs) != len(modalities):
        raise RuntimeError(f"contribution is made by {concat.op} of {len(concat.inputs)} inputs")
    weights = dict(zip(modalities, concat.inputs, strict=True))
    if not all(is_all(weight, 0) for name, weight in weights.items() if name not in subset):
        raise RuntimeError(f"an absent modality has attention in the engine {subset}")
    concat.inputs = [weights[name] for name in subset]
    old = graph.outputs[place]
    old.shape = (old.shape[0], len(subset), *old.shape[2:])


def to_model(graph: gs.Graph) -> onnx.ModelProto:
    model: onnx.ModelProto = gs.export_onnx(graph)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "radar-edge", __version__
    del model.graph.value_info[:]
    check_portable(model)
    return model


def check_clean(engine: onnx.ModelProto, full: onnx.ModelProto, subset: Subset, modalities: tuple[str, ...]) -> None:
    """Raises RuntimeError unless inputs and outputs are the Subset's and no weight of an absent branch is left."""
    if input_names(engine) != set(subset):
        raise RuntimeError(f"the engine {subset} has the inputs {sorted(input_names(engine))}")
    wanted = {OUTPUT_MAP, OUTPUT_CONTRIBUTION} if len(subset) > 1 else {OUTPUT_MAP}
    if output_names(engine) != wanted:
        raise RuntimeError(f"the engine {subset} has the outputs {sorted(output_names(engine))}")
    foreign = foreign_weights(full, subset, modalities) & {tensor.name for tensor in engine.graph.initializer}
    if foreign:
        raise RuntimeError(f"the engine {subset} carries weights of absent modalities: {sorted(foreign)}")
    reach = input_reach(engine)
    idle = [node.name for node in engine.graph.node if not any(reach.get(name) for name in node.input)]
    if idle:
        raise RuntimeError(f"the engine {subset} computes constants: {idle}")


def foreign_weights(full: onnx.ModelProto, subset: Subset, modalities: tuple[str, ...]) -> set[str]:
    """Initializers of the full graph that the Subset's engine may not have.

    Those read only by nodes that see no present modality; and those named after an absent modality whose readers
    all see an absent one (the exporter merges equal tensors, so a name alone may stand for a present one too).
    """
    present = set(subset)
    absent = set(modalities) - present
    reach = input_reach(full)
    readers: dict[str, list[frozenset[str]]] = {tensor.name: [] for tensor in full.graph.initializer}
    for node in full.graph.node:
        sees = reach[node.output[0]]
        for name in node.input:
            if name in readers:
                readers[name].append(sees)
    return {
        name
        for name, seen in readers.items()
        if all(sees & absent and not sees & present for sees in seen)
        or (absent.intersection(name.split(".")) and all(sees & absent for sees in seen))
    }


def check_equal(engine: onnx.ModelProto, full: onnx.ModelProto, subset: Subset, modalities: tuple[str, ...]) -> None:
    """Raises RuntimeError unless the engine and the masked graph agree on random inputs, through ONNX Runtime."""
    rng = np.random.default_rng(0)
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in full.graph.input}
    inputs = {name: rng.standard_normal(shapes[name], np.float32) for name in modalities}
    mask = np.array([subset.mask(modalities)], np.float32)
    wanted = run(full, {**inputs, MASK: mask})
    if OUTPUT_CONTRIBUTION in output_names(engine):
        wanted[OUTPUT_CONTRIBUTION] = wanted[OUTPUT_CONTRIBUTION][:, mask[0] > 0]
    for name, found in run(engine, {name: inputs[name] for name in subset}).items():
        scale = max(1.0, float(np.abs(wanted[name]).max()))
        gap = float(np.abs(found - wanted[name]).max())
        if not gap <= TOLERANCE * scale:
            raise RuntimeError(f"the engine {subset} differs from the masked graph: {name} by {gap:g}")


def run(model: onnx.ModelProto, inputs: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
    session = open_session(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))
