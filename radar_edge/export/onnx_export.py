"""From a trained network to one full ONNX graph. Knows torch.onnx, nothing of Subsets.

    inputs     <modality> [1, C, H, W] float32, one a modality; mask [1, M] float32, 1 = present
    outputs    anomaly_map [1, 1, H, W] logits; contribution [1, M, h, w]

Opset 20 and IR 10 are what TensorRT 10.3 on the oldest supported JetPack reads.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from radar_edge.inference.onnxruntime_runner import OUTPUT_CONTRIBUTION, OUTPUT_MAP

OPSET, IR_VERSION = 20, 10
MASK = "mask"
NOISY_LOGGERS = (
    "torch.onnx._internal.exporter._registration",
    "onnx_ir.passes.common.initializer_deduplication",
)


class Positional(nn.Module):
    """The network with its inputs in a row, as the exporter wants them: every modality, then the mask."""

    def __init__(self, model: nn.Module, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.modalities = modalities

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(dict(zip(self.modalities, tensors[:-1], strict=True)), tensors[-1])
        return output.anomaly_map, output.contribution


def export_onnx(model: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """`model`: called with {modality: [1, C, H, W]} and mask [1, M]. `shapes`: input shape of every modality, in order.

    Initializers keep the parameters' names behind `model.`; the batch is 1; no path of this machine is left in it.
    """
    modalities = tuple(shapes)
    examples = (*(torch.zeros(shape) for shape in shapes.values()), torch.ones(1, len(modalities)))
    with quiet_exporter():
        program = torch.onnx.export(
            Positional(model, modalities).eval(),
            examples,
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=[*modalities, MASK],
            output_names=[OUTPUT_MAP, OUTPUT_CONTRIBUTION],
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter gave no graph")
    full: onnx.ModelProto = program.model_proto
    strip_metadata(full)
    full.ir_version = min(full.ir_version, IR_VERSION)
    check_portable(full)
    return full


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Silences what is said at every export: packages that we do not use, tensors that stay as they are, and a
    deprecation inside torch."""
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def strip_metadata(model: onnx.ModelProto) -> None:
    """The exporter writes source paths and stack traces into every node and value."""
    graph = model.graph
    for holder in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")


def check_portable(model: onnx.ModelProto) -> None:
    """Raises RuntimeError unless the graph uses opset 20 of ONNX alone, so that every TensorRT can read it."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET} or model.functions:
        raise RuntimeError(f"the graph needs {opsets} and {len(model.functions)} functions, not opset {OPSET} alone")
    onnx.checker.check_model(model, full_check=True)
