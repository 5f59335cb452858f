"""How long an engine will take on a board that is not at hand, from its graph and the board's peaks. An estimate.

A roofline a layer (Williams, Waterman, Patterson, Communications of the ACM 52(4), 2009): each weighted layer takes the
longer of its operations at the peak of its precision and its bytes at the memory's bandwidth, divided by an efficiency,
and a launch. Normalisations, activations, additions and Q/DQ are taken as fused into the layer before them; what moves
data by itself (MOVERS) costs its bytes and a launch. Peaks are dense and of the GPU alone. Nothing here was measured on
a Jetson.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import onnx

from radar_edge.export.graph import WEIGHTED, node_macs, static_shapes
from radar_edge.export.layers import layer_facts
from radar_edge.targets import Mode, Target

MOVERS = (
    "Resize",
    "Concat",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "ReduceMean",
    "Softmax",
    "TopK",
    "Transpose",
)
BYTES = {"int8": 1, "fp16": 2, "fp32": 4}
FASTEST, SLOWEST = 0.35, 0.06
"""Share of the dense peak that convolutional networks reach at batch 1. Derived from latencies that others published
for YOLO engines on Orin Nano and Orin NX (Ultralytics 8.3.51): 8 to 35 % in FP16, 5 to 28 % in INT8."""
BANDWIDTH_SHARE = 0.7
"""Of the memory's peak in practice: 65 to 80 %."""
LAUNCH_US = 6.0
"""One kernel's start, without CUDA graphs."""
SYSTEM_MIB, CONTEXT_MIB = 1500, 450
"""What Linux and its services hold; what CUDA and TensorRT hold before any engine."""


@dataclass(frozen=True)
class Cost:
    """One layer. `operations`: two a multiply-accumulate; `moved`: bytes read and written."""

    name: str
    precision: str
    operations: int
    moved: int


@dataclass(frozen=True)
class Estimate:
    """One engine on one board. `compute_bound`: share of the time that the arithmetic decides, not the memory."""

    peak_ms: float
    """At the board's peaks, without launches: nothing can be faster."""
    fast_ms: float
    slow_ms: float
    compute_bound: float
    weights_mib: float
    activations_mib: float
    """Two largest tensors that live at once: TensorRT reuses the rest."""


def costs(model: onnx.ModelProto) -> list[Cost]:
    """What each layer does, in the order of the graph."""
    shapes = static_shapes(model)
    facts = iter(layer_facts(model))
    found = []
    for node in model.graph.node:
        if node.op_type in WEIGHTED:
            fact = next(facts)
            size = BYTES[fact.precision]
            moved = size * (prod(shapes[node.input[0]]) + fact.weights + prod(fact.output))
            found.append(Cost(fact.name, fact.precision, 2 * node_macs(node, shapes), moved))
        elif node.op_type in MOVERS:
            moved = 2 * (prod(shapes.get(node.input[0], (0,))) + prod(shapes[node.output[0]]))
            found.append(Cost(node.name or node.op_type, "fp16", 0, moved))
    return found


def estimate(model: onnx.ModelProto, mode: Mode, efficiency: float | None = None) -> Estimate:
    """Of one graph in one power mode. `efficiency`: measured share of the peak, in place of the assumed range."""
    fast, slow = (efficiency, efficiency) if efficiency is not None else (FASTEST, SLOWEST)
    layers = costs(model)
    work = [cost.operations / rate(mode, cost.precision) for cost in layers]
    memory = [cost.moved / (mode.dram_gb_s * 1e9) for cost in layers]
    launches = len(layers) * LAUNCH_US * 1e-6

    def total_ms(share: float) -> float:
        times = (max(w / share, m / BANDWIDTH_SHARE) for w, m in zip(work, memory, strict=True))
        return 1e3 * (sum(times) + launches)

    peak = [max(w, m) for w, m in zip(work, memory, strict=True)]
    bound = sum(w for w, m in zip(work, memory, strict=True) if w >= m)
    return Estimate(
        peak_ms=1e3 * sum(peak),
        fast_ms=total_ms(fast),
        slow_ms=total_ms(slow),
        compute_bound=bound / max(sum(peak), 1e-12),
        weights_mib=_weights(model) / (1 << 20),
        activations_mib=_activations(layers) / (1 << 20),
    )


def rate(mode: Mode, precision: str) -> float:
    """Operations a second. Where no INT8 rate was published FP16's stands in; FP32 runs on the plain cores, a quarter
    of FP16's tensor cores."""
    if precision == "int8" and mode.int8_tops is not None:
        return mode.int8_tops * 1e12
    return mode.fp16_tflops * 1e12 * (0.25 if precision == "fp32" else 1.0)


def _weights(model: onnx.ModelProto) -> int:
    sizes = {onnx.TensorProto.INT8: 1, onnx.TensorProto.FLOAT16: 2, onnx.TensorProto.FLOAT: 4}
    return sum(prod(tensor.dims) * sizes.get(tensor.data_type, 8) for tensor in model.graph.initializer)


def _activations(layers: Sequence[Cost]) -> int:
    return sum(sorted(cost.moved for cost in layers)[-2:])


def needed_mib(estimates: Sequence[Estimate]) -> float:
    """Of a board's memory with all engines open at once: their scratch memory is shared."""
    weights = sum(one.weights_mib for one in estimates)
    return SYSTEM_MIB + CONTEXT_MIB + weights + max((one.activations_mib for one in estimates), default=0.0)


def mode_of(target: Target, name: str | None) -> Mode:
    """The power mode by name; the fastest without one. Raises ValueError for an unknown name."""
    if name is None:
        return max(target.modes, key=lambda mode: mode.fp16_tflops)
    for mode in target.modes:
        if mode.name == name:
            return mode
    raise ValueError(f"no power mode {name}")


def verdict(estimates: Sequence[Estimate], left_ms: float) -> str:
    """Whether the slowest engine fits into `left_ms`: `feasible`, `not feasible`, or `open` where only one end fits."""
    slow, fast = max(one.slow_ms for one in estimates), max(one.fast_ms for one in estimates)
    return "feasible" if slow <= left_ms else "not feasible" if fast > left_ms else "open"
