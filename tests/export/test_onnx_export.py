from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from toy import SIZE, shapes, toy

import radar_edge
from radar_edge.export.onnx_export import check_portable, export_onnx
from radar_edge.inference.onnxruntime_runner import open_session

ALL = ("rgb", "tir", "depth")


def test_the_graph_has_the_agreed_inputs_outputs_and_versions(full: onnx.ModelProto) -> None:
    def sizes(values: object) -> dict[str, list[int]]:
        return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}  # type: ignore[attr-defined]

    assert sizes(full.graph.input) == {
        "rgb": [1, 3, SIZE, SIZE],
        "tir": [1, 2, SIZE, SIZE],
        "depth": [1, 1, SIZE, SIZE],
        "mask": [1, 3],
    }
    assert sizes(full.graph.output) == {"anomaly_map": [1, 1, SIZE, SIZE], "contribution": [1, 3, SIZE, SIZE]}
    assert [(entry.domain, entry.version) for entry in full.opset_import] == [("", 20)]
    assert full.ir_version <= 10


def test_it_computes_what_the_network_computes(full: onnx.ModelProto) -> None:
    rng = np.random.default_rng(1)
    inputs = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes(ALL).items()}
    mask = np.array([[1, 0, 1]], np.float32)
    with torch.inference_mode():
        wanted = toy(ALL)({name: torch.from_numpy(x) for name, x in inputs.items()}, torch.from_numpy(mask))
    found = open_session(full.SerializeToString()).run(["anomaly_map", "contribution"], {**inputs, "mask": mask})
    for array, tensor in zip(found, wanted, strict=True):
        np.testing.assert_allclose(array, tensor.numpy(), atol=1e-5)


def test_no_path_of_this_machine_is_left_in_it(full: onnx.ModelProto) -> None:
    data = full.SerializeToString()
    for path in (Path(radar_edge.__file__).parent, Path(torch.__file__).parent, Path(__file__).parent):
        assert str(path).encode() not in data
    assert b"stack_trace" not in data


def test_exporting_says_nothing_and_leaves_the_loggers_alone(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = logging.getLogger("torch.onnx._internal.exporter._registration").level
    export_onnx(toy(("rgb",)), shapes(("rgb",)))
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert logging.getLogger("torch.onnx._internal.exporter._registration").level == before


def test_operators_of_others_are_refused(full: onnx.ModelProto) -> None:
    foreign = onnx.ModelProto()
    foreign.CopyFrom(full)
    foreign.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(RuntimeError, match=r"com\.microsoft"):
        check_portable(foreign)
