"""Compiling an engine's graph without a GPU, with TensorRT-RTX: what it proves, and what it does not.

Proves: TensorRT's parser takes every node, the strongly typed network compiles, INT8 weights stay INT8 in the plan.
Does not prove: speed, memory or numbers on a Jetson; that needs a plan built on a board of that class.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import onnx

from radar_edge.bundle import Preflight
from radar_edge.errors import ShortfallError
from radar_edge.export.engine_build import PlanOptions, build_plan, constant_bytes, load, name_of
from radar_edge.targets import Target

FLAVOUR = "tensorrt_rtx"
SAYS = (
    "preflight: every graph parses and compiles with {flavour}, and its INT8 weights are INT8 in the plan. "
    "That says nothing of speed, memory or numbers on a Jetson: plans are built and tested on a board of that class"
)


def compiler(target: Target | None = None) -> Callable[[bytes], Preflight]:
    """`compile_graph` with the workspace of a target. Raises MissingPackageError without TensorRT-RTX."""
    load(FLAVOUR)
    options = PlanOptions() if target is None else PlanOptions(workspace_mib=target.workspace_mib)
    return lambda graph: compile_graph(graph, options)


def compile_graph(graph: bytes, options: PlanOptions) -> Preflight:
    """Raises MissingPackageError without TensorRT-RTX, PlanError if it refuses the graph, ShortfallError if INT8
    weights did not stay INT8."""
    trt = load(FLAVOUR)
    plan = build_plan(trt, graph, options)
    found, wanted = constant_bytes(plan.data)["int8"], int8_bytes(onnx.load_from_string(graph))
    if found < wanted:
        raise ShortfallError(
            "INT8 weights did not stay INT8 in the compiled plan",
            found=f"{found} bytes of INT8 constants",
            wanted=f"at least {wanted}",
            next_step="compare the installed TensorRT-RTX with the one in constraints/workstation.txt",
        )
    return Preflight(flavour=name_of(trt), layers=plan.layers, plan_bytes=len(plan.data), int8_bytes=found)


def int8_bytes(model: onnx.ModelProto) -> int:
    """Of the INT8 weights in a graph, without zero points."""
    kinds = (tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8)
    return sum(prod(tensor.dims) for tensor in kinds if len(tensor.dims) > 1)
