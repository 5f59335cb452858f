"""From an ONNX engine to a TensorRT plan: one path for TensorRT 10.3 to 11 and for TensorRT-RTX.

The network is strongly typed and its precision stands in the graph (Q/DQ, float16), so no flag of a precision is ever
set and no calibrator exists. What differs between the flavours stands in the table FLAVOURS. Knows no bundle and no
Runner. Checked against the API lists of 10.3, 10.16 and 11.4 and run with TensorRT-RTX, which needs no GPU; not run on
a Jetson.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from radar_edge.errors import MissingPackageError, ShortfallError
from radar_edge.inference.trt_log import process_logger

TensorRT: TypeAlias = Any
"""The module `tensorrt` or `tensorrt_rtx`; neither has stubs that fit every version."""
Progress = Callable[[str, int, int], None]
"""Called with a phase's name, steps done, and steps in all."""

MIB = 1 << 20


@dataclass(frozen=True)
class Flavour:
    """One distribution of TensorRT."""

    extra: str
    """The extra of radar-edge that installs it."""
    timing_cache: bool
    """Whether it times kernels while it builds, and can keep what it found."""


FLAVOURS: Mapping[str, Flavour] = {
    "tensorrt": Flavour("trt", timing_cache=True),
    "tensorrt_rtx": Flavour("preflight", timing_cache=False),
}


class PlanError(ShortfallError):
    """TensorRT refused a graph; the faults are its own log lines."""


@dataclass(frozen=True)
class PlanOptions:
    """How a plan is built. `workspace_mib` comes from the target: a board shares its memory with everything else."""

    workspace_mib: int = 1024
    optimization_level: int = 3
    detailed: bool = True
    """Names and precisions of layers stay in the plan, which the proof of INT8 needs."""
    timing_cache: bytes = b""
    """Of an earlier build on the same board and version; empty for a fresh one."""


@dataclass(frozen=True)
class Plan:
    """A serialised engine. `log`: what TensorRT warned of."""

    data: bytes
    layers: int
    timing_cache: bytes
    log: tuple[str, ...]


def load(flavour: str) -> TensorRT:
    """The module. Raises MissingPackageError, also for the empty package that the stubs alone leave behind."""
    missing = MissingPackageError(flavour, FLAVOURS[flavour].extra, "compiling a graph")
    try:
        trt = import_module(flavour)
    except ImportError as error:
        raise missing from error
    if not hasattr(trt, "Builder"):
        raise missing
    return trt


def build_plan(trt: TensorRT, graph: bytes, options: PlanOptions, progress: Progress | None = None) -> Plan:
    """Parse and compile an ONNX engine. Raises PlanError with TensorRT's own lines."""
    logger = process_logger(trt)
    logger.lines.clear()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        faults = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise PlanError(
            "TensorRT cannot read the graph", faults=faults[:10], wanted=f"a graph that {name_of(trt)} parses"
        )
    config = configure(trt, builder, options, progress)
    cache = start_timing_cache(config, options) if FLAVOURS[trt.__name__].timing_cache else None
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise PlanError(
            "TensorRT cannot build the plan",
            faults=logger.lines[:10],
            next_step="if it lacks memory: lower the workspace, close the desktop, add swap",
        )
    saved = b"" if cache is None else bytes(cache.serialize())
    return Plan(bytes(plan), network.num_layers, saved, tuple(logger.lines))


def configure(trt: TensorRT, builder: Any, options: PlanOptions, progress: Progress | None) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib * MIB)
    config.builder_optimization_level = options.optimization_level
    verbosity = trt.ProfilingVerbosity
    config.profiling_verbosity = verbosity.DETAILED if options.detailed else verbosity.LAYER_NAMES_ONLY
    if progress is not None:
        config.progress_monitor = monitor(trt, progress)
    return config


def start_timing_cache(config: Any, options: PlanOptions) -> Any:
    """The cache that the build fills."""
    cache = config.create_timing_cache(options.timing_cache)
    config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def monitor(trt: TensorRT, progress: Progress) -> Any:
    """TensorRT's progress monitor, telling `progress`."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            self.steps[phase_name] = num_steps
            progress(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress(phase_name, step + 1, self.steps[phase_name])
            return True

        def phase_finish(self, phase_name: str) -> None:
            progress(phase_name, self.steps[phase_name], self.steps[phase_name])

    return Monitor()


def name_of(trt: TensorRT) -> str:
    return f"{trt.__name__} {trt.__version__}"


def layer_precisions(trt: TensorRT, plan: bytes) -> Counter[str]:
    """Datatype of the first output of every layer of a plan -> how many layers. Needs the GPU that it was built for.

    Raises PlanError if the plan cannot be loaded here.
    """
    logger = process_logger(trt)
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise PlanError("the plan cannot be loaded on this machine", faults=logger.lines[:10])
    inspector = engine.create_engine_inspector()
    report = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    return count_precisions(report["Layers"])


def count_precisions(layers: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """The inspector's layers: their first output's `Format/Datatype`, without its layout. Pure."""
    kinds = (str(layer["Outputs"][0]["Format/Datatype"]) for layer in layers if layer.get("Outputs"))
    return Counter(kind.split()[-1] for kind in kinds)


def constant_bytes(plan: bytes) -> Counter[str]:
    """Type -> bytes of constants, read from the plain text that a TensorRT-RTX plan carries; not documented."""
    found: Counter[str] = Counter()
    for size, kind in re.findall(rb"const_payload_size=(\d+)[^\x00]{0,200}?type=(\w+)", plan):
        found[kind.decode()] += int(size)
    return found


def check_int8(counts: Mapping[str, int], wanted: int) -> None:
    """Raises ShortfallError unless INT8 really took: `wanted` layers run in INT8, after what the inspector counted."""
    found = sum(count for kind, count in counts.items() if kind.lower() == "int8")
    if found < wanted:
        raise ShortfallError(
            "TensorRT did not run the INT8 layers in INT8",
            found=f"{found} layers with INT8 results of {dict(counts)}",
            wanted=f"at least {wanted}",
            next_step="build with another TensorRT version, or use the FP16 engine",
        )
