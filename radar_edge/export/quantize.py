"""INT8 as explicit Q/DQ nodes, placed where TensorRT fuses them. Knows graphs and ranges, not where ranges come from.

Symmetric, zero points 0: activations per tensor, at the input of a layer; weights per output channel, stored as
int8 behind one DequantizeLinear (axis 0; ConvTranspose axis 1). Biases stay floating point. A quantised value is
round(x / scale) with scale = amax / 127 (Jacob et al., CVPR 2018; NVIDIA, Working with Quantized Types).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs

from radar_edge.export.specialize import to_model

LEAST_CHANNELS = 8
"""Layers with fewer input or output channels keep their precision: they read camera images, whose 16-bit values
256 steps would coarsen, or write logits and restored pixels; and INT8 kernels gain nothing on so few channels."""
STEPS = 127
LEAST_SCALE = 2.0**-14
"""The smallest normal float16: scales are float16 once the graph is typed, and a smaller one would lose its digits."""
WEIGHT_AXIS = {"Conv": 0, "ConvTranspose": 1}


@dataclass(frozen=True)
class Layer:
    """A convolution that INT8 can run."""

    name: str
    """Its weight's name in the network: `encoders.rgb.down.0`."""
    tensor: str
    """Name of the activation that it reads."""
    channels: tuple[int, int]
    """Input and output channels."""


def layers_of(model: onnx.ModelProto) -> tuple[Layer, ...]:
    """Every convolution of an FP32 engine, in the order of the graph."""
    return tuple(layer_of(node) for node in convolutions(gs.import_onnx(model)))


def quantisable(layer: Layer) -> bool:
    return min(layer.channels) >= LEAST_CHANNELS


def tensors_to_range(model: onnx.ModelProto) -> tuple[str, ...]:
    """The activations whose ranges `quantize` needs."""
    return tuple(dict.fromkeys(layer.tensor for layer in layers_of(model) if quantisable(layer)))


def quantize(model: onnx.ModelProto, amax: Mapping[str, float], keep: Collection[str] = ()) -> onnx.ModelProto:
    """The Q/DQ graph of an FP32 engine. `amax`: tensor -> largest magnitude that it must hold.

    The layers named in `keep`, and those of fewer than 8 channels, keep their precision. Raises ValueError if a
    range is missing or not positive, or if `keep` names no layer.
    """
    graph = gs.import_onnx(model)
    nodes = list(convolutions(graph))
    unknown = set(keep) - {layer_of(node).name for node in nodes}
    if unknown:
        raise ValueError(f"no such layers: {sorted(unknown)}")
    rounded: dict[str, gs.Variable] = {}
    for node in nodes:
        layer = layer_of(node)
        if layer.name in keep or not quantisable(layer):
            continue
        if layer.tensor not in rounded:
            rounded[layer.tensor] = round_activation(graph, node.inputs[0], amax.get(layer.tensor))
        node.inputs[0] = rounded[layer.tensor]
        node.inputs[1] = round_weight(graph, node.inputs[1], WEIGHT_AXIS[node.op])
    return to_model(graph.cleanup().toposort())


def convolutions(graph: gs.Graph) -> Iterator[gs.Node]:
    return (node for node in graph.nodes if node.op in WEIGHT_AXIS and isinstance(node.inputs[1], gs.Constant))


def layer_of(node: gs.Node) -> Layer:
    weight = node.inputs[1]
    groups = int(node.attrs.get("group", 1))
    first, second = weight.shape[:2]
    channels = (second * groups, first) if node.op == "Conv" else (first, second * groups)
    return Layer(weight.name.removeprefix("model.").removesuffix(".weight"), node.inputs[0].name, channels)


def round_activation(graph: gs.Graph, x: gs.Tensor, amax: float | None) -> gs.Variable:
    if amax is None or not (np.isfinite(amax) and amax > 0):
        raise ValueError(f"the tensor {x.name} has no range: {amax}")
    scale = np.array(max(amax / STEPS, LEAST_SCALE), np.float32)
    grid = gs.Variable(f"{x.name}_int8", np.int8, x.shape)
    back = gs.Variable(f"{x.name}_rounded", np.float32, x.shape)
    pair = [gs.Constant(f"{x.name}_scale", scale), gs.Constant(f"{x.name}_zero", np.zeros((), np.int8))]
    graph.nodes.append(gs.Node("QuantizeLinear", f"{x.name}_quantize", inputs=[x, *pair], outputs=[grid]))
    graph.nodes.append(gs.Node("DequantizeLinear", f"{x.name}_dequantize", inputs=[grid, *pair], outputs=[back]))
    return back


def round_weight(graph: gs.Graph, weight: gs.Constant, axis: int) -> gs.Variable:
    values, scale = int8_weight(np.asarray(weight.values), axis)
    grid = gs.Constant(f"{weight.name}_int8", values)
    back = gs.Variable(f"{weight.name}_rounded", np.float32, values.shape)
    pair = [
        gs.Constant(f"{weight.name}_scale", scale),
        gs.Constant(f"{weight.name}_zero", np.zeros(len(scale), np.int8)),
    ]
    node = gs.Node(
        "DequantizeLinear", f"{weight.name}_dequantize", {"axis": axis}, inputs=[grid, *pair], outputs=[back]
    )
    graph.nodes.append(node)
    return back


def int8_weight(weight: npt.NDArray[np.float32], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Weights on their grid, and the scale of each output channel."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.maximum(np.abs(weight).max(axis=others) / STEPS, LEAST_SCALE).astype(np.float32)
    shape = [1] * weight.ndim
    shape[axis] = len(scale)
    return np.clip(np.rint(weight / scale.reshape(shape)), -STEPS, STEPS).astype(np.int8), scale
