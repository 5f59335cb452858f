from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_set import halve_file, square, tir, write_part, write_set

from radar_edge.data.dataset import fit_preprocess, hold_out, load_inputs, load_mask, of_kind
from radar_edge.data.kinds import ModalitySpec
from radar_edge.data.layouts import Sample, index
from radar_edge.errors import DatasetError
from radar_edge.preprocess import write_png

SIZE = 32


def test_preprocessing_is_learned_from_train_good_alone(tmp_path: Path) -> None:
    dataset = index(write_set(tmp_path))
    learned = fit_preprocess(dataset, SIZE)
    for sample in dataset.select("test"):
        for path in sample.paths.values():
            path.unlink()
    assert fit_preprocess(dataset, SIZE) == learned
    rgb, thermal = learned.modalities["rgb"], learned.modalities["tir"]
    assert (rgb.channels, rgb.bit_depth, rgb.height, rgb.width) == (3, 8, SIZE, SIZE)
    assert rgb.offset == pytest.approx((99.5,) * 3, abs=1)
    assert rgb.median_channel is None
    assert (thermal.channels, thermal.bit_depth, thermal.input_channels) == (1, 16, 2)
    assert thermal.offset[0] == pytest.approx(30000, abs=20)


def test_good_parts_fill_the_networks_range(tmp_path: Path) -> None:
    dataset = index(write_set(tmp_path))
    inputs, _ = load_inputs(dataset.select("train"), fit_preprocess(dataset, SIZE))
    assert inputs["rgb"].mean(axis=(0, 2, 3)) == pytest.approx(0, abs=0.2)
    for name, channels in (("rgb", 3), ("tir", 2)):
        assert inputs[name].shape == (6, channels, SIZE, SIZE)
        assert 0.3 < inputs[name].std() < 3


def test_one_hot_part_does_not_widen_the_thermal_window(tmp_path: Path) -> None:
    dataset = index(write_set(tmp_path, train=40))
    before = fit_preprocess(dataset, SIZE).modalities["tir"]
    image = tir(0)
    image[:4, :4] = 60000
    write_png(tmp_path / "train" / "good" / "tir" / "000.png", image)
    after = fit_preprocess(dataset, SIZE).modalities["tir"]
    assert after.scale[0] == pytest.approx(before.scale[0], rel=0.1)
    assert after.offset[0] == pytest.approx(before.offset[0], abs=5)


def test_a_set_without_any_contrast_is_not_blown_up(tmp_path: Path) -> None:
    write_set(tmp_path)
    for path in (tmp_path / "train" / "good" / "tir").iterdir():
        write_png(path, np.full((16, 16), 30000, np.uint16))
    thermal = fit_preprocess(index(tmp_path), SIZE).modalities["tir"]
    assert (thermal.scale, thermal.median_channel) == ((1.0,), 1.0)
    (tmp_path / "dataset.yaml").write_text("modalities: {rgb: {}, tir: {unit: K, scale: 0.01}}\n")
    thermal = fit_preprocess(index(tmp_path), SIZE).modalities["tir"]
    assert (thermal.scale, thermal.median_channel) == ((5.0,), 5.0)


def grouped_set(root: Path, groups: int = 20) -> Path:
    rows = ["split,cls,name,group"]
    for g in range(groups):
        for i in range(2):
            write_part(root, "train", "good", f"{g:02}{i}")
            rows.append(f"train,good,{g:02}{i},part{g:02}")
    (root / "samples.csv").write_text("\n".join(rows) + "\n")
    return root


def test_held_out_parts_are_whole_groups(tmp_path: Path) -> None:
    dataset = index(grouped_set(tmp_path))
    fit, held_out = hold_out(dataset, share=0.2, seed=0)
    assert (len(fit), len(held_out)) == (32, 8)
    assert not {s.group for s in fit} & {s.group for s in held_out}
    assert {s.key for s in (*fit, *held_out)} == {s.key for s in dataset.samples}


def test_what_is_held_out_depends_on_names_and_seed_alone(tmp_path: Path) -> None:
    dataset = index(grouped_set(tmp_path))
    held_out = hold_out(dataset, seed=0)[1]
    assert hold_out(dataset, seed=0)[1] == held_out
    assert hold_out(dataset, seed=1)[1] != held_out
    write_part(tmp_path, "test", "hole", "000")
    (tmp_path / "samples.csv").write_text((tmp_path / "samples.csv").read_text() + "test,hole,000,part99\n")
    assert {s.key for s in hold_out(index(tmp_path), seed=0)[1]} == {s.key for s in held_out}


