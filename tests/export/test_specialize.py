from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import helper
from toy import SIZE, shapes, toy_graph

from radar_edge.export import specialize as module
from radar_edge.export.graph import input_names, macs, output_names, parameters
from radar_edge.export.specialize import check_clean, check_equal, foreign_weights, run, specialize
from radar_edge.modality import Subset, all_subsets

ALL = ("rgb", "tir", "depth")
SUBSETS = all_subsets(ALL)


@pytest.mark.parametrize("subset", SUBSETS, ids=str)
def test_an_engine_equals_the_masked_graph_and_holds_nothing_of_the_absent(
    full: onnx.ModelProto, subset: Subset
) -> None:
    engine = specialize(full, subset, ALL)
    assert input_names(engine) == set(subset)
    assert output_names(engine) == ({"anomaly_map"} if len(subset) == 1 else {"anomaly_map", "contribution"})
    weights = [tensor.name for tensor in engine.graph.initializer if "position" not in tensor.name]
    assert not [name for name in weights if not set(name.split(".")).isdisjoint(set(ALL) - set(subset))]
    operators = {node.op_type for node in engine.graph.node}
    assert len(subset) > 1 or not operators & {"Exp", "Div", "Concat", "Mul", "Sub"}

    rng = np.random.default_rng(7)
    inputs = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes(ALL).items()}
    mask = np.array([subset.mask(ALL)], np.float32)
    wanted = run(full, {**inputs, "mask": mask})
    found = run(engine, {name: inputs[name] for name in subset})
    assert np.abs(found["anomaly_map"] - wanted["anomaly_map"]).max() <= 1e-5
    if len(subset) > 1:
        assert found["contribution"].shape == (1, len(subset), SIZE, SIZE)
        assert np.abs(found["contribution"] - wanted["contribution"][:, mask[0] > 0]).max() <= 1e-5


def test_weights_and_work_shrink_with_the_subset(full: onnx.ModelProto) -> None:
    rgb, both, everything = (specialize(full, Subset(names), ALL) for names in (ALL[:1], ALL[:2], ALL))
    assert macs(rgb) < 0.6 * macs(both) < macs(both) < macs(everything) == macs(full)
    assert parameters(rgb) < parameters(both) < parameters(everything)


def test_what_an_absent_camera_shows_cannot_matter(full: onnx.ModelProto) -> None:
    inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes(ALL).items()}
    inputs["tir"][:] = np.nan
    masked = run(full, {**inputs, "mask": np.array([[1, 0, 0]], np.float32)})
    assert np.isnan(masked["anomaly_map"]).all(), "a mask alone does not keep a NaN out"
    engine = specialize(full, Subset(("rgb",)), ALL)
    assert np.isfinite(run(engine, {"rgb": inputs["rgb"]})["anomaly_map"]).all()


def test_a_model_of_one_modality_loses_only_its_mask() -> None:
    full = toy_graph(("rgb",))
    engine = specialize(full, Subset(("rgb",)), ("rgb",))
    assert (input_names(engine), output_names(engine)) == ({"rgb"}, {"anomaly_map"})
    assert macs(engine) < macs(full)


def test_the_full_graph_is_left_as_it_was_and_results_repeat(full: onnx.ModelProto) -> None:
    before = full.SerializeToString(deterministic=True)
    engines = [specialize(full, SUBSETS[0], ALL).SerializeToString(deterministic=True) for _ in range(2)]
    assert engines[0] == engines[1]
    assert full.SerializeToString(deterministic=True) == before


def test_weights_of_a_pair_and_of_the_absent_branch_are_foreign(full: onnx.ModelProto) -> None:
    foreign = foreign_weights(full, Subset(("tir", "depth")), ALL)
    assert {"model.encoders.rgb.0.0.weight", "model.gap.rgb.tir.weight", "model.attend.rgb.weight"} <= foreign
    assert not {"model.encoders.tir.0.0.weight", "model.gap.tir.depth.weight", "model.head.weight"} & foreign


def test_a_weight_that_the_exporter_merged_with_a_present_one_is_not_foreign(full: onnx.ModelProto) -> None:
    (merged,) = [tensor.name for tensor in full.graph.initializer if "position" in tensor.name]
    owner = merged.split(".")[-1]
    others = Subset(tuple(name for name in ALL if name != owner))
    assert merged not in foreign_weights(full, others, ALL)


