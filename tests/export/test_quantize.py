"""Q/DQ placement and rounding, on the toy network and on graphs made by hand; FP16 typing of what comes out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from toy import toy_graph

from radar_edge.export.graph import input_names, output_names
from radar_edge.export.half import to_half
from radar_edge.export.layers import count, layer_facts
from radar_edge.export.onnx_export import OPSET
from radar_edge.export.quantize import (
    LEAST_SCALE,
    int8_weight,
    layers_of,
    quantisable,
    quantize,
    tensors_to_range,
)
from radar_edge.export.specialize import run, specialize
from radar_edge.modality import Subset, all_subsets

NAMES = ("rgb", "tir", "depth")


def inputs_of(model: onnx.ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def ranged(model: onnx.ModelProto) -> dict[str, float]:
    """True ranges on one random input."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    names = tensors_to_range(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    found = run(probe, inputs_of(model))
    return {name: float(np.abs(found[name]).max()) for name in names}


@pytest.fixture(scope="module")
def both(full: onnx.ModelProto) -> onnx.ModelProto:
    return specialize(full, Subset(("rgb", "tir")), NAMES)


def test_a_weight_is_off_by_half_a_step_at_most() -> None:
    weight = np.random.default_rng(0).standard_normal((8, 4, 3, 3), np.float32) * np.logspace(-2, 1, 8).reshape(
        8, 1, 1, 1
    ).astype(np.float32)
    values, scale = int8_weight(weight, 0)
    assert values.dtype == np.int8
    assert np.abs(values).max(axis=(1, 2, 3)).tolist() == [127] * 8
    back = values * scale.reshape(8, 1, 1, 1)
    assert (np.abs(back - weight) <= scale.reshape(8, 1, 1, 1) / 2 * 1.001).all()


def test_a_dead_channel_has_a_scale_that_float16_can_hold() -> None:
    values, scale = int8_weight(np.zeros((2, 3, 1, 1), np.float32), 0)
    assert (values == 0).all()
    assert scale.tolist() == [LEAST_SCALE] * 2
    assert float(np.float16(LEAST_SCALE)) == LEAST_SCALE


@pytest.mark.parametrize("count_of", [1, 2, 3])
def test_every_subset_is_rounded_and_stays_close(count_of: int) -> None:
    names = NAMES[:count_of]
    whole = toy_graph(names)
    for subset in all_subsets(names):
        fp32 = specialize(whole, subset, names)
        rounded = quantize(fp32, ranged(fp32))
        inputs = inputs_of(fp32)
        wanted, found = run(fp32, inputs), run(rounded, inputs)
        for name, array in wanted.items():
            assert 0 < np.abs(found[name] - array).max() < 0.05 * np.abs(array).max(), (subset, name)
        assert (input_names(rounded), output_names(rounded)) == (set(subset), output_names(fp32))


def test_placement_is_what_tensorrt_fuses(both: onnx.ModelProto) -> None:
    rounded = quantize(both, ranged(both))
    made_by = {name: node for node in rounded.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in rounded.graph.initializer}
    chosen = [layer for layer in layers_of(both) if quantisable(layer)]
    assert chosen
    in_int8 = []
    for node in rounded.graph.node:
        if node.op_type != "Conv":
            continue
        back = [made_by.get(name) for name in node.input[:2]]
        if back[0] is None or back[0].op_type != "DequantizeLinear":
            assert node.input[1] in constants, "a layer is rounded wholly or not at all"
            continue
        in_int8.append(node.name)
        assert made_by[back[0].input[0]].op_type == "QuantizeLinear"
        assert constants[back[0].input[1]].dims == [], "activations have one scale"
        weight = constants[back[1].input[0]]
        assert weight.data_type == TensorProto.INT8
        assert list(constants[back[1].input[1]].dims) == [weight.dims[0]], "weights have one scale a channel"
        assert constants[node.input[2]].data_type == TensorProto.FLOAT, "biases are not rounded"
    assert len(in_int8) == len(chosen)
    for tensor in rounded.graph.initializer:
        if tensor.name.endswith("_zero"):
            assert not numpy_helper.to_array(tensor).any()
    assert {entry.domain: entry.version for entry in rounded.opset_import} == {"": OPSET}