def test_good_validation_parts_are_the_held_out_ones(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_part(tmp_path, "validation", "good", "000")
    write_part(tmp_path, "validation", "hole", "001")
    fit, held_out = hold_out(index(tmp_path))
    assert len(fit) == 6
    assert [s.key for s in held_out] == ["validation/good/000"]


def test_an_absent_modality_is_zeros_and_not_present(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train" / "good" / "rgb" / "001.png").unlink()
    dataset = index(tmp_path)
    inputs, presence = load_inputs(dataset.select("train"), fit_preprocess(dataset, SIZE))
    assert presence.tolist() == [[True, True], [False, True], *[[True, True]] * 4]
    assert not inputs["rgb"][1].any()
    assert inputs["tir"][1].any()
    assert all(np.isfinite(array).all() and array.dtype == np.float32 for array in inputs.values())


def test_the_arrays_are_those_of_the_runtime(tmp_path: Path) -> None:
    dataset = index(write_set(tmp_path))
    preprocess = fit_preprocess(dataset, SIZE)
    part = dataset.select("test")[1]
    inputs, _ = load_inputs([part], preprocess)
    image = np.random.default_rng(0).integers(29000, 31000, (16, 16), np.uint16)
    write_png(part.paths["tir"], image)
    again, _ = load_inputs([part], preprocess)
    assert np.array_equal(again["tir"], preprocess({"tir": image})["tir"])
    assert np.array_equal(again["rgb"], inputs["rgb"])


def test_no_parts_are_empty_arrays(tmp_path: Path) -> None:
    dataset = index(write_set(tmp_path))
    inputs, presence = load_inputs([], fit_preprocess(dataset, SIZE))
    assert {name: array.shape[0] for name, array in inputs.items()} == {"rgb": 0, "tir": 0}
    assert len(presence) == 0


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    dataset = index(write_set(tmp_path))
    preprocess = fit_preprocess(dataset, SIZE)
    wrong = tmp_path / "test" / "good" / "tir" / "001.png"
    write_png(wrong, np.zeros((16, 16), np.uint8))
    with pytest.raises(DatasetError, match=str(wrong)) as caught:
        load_inputs(dataset.select("test"), preprocess)
    assert caught.value.wanted == "1 channel(s) of 16 bit"
    halve_file(tmp_path / "test" / "good" / "rgb" / "000.png")
    with pytest.raises(DatasetError, match=r"good/rgb/000\.png is not a complete image"):
        load_inputs(dataset.select("test")[:1], preprocess)


def masked(tmp_path: Path, union: np.ndarray | None, **masks: np.ndarray) -> Sample:
    paths = {}
    for name, mask in masks.items():
        paths[name] = tmp_path / f"{name}.png"
        write_png(paths[name], mask)
    if union is not None:
        write_png(tmp_path / "union.png", union)
    return Sample("test", "hole", "a", {}, mask=None if union is None else tmp_path / "union.png", masks=paths)


def corner(side: int, row: int, column: int) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[row, column] = 255
    return mask


def test_a_subset_is_asked_for_what_its_modalities_show(tmp_path: Path) -> None:
    part = masked(tmp_path, square(), rgb=corner(32, 0, 0), tir=corner(16, 15, 15))
    assert np.argwhere(load_mask(part, ["rgb"], 16, 16)).tolist() == [[0, 0]]
    assert np.argwhere(load_mask(part, ["tir"], 16, 16)).tolist() == [[15, 15]]
    assert np.argwhere(load_mask(part, ["rgb", "tir"], 16, 16)).tolist() == [[0, 0], [15, 15]]


def test_the_union_mask_serves_where_there_is_no_other(tmp_path: Path) -> None:
    union = load_mask(masked(tmp_path, square()), ["tir"], 32, 32)
    assert np.array_equal(union, square() > 0)
    assert not load_mask(masked(tmp_path, None), ["tir"], 32, 32).any()


def test_a_hairline_neither_vanishes_nor_falls_apart_in_a_small_mask(tmp_path: Path) -> None:
    line = np.zeros((256, 256), np.uint8)
    line[:, 101] = 1
    small = load_mask(masked(tmp_path, line), ["rgb"], 64, 64)
    assert np.array_equal(np.flatnonzero(small.all(axis=0)), [25])
    assert small.sum() == 64


def test_a_colour_mask_counts_where_any_channel_is_set(tmp_path: Path) -> None:
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[3, 4, 2] = 255
    assert np.argwhere(load_mask(masked(tmp_path, colour), ["rgb"], 16, 16)).tolist() == [[3, 4]]


def test_an_odd_file_that_the_index_did_not_look_at_is_named(tmp_path: Path) -> None:
    path = tmp_path / "2.png"
    write_png(path, np.zeros((32, 32), np.uint8))
    with pytest.raises(DatasetError, match=r"2\.png(.|\n)*1 channel\(s\) where 3"):
        of_kind(path, ModalitySpec(3, 8, 32, 32), "rgb")
    write_png(path, np.zeros((20, 30, 3), np.uint8))
    assert of_kind(path, ModalitySpec(3, 8, 32, 32), "rgb").shape == (20, 30, 3)
