"""The Runner on ONNX Runtime's CPU provider. Knows ONNX Runtime, and nothing else does.

Its threads do not spin: on a shared two-core machine spinning made the median half again slower. A Q/DQ graph runs as
written, without ONNX Runtime's own rewriting: that rounds biases to INT32 at the product of two float16 scales, which
underflows (a map of an INT8 + FP16 engine was off by a third), and is meant for other placements than TensorRT's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from radar_edge.errors import BundleError, MissingPackageError
from radar_edge.inference.runner import Inference, Runner, Tensor
from radar_edge.modality import Subset

OUTPUT_MAP = "anomaly_map"
OUTPUT_CONTRIBUTION = "contribution"


Session: TypeAlias = Any
"""onnxruntime.InferenceSession, which has no type stubs."""


def open_session(model: Path | bytes, *, threads: int = 1) -> Session:
    """A session on the CPU of an ONNX file or its bytes. Raises BundleError if it cannot be loaded."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingPackageError("onnxruntime", "ort", "the onnxruntime engine") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        name = "the graph" if isinstance(model, bytes) else model
        raise BundleError(f"{name} is not a model that ONNX Runtime can load", found=str(error)[:300]) from error


class OnnxRuntimeRunner(Runner):
    """A specialised ONNX file of one Subset, or its bytes, on the CPU."""

    def __init__(self, model: Path | bytes, subset: Subset, precision: str, *, threads: int = 1) -> None:
        session = open_session(model, threads=threads)
        shapes = {node.name: tuple(node.shape) for node in session.get_inputs()}
        if set(shapes) != set(subset.modalities):
            name = "the graph" if isinstance(model, bytes) else model
            raise BundleError(
                f"{name} is no engine for the subset {subset}", found=sorted(shapes), wanted=sorted(subset.modalities)
            )
        super().__init__(subset, precision, shapes)
        self._session: Session | None = session
        self._outputs = [node.name for node in session.get_outputs()]

    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        if self._session is None:
            raise ValueError("the runner is closed")
        outputs = dict(zip(self._outputs, self._session.run(self._outputs, dict(inputs)), strict=True))
        return Inference(outputs[OUTPUT_MAP], outputs.get(OUTPUT_CONTRIBUTION))

    def close(self) -> None:
        self._session = None