def test_one_activation_that_two_layers_read_is_rounded_once(both: onnx.ModelProto) -> None:
    rounded = quantize(both, ranged(both))
    sources = Counter(node.input[0] for node in rounded.graph.node if node.op_type == "QuantizeLinear")
    assert max(sources.values()) == 1


def test_layers_can_be_kept(both: onnx.ModelProto) -> None:
    amax = ranged(both)
    names = [layer.name for layer in layers_of(both) if quantisable(layer)]
    before = count(layer_facts(quantize(both, amax)))["int8"]
    after = layer_facts(quantize(both, amax, [names[0]]))
    assert before == len(names)
    assert count(after)["int8"] == before - 1
    assert {fact.name: fact.precision for fact in after}[names[0]] == "fp32"
    with pytest.raises(ValueError, match="no such layers"):
        quantize(both, amax, ["encoders.rgb.nothing"])


def test_layers_of_few_channels_keep_their_precision(both: onnx.ModelProto) -> None:
    facts = {fact.name: fact.precision for fact in layer_facts(quantize(both, ranged(both)))}
    assert facts["encoders.rgb.0.0"] == "fp32", "reads the image"
    assert facts["head"] == "fp32", "writes the logits"
    assert facts["encoders.rgb.1.0"] == "int8"


@pytest.mark.parametrize("amax", [{}, {"all": 0.0}, {"all": float("nan")}])
def test_a_range_that_is_missing_or_says_nothing_is_refused(both: onnx.ModelProto, amax: dict[str, float]) -> None:
    given = dict.fromkeys(tensors_to_range(both), amax["all"]) if amax else {}
    with pytest.raises(ValueError, match="has no range"):
        quantize(both, given)


def test_a_transposed_convolution_has_its_channels_on_axis_1() -> None:
    weight = np.random.default_rng(0).standard_normal((8, 16, 2, 2), np.float32)
    graph = helper.make_graph(
        [helper.make_node("ConvTranspose", ["x", "up.weight"], ["y"], strides=[2, 2])],
        "up",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 8, 8])],
        [numpy_helper.from_array(weight, "up.weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    (layer,) = layers_of(model)
    assert layer.channels == (8, 16)
    rounded = quantize(model, {"x": 4.0})
    node = next(n for n in rounded.graph.node if n.op_type == "DequantizeLinear" and "weight" in n.input[0])
    assert [a.i for a in node.attribute if a.name == "axis"] == [1]
    inputs = inputs_of(model)
    gap = np.abs(run(rounded, inputs)["y"] - run(model, inputs)["y"]).max()
    assert 0 < gap < 0.2


@pytest.mark.parametrize("rounded", [False, True])
def test_half_precision_keeps_float32_inputs_and_outputs(
    both: onnx.ModelProto, rounded: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    amax = ranged(both)
    graph = quantize(both, amax) if rounded else both
    half = to_half(graph)
    for value in (*half.graph.input, *half.graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
    assert (input_names(half), output_names(half)) == (input_names(both), output_names(both))
    kinds = count(layer_facts(half))
    assert kinds["fp32"] == 0
    assert (kinds["int8"] > 0) is rounded
    inputs = inputs_of(both)
    for name, array in run(graph, inputs).items():
        assert np.abs(run(half, inputs)[name] - array).max() < 0.01 * np.abs(array).max()
    text = half.SerializeToString()
    assert b"/" + b"radar_edge" not in text
    assert b"site-packages" not in text
    assert capsys.readouterr().out == "", "stdout belongs to --json"
