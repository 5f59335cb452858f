"""Plans: the API of three TensorRT versions, and real compilations with TensorRT-RTX, which needs no GPU."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
import trt_names

from radar_edge.errors import MissingPackageError, ShortfallError
from radar_edge.export import engine_build, preflight
from radar_edge.export.engine_build import PlanError, PlanOptions, build_plan, check_int8, count_precisions, load
from radar_edge.export.half import to_half
from radar_edge.export.quantize import quantize, tensors_to_range
from radar_edge.export.specialize import specialize
from radar_edge.inference import tensorrt_runner, trt_log
from radar_edge.modality import Subset
from radar_edge.targets import target

SOURCE = Path(engine_build.__file__).read_text(encoding="utf-8")
BOTH = Subset(("rgb", "tir"))


@pytest.fixture(scope="module")
def graphs(full: onnx.ModelProto) -> dict[str, bytes]:
    """The toy's engine of two modalities at every precision."""
    fp32 = specialize(full, BOTH, ("rgb", "tir", "depth"))
    rounded = quantize(fp32, dict.fromkeys(tensors_to_range(fp32), 4.0))
    made = {"fp32": fp32, "fp16": to_half(fp32), "int8": to_half(rounded)}
    return {name: graph.SerializeToString() for name, graph in made.items()}


@pytest.mark.parametrize("version", ["10.3.0", "10.16.0.72", "11.4.0.106"])
@pytest.mark.parametrize("module", [engine_build, tensorrt_runner, trt_log], ids=lambda module: module.__name__)
def test_every_name_of_tensorrt_exists_in_every_supported_version(module: ModuleType, version: str) -> None:
    source = Path(module.__file__ or "").read_text(encoding="utf-8")
    assert trt_names.faults(source, version) == []


def test_the_runner_uses_what_an_engine_and_a_context_have() -> None:
    used = set(trt_names.uses(Path(tensorrt_runner.__file__).read_text(encoding="utf-8")))
    assert {
        ("ICudaEngine", "create_execution_context"),
        ("ICudaEngine", "device_memory_size_v2"),
        ("IExecutionContext", "execute_async_v3"),
        ("IExecutionContext", "set_device_memory"),
        ("Runtime", "deserialize_cuda_engine"),
    } <= used


def test_the_lists_are_read_from_what_is_used() -> None:
    assert trt_names.versions() == ["10.16.0.72", "10.3.0", "11.4.0.106"]
    used = set(trt_names.uses(SOURCE))
    assert {("Builder", "build_serialized_network"), ("ParserError", "desc"), ("", "OnnxParser")} <= used
    assert ("NetworkDefinitionCreationFlag", "STRONGLY_TYPED") in used
    assert len(used) > 20


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("config.max_workspace_size = 1", "IBuilderConfig.max_workspace_size"),
        ("builder.build_engine(network, config)", "Builder.build_engine"),
        ("engine.num_bindings", "ICudaEngine.num_bindings"),
        ("context.execute_async_v2", "IExecutionContext.execute_async_v2"),
        ("config.set_flag(trt.BuilderFlag.FP16)", "BuilderFlag.FP16"),
        ("parser.get_error(0).describe()", "ParserError.describe"),
        ("trt.IInt8EntropyCalibrator2", "trt.IInt8EntropyCalibrator2"),
    ],
)
def test_a_wrong_name_is_caught(planted: str, fault: str) -> None:
    assert trt_names.faults(f"{SOURCE}\n{planted}\n", "11.4.0.106") == [fault]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_graph_compiles_and_its_int8_weights_stay_int8(graphs: dict[str, bytes], precision: str) -> None:
    found = preflight.compiler(target("orin-nano-8gb"))(graphs[precision])
    wanted = preflight.int8_bytes(onnx.load_from_string(graphs[precision]))
    assert found.flavour.startswith("tensorrt_rtx 1.")
    assert found.plan_bytes > 10_000
    assert (wanted > 0) is (precision == "int8")
    assert found.int8_bytes >= wanted


def test_a_rebuilt_plan_is_the_same_to_the_bit(graphs: dict[str, bytes]) -> None:
    trt = load("tensorrt_rtx")
    one, two = (build_plan(trt, graphs["int8"], PlanOptions()) for _ in range(2))
    assert one.data == two.data
    assert one.layers > 10


def test_progress_reaches_the_end_of_every_phase(graphs: dict[str, bytes]) -> None:
    last: dict[str, tuple[int, int]] = {}
    build_plan(load("tensorrt_rtx"), graphs["fp32"], PlanOptions(), lambda phase, *step: last.update({phase: step}))
    assert "Building engine" in last
    assert all(done == total for done, total in last.values())


def test_what_is_no_graph_is_said_in_tensorrts_own_words() -> None:
    with pytest.raises(PlanError, match="Failed to parse the ONNX model") as caught:
        build_plan(load("tensorrt_rtx"), b"no graph", PlanOptions())
    assert caught.value.exit_code == 1


def test_an_int8_weight_that_is_lost_on_the_way_is_a_shortfall(
    graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "int8_bytes", lambda _: 10**9)
    with pytest.raises(ShortfallError, match="INT8"):
        preflight.compiler()(graphs["int8"])


def test_an_absent_tensorrt_names_its_extra() -> None:
    with pytest.raises(MissingPackageError, match=r"radar-edge\[trt\]"):
        load("tensorrt")


def test_the_empty_package_that_stubs_leave_behind_is_no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", ModuleType("tensorrt"))
    with pytest.raises(MissingPackageError, match="tensorrt"):
        load("tensorrt")


def test_layers_of_the_inspector_are_counted_by_type() -> None:
    layers = [
        {"Name": "conv", "Outputs": [{"Format/Datatype": "Thirty-two wide channel vectorized row major Int8"}]},
        {"Name": "head", "Outputs": [{"Format/Datatype": "Row major linear FP16"}]},
        {"Name": "signal", "Outputs": []},
    ]
    counts = count_precisions(layers)
    assert counts == {"Int8": 1, "FP16": 1}
    check_int8(counts, 1)
    with pytest.raises(ShortfallError, match="at least 2"):
        check_int8(counts, 2)


def test_int8_bytes_leaves_out_zero_points(graphs: dict[str, bytes]) -> None:
    model = onnx.load_from_string(graphs["int8"])
    weights = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4]
    assert preflight.int8_bytes(model) == sum(int(np.prod(t.dims)) for t in weights)
