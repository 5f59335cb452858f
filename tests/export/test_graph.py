from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from radar_edge.export.graph import input_reach, macs, parameters, static_shapes


def graph(nodes: list[object], taken: dict[str, list[object]], weights: dict[str, tuple[int, ...]]) -> ModelProto:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in taken.items()]
    tensors = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "g", inputs, [output], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize(
    ("operator", "attributes", "weight", "wanted"),
    [
        ("Conv", {"pads": [1, 1, 1, 1]}, (8, 4, 3, 3), 8 * 6 * 6 * 4 * 9),
        ("Conv", {"pads": [1, 1, 1, 1], "strides": [2, 2]}, (8, 4, 3, 3), 8 * 3 * 3 * 4 * 9),
        ("Conv", {"pads": [1, 1, 1, 1], "group": 4}, (8, 1, 3, 3), 8 * 6 * 6 * 9),
        ("ConvTranspose", {"strides": [2, 2]}, (4, 8, 2, 2), 4 * 6 * 6 * 8 * 4),
        ("MatMul", {}, (4, 6, 5), 4 * 6 * 5 * 6),
    ],
)
def test_multiply_accumulates_are_those_of_the_formula(
    operator: str, attributes: dict[str, object], weight: tuple[int, ...], wanted: int
) -> None:
    node = helper.make_node(operator, ["x", "w"], ["y"], **attributes)
    model = graph([node], {"x": [1, 4, 6, 6]}, {"w": weight})
    assert macs(model) == wanted
    assert parameters(model) == np.prod(weight)


@pytest.mark.parametrize(("turned", "shape"), [(0, [3, 7]), (1, [7, 3])])
def test_a_matrix_product_counts_its_inner_length(turned: int, shape: list[object]) -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transA=turned)
    assert macs(graph([node], {"x": shape}, {"w": (7, 5)})) == 3 * 5 * 7


def test_an_open_shape_is_refused() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(ValueError, match="no fixed shape"):
        static_shapes(graph([node], {"x": [1, "n"]}, {}))


def test_reach_follows_the_nodes() -> None:
    nodes = [
        helper.make_node("Add", ["a", "w"], ["p"]),
        helper.make_node("Add", ["w", "w"], ["q"]),
        helper.make_node("Sum", ["p", "q", "b"], ["y"]),
    ]
    reach = input_reach(graph(nodes, {"a": [1], "b": [1]}, {"w": (1,)}))
    assert (reach["p"], reach["q"], reach["y"]) == ({"a"}, set(), {"a", "b"})
