"""Calibration sets, ranges and their records: chosen reproducibly, refused when they would lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from radar_edge.config import load_config
from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError, UsageError
from radar_edge.export.calibrate import (
    CalibrationRecord,
    CalibrationSet,
    TensorRange,
    check_batch,
    check_unseen,
    choose_parts,
    measure_ranges,
    read_record,
    record_file,
    set_digest,
    write_record,
)
from radar_edge.export.onnx_export import OPSET
from radar_edge.modality import Subset

RGB = Subset(("rgb",))
CALIBRATION = Path(__file__).parents[2] / "calibration"


def sample(name: str, group: str, folder: Path = Path(), split: str = "train") -> Sample:
    return Sample(split, "good", name, {"rgb": folder / f"{name}.png"}, group=group)


def test_parts_are_spread_over_groups_whatever_their_order() -> None:
    samples = [sample(f"{group}{i}", group) for group in "abcd" for i in range(10)]
    chosen = choose_parts(samples, RGB, 6)
    assert [part.name for part in chosen] == ["a0", "b0", "c0", "d0", "a1", "b1"]
    assert choose_parts(samples[::-1], RGB, 6) == chosen
    assert len(choose_parts(samples, RGB, 100)) == 40


def test_of_more_groups_than_are_wanted_some_are_taken_evenly() -> None:
    samples = [sample(f"{i:03}", f"{i:03}") for i in range(101)]
    assert [part.name for part in choose_parts(samples, RGB, 3)] == ["000", "050", "100"]


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DatasetError, match="calibration set of tir is empty"):
        choose_parts([sample("a", "a")], Subset(("tir",)), 4)


def test_a_set_that_overlaps_the_test_split_is_refused(tmp_path: Path) -> None:
    for name, data in (("a", b"1"), ("b", b"2"), ("copy", b"2")):
        (tmp_path / f"{name}.png").write_bytes(data)
    tests = [sample("copy", "x", tmp_path, "test")]
    check_unseen([sample("a", "a", tmp_path)], tests)
    with pytest.raises(DatasetError, match=r"b\.png is an image of test/good/copy"):
        check_unseen([sample("a", "a", tmp_path), sample("b", "b", tmp_path)], tests)
    with pytest.raises(DatasetError, match="test/good/copy is a test part"):
        check_unseen(tests, tests)


@pytest.mark.parametrize(("value", "fault"), [(np.nan, "no numbers"), (np.inf, "no numbers"), (0.0, "the same value")])
def test_a_bad_batch_names_the_part(value: float, fault: str) -> None:
    batch = np.random.default_rng(0).random((2, 1, 4, 4)).astype(np.float32)
    batch[1] = value
    parts = [sample("fine", "a"), sample("bad", "b")]
    with pytest.raises(DatasetError, match=f"train/good/bad rgb: .*{fault}") as caught:
        check_batch(parts, {"rgb": batch})
    assert "fine" not in str(caught.value)


def test_the_set_digest_follows_images_and_definition(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    parts = [sample("a", "a", tmp_path)]
    first = set_digest(parts, RGB, CalibrationSet())
    assert set_digest(parts, RGB, CalibrationSet()) == first
    assert set_digest(parts, RGB, CalibrationSet(seed=1)) != first
    (tmp_path / "a.png").write_bytes(b"2")
    assert set_digest(parts, RGB, CalibrationSet()) != first


def doubler() -> onnx.ModelProto:
    """y = -2 x, z = y + 0."""
    two = helper.make_tensor("two", TensorProto.FLOAT, [], [-2.0])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"]), helper.make_node("Relu", ["y"], ["z"])],
        "doubler",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 1, 1, 4])],
        [two],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def test_a_range_is_the_largest_magnitude_and_saturation_what_lies_beyond() -> None:
    images = np.array([[0, 1, 2, 3], [0, -5, 0, 0]], np.float32).reshape(2, 1, 1, 4)
    held_out = np.array([[6, 1, 1, 1], [1, 1, 1, -8]], np.float32).reshape(2, 1, 1, 4)
    found = measure_ranges(doubler(), ("x", "y"), {"x": images}, {"x": held_out})
    assert found["x"] == TensorRange(amax=5, held_out_peak=8, saturated=2 / 8)
    assert found["y"].amax == 10


def test_an_activation_without_a_signal_is_named() -> None:
    images = np.ones((1, 1, 1, 4), np.float32)
    with pytest.raises(UsageError, match="  - z"):
        measure_ranges(doubler(), ("y", "z"), {"x": images}, {"x": images})


def record(**changes: object) -> CalibrationRecord:
    fields: dict[str, object] = {
        "subset": "rgb",
        "weights_sha256": "a" * 64,
        "graph_sha256": "b" * 64,
        "set_sha256": "c" * 64,
        "definition": CalibrationSet(),
        "parts": ("train/good/a",),
        "images": 2,
        "held_out_images": 2,
        "tensors": {
            "x": TensorRange(amax=1, held_out_peak=2, saturated=0.25),
            "y": TensorRange(amax=3, held_out_peak=1, saturated=0),
        },
    }
    return CalibrationRecord.model_validate({**fields, **changes})


def test_a_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = record_file(tmp_path, RGB, "a" * 64, "c" * 64)
    assert path.name == "rgb_aaaaaaaaaaaa_cccccccccccc.json"
    write_record(path, record())
    found = read_record(path, "b" * 64, ("x", "y"))
    assert found == record()
    assert found.amax == {"x": 1, "y": 3}
    assert found.worst is not None
    assert found.worst[0] == "x"


def test_int8_without_its_own_recorded_ranges_is_not_built(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(UsageError, match="no recorded INT8 ranges"):
        read_record(path, "b" * 64, ("x",))
    write_record(path, record())
    with pytest.raises(UsageError, match="measured on another graph"):
        read_record(path, "d" * 64, ("x",))
    with pytest.raises(UsageError, match="  - z"):
        read_record(path, "b" * 64, ("x", "z"))
    path.write_text(path.read_text()[:-9])
    with pytest.raises(UsageError, match="holds no INT8 ranges"):
        read_record(path, "b" * 64, ("x",))


@pytest.mark.parametrize("amax", [0, -1, "wide"])
def test_a_record_that_was_edited_wrongly_is_refused(tmp_path: Path, amax: object) -> None:
    path = tmp_path / "record.json"
    document = record().model_dump(mode="json")
    document["tensors"]["x"]["amax"] = amax
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="holds no INT8 ranges"):
        read_record(path, "b" * 64, ("x",))


def test_the_committed_default_is_what_is_taken_without_one() -> None:
    assert load_config(CalibrationSet, CALIBRATION / "default.yaml") == CalibrationSet()


def test_every_committed_record_is_one() -> None:
    records = sorted(CALIBRATION.glob("*.json"))
    assert len(records) == 4
    for path in records:
        found = CalibrationRecord.model_validate_json(path.read_bytes())
        assert path == record_file(
            CALIBRATION, Subset(tuple(found.subset.split("_"))), found.weights_sha256, found.set_sha256
        )
        assert found.images == 2 * len(found.parts)