def test_an_engine_of_another_subset_is_refused(full: onnx.ModelProto) -> None:
    rgb, tir = Subset(("rgb",)), Subset(("tir",))
    engine = specialize(full, rgb, ALL)
    with pytest.raises(RuntimeError, match="inputs"):
        check_clean(engine, full, tir, ALL)
    nameless = changed(engine, lambda graph: graph.output[0].ClearField("name"))
    with pytest.raises(RuntimeError, match="outputs"):
        check_clean(nameless, full, rgb, ALL)


def test_a_weight_of_an_absent_modality_is_found(full: onnx.ModelProto) -> None:
    rgb = Subset(("rgb",))
    weight = next(tensor for tensor in full.graph.initializer if tensor.name == "model.encoders.tir.0.0.weight")
    engine = changed(specialize(full, rgb, ALL), lambda graph: graph.initializer.append(weight))
    with pytest.raises(RuntimeError, match=r"encoders\.tir"):
        check_clean(engine, full, rgb, ALL)


def test_another_number_is_found(full: onnx.ModelProto) -> None:
    def nudge(graph: onnx.GraphProto) -> None:
        head = next(tensor for tensor in graph.initializer if tensor.name == "model.head.bias")
        head.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(head) + 1e-3, head.name))

    rgb = Subset(("rgb",))
    with pytest.raises(RuntimeError, match="anomaly_map by"):
        check_equal(changed(specialize(full, rgb, ALL), nudge), full, rgb, ALL)


def test_a_fusion_that_algebra_cannot_undo_is_refused(full: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RULES", {})
    with pytest.raises(RuntimeError):
        specialize(full, Subset(("rgb",)), ALL)


def changed(model: onnx.ModelProto, change: Callable[[onnx.GraphProto], object]) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy.graph)
    return copy


@pytest.mark.parametrize(
    ("operator", "inputs", "wanted"),
    [
        ("Mul", ("x", "zero"), "0"),
        ("Mul", ("zero", "x"), "0"),
        ("Mul", ("x", "one"), "x"),
        ("Mul", ("x", "ones_wide"), "kept"),
        ("Mul", ("x", "two"), "kept"),
        ("Add", ("x", "zero"), "x"),
        ("Add", ("zero", "x"), "x"),
        ("Add", ("x", "zeros_wide"), "kept"),
        ("Sub", ("x", "zero"), "x"),
        ("Sub", ("zero", "x"), "kept"),
        ("Div", ("zero", "x"), "0"),
        ("Div", ("x", "one"), "x"),
        ("Div", ("one", "x"), "kept"),
        ("Div", ("x", "x"), "1"),
        ("Div", ("x", "z"), "kept"),
    ],
)
def test_each_rule_of_algebra(operator: str, inputs: tuple[str, str], wanted: str) -> None:
    tensors = {name: gs.Variable(name, np.float32, (1, 3)) for name in ("x", "z")}
    tensors |= {
        name: gs.Constant(name, np.full(shape, value, np.float32))
        for name, shape, value in (
            ("zero", (1, 1), 0),
            ("one", (1, 1), 1),
            ("two", (1, 1), 2),
            ("ones_wide", (4, 3), 1),
            ("zeros_wide", (4, 3), 0),
        )
    }
    shape = (4, 3) if inputs[1].endswith("wide") else (1, 3)
    y = gs.Variable("y", np.float32, shape)
    node = gs.Node(operator, inputs=[tensors[name] for name in inputs], outputs=[y])
    graph = gs.Graph([node], inputs=[tensors["x"], tensors["z"]], outputs=[y])
    assert module.reduce_node(graph, node) == (wanted != "kept")
    (output,) = graph.outputs
    assert output.name == "y"
    if wanted == "kept":
        assert output is y
    elif wanted == "x":
        assert output is tensors["x"]
    else:
        assert isinstance(output, gs.Constant)
        assert (output.values == float(wanted)).all()
        assert output.values.shape == shape


def test_a_contribution_that_is_no_concatenation_is_refused(full: onnx.ModelProto) -> None:
    broken = changed(full, lambda graph: None)
    for node in broken.graph.node:
        node.output[:] = ["alphas" if name == "contribution" else name for name in node.output]
    broken.graph.node.append(helper.make_node("Relu", ["alphas"], ["contribution"]))
    with pytest.raises(RuntimeError, match="made by Relu"):
        specialize(broken, Subset(ALL), ALL)
