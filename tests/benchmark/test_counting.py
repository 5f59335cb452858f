"""Counts of graphs whose work can be told by hand, and of RADAR's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from radar_edge.benchmark.counting import Cost, cost_of, input_shapes, load_graph
from radar_edge.benchmark.size import faults
from radar_edge.errors import BundleError, UsageError
from radar_edge.export import roofline
from radar_edge.export.graph import macs, parameters


def graph(
    nodes: list[onnx.NodeProto], shape: list[object], weights: dict[str, tuple[int, ...]], domain: str = ""
) -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(size, np.float32), name) for name, size in weights.items()],
    )
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize(
    ("operator", "attributes", "shape", "weight", "wanted"),
    [
        ("Conv", {"pads": [1, 1, 1, 1]}, [1, 4, 6, 6], (8, 4, 3, 3), 8 * 6 * 6 * 4 * 9),
        ("Conv", {"strides": [2, 2], "group": 4}, [1, 4, 7, 7], (8, 1, 3, 3), 8 * 3 * 3 * 9),
        ("ConvTranspose", {"strides": [2, 2]}, [1, 4, 6, 6], (4, 8, 2, 2), 4 * 6 * 6 * 8 * 4),
        ("MatMul", {}, [1, 4, 6, 6], (6, 5), 4 * 6 * 5 * 6),
        ("Gemm", {"transA": 1, "transB": 1}, [7, 3], (5, 7), 3 * 5 * 7),
        ("Gemm", {}, [3, 7], (7, 5), 3 * 5 * 7),
    ],
)
def test_a_layer_costs_what_its_formula_says(
    operator: str, attributes: dict[str, object], shape: list[object], weight: tuple[int, ...], wanted: int
) -> None:
    model = graph([helper.make_node(operator, ["x", "w"], ["y"], **attributes)], shape, {"w": weight})
    assert cost_of(model) == Cost(wanted, int(np.prod(weight)))


def test_a_graph_whose_sizes_follow_from_its_input_is_counted_as_it_runs() -> None:
    """Resize to the input's own size, twice: shape inference alone does not know it."""
    size = numpy_helper.from_array(np.array([1, 1, 2, 2], np.int64), "twice")
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Mul", ["shape", "twice"], ["size"]),
        helper.make_node("Resize", ["x", "", "", "size"], ["large"], mode="nearest"),
        helper.make_node("Conv", ["large", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    model = graph(nodes, [1, 2, 5, 5], {"w": (3, 2, 3, 3)})
    model.graph.initializer.append(size)
    with pytest.raises(ValueError, match="no fixed shape"):
        macs(model)
    assert cost_of(model) == Cost(3 * 10 * 10 * 2 * 9, 3 * 2 * 9)


def test_weights_in_constant_nodes_count_and_single_numbers_do_not() -> None:
    bank = numpy_helper.from_array(np.ones((6, 5), np.float32))
    one = numpy_helper.from_array(np.array(0.5, np.float32))
    nodes = [
        helper.make_node("Constant", [], ["w"], value=bank),
        helper.make_node("Constant", [], ["half"], value=one),
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Mul", ["p", "half"], ["y"]),
    ]
    assert cost_of(graph(nodes, [4, 6], {})) == Cost(4 * 5 * 6, 30)


def test_both_ways_to_count_agree() -> None:
    model = onnx.load_from_string(roofline.roofline_graph())
    assert cost_of(model) == Cost(macs(model), parameters(model))
    assert cost_of(model).macs == roofline.MACS


def test_what_cannot_be_counted_is_refused() -> None:
    einsum = helper.make_node("Einsum", ["x", "w"], ["y"], equation="ij,jk->ik")
    with pytest.raises(UsageError, match="Einsum"):
        cost_of(graph([einsum], [3, 4], {"w": (4, 5)}))
    foreign = helper.make_node("FusedConv", ["x", "w"], ["y"], domain="com.microsoft")
    with pytest.raises(UsageError, match="FusedConv"):
        cost_of(graph([foreign], [1, 4, 6, 6], {"w": (8, 4, 3, 3)}, "com.microsoft"))


def test_an_open_batch_is_refused_by_the_name_of_the_input() -> None:
    with pytest.raises(UsageError, match="input x"):
        input_shapes(graph([helper.make_node("Relu", ["x"], ["y"])], ["n", 3], {}))


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\xff\xfe no protobuf")
    with pytest.raises(BundleError, match="no ONNX file"):
        load_graph(tmp_path / "x.onnx")
    with pytest.raises(BundleError, match="no ONNX file"):
        load_graph(tmp_path / "absent.onnx")


def test_every_bar_of_size_can_be_missed() -> None:
    whole = Cost(3_000_000_000, 1_000_000)
    assert faults({"rgb": Cost(1_500_000_000, 550_000)}, whole) == []
    missed = faults({"rgb": Cost(1_800_000_000, 600_000)}, Cost(3_600_000_000 - 400_000_000, 1_000_000))
    assert missed == [
        "rgb has 60.0% of the parameters of all, wanted at most 55%",
        "rgb has 56.2% of the GMAC of all, wanted at most 55%",
    ]
    assert len(faults({}, Cost(3_600_000_000, 2_100_000))) == 2
