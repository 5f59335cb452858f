"""FP16 as types in the graph, by ModelOpt's AutoCast; inputs and outputs stay float32. Knows no images.

AutoCast leaves in float32 what half precision would overflow or what has no half-precision kernel, and puts casts
around it. A Q/DQ graph goes through as well: then what is not INT8 is FP16.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from pathlib import Path

import onnx

from radar_edge import __version__
from radar_edge.errors import MissingPackageError
from radar_edge.export.graph import input_names, output_names
from radar_edge.export.onnx_export import IR_VERSION, check_portable, strip_metadata

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The FP16 graph of an engine, FP32 or Q/DQ.

    Raises MissingPackageError without ModelOpt, RuntimeError if inputs and outputs are not the same float32 ones
    or nothing became half.
    """
    try:
        from modelopt.onnx.autocast import convert_to_mixed_precision
        from modelopt.onnx.logging_config import logger
    except ImportError as error:
        raise MissingPackageError("nvidia-modelopt", "export", "making FP16 engines") from error
    for handler in logger.handlers:
        handler.setLevel(logging.ERROR)  # it writes to stdout, which belongs to --json
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.onnx"
        onnx.save(model, path)
        half: onnx.ModelProto = convert_to_mixed_precision(str(path), low_precision_type="fp16", keep_io_types=True)
    strip_metadata(half)
    half.ir_version = min(half.ir_version, IR_VERSION)
    half.producer_name, half.producer_version = "radar-edge", __version__
    del half.graph.value_info[:]
    check_portable(half)
    check_types(half, model)
    return half


def check_types(half: onnx.ModelProto, model: onnx.ModelProto) -> None:
    if (input_names(half), output_names(half)) != (input_names(model), output_names(model)):
        raise RuntimeError("AutoCast changed the inputs or outputs")
    for value in (*half.graph.input, *half.graph.output):
        if value.type.tensor_type.elem_type != FLOAT:
            raise RuntimeError(f"{value.name} is no longer float32")
    kinds = Counter(tensor.data_type for tensor in half.graph.initializer)
    if not kinds[HALF]:
        raise RuntimeError("AutoCast made nothing half precision")
