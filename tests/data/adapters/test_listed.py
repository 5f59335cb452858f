"""The kind `csv`: images anywhere, and a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from foreign import brought, listed, plan_of

from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.modality import Subset


def faults_of(src: Path) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        plan_of("csv", src)
    return caught.value.faults


def edit(src: Path, old: str, new: str) -> Path:
    table = src / "samples.csv"
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))
    return src


def test_what_the_table_says_is_in_the_set(tmp_path: Path) -> None:
    src = listed(tmp_path / "src")
    dataset = index(brought("csv", src, tmp_path / "out", allow_missing=True))
    by_key = {sample.key: sample for sample in dataset.samples}
    hot, scratch = by_key["test/hot/p3"], by_key["test/scratch/p4"]
    assert (hot.visible_in, set(hot.masks), hot.group, hot.strata) == (Subset(("tir",)), {"tir"}, "g3", {"lot": "L1"})
    assert (set(scratch.paths), scratch.mask is None) == ({"rgb"}, False)
    assert hot.paths["rgb"].read_bytes() == (src / "colour/3.png").read_bytes()


def test_the_table_itself_can_be_named(tmp_path: Path) -> None:
    src = listed(tmp_path)
    (src / "samples.csv").rename(src / "mine.csv")
    assert len(plan_of("csv", src / "mine.csv", allow_missing=True).parts) == 5


def test_a_cell_without_a_path_is_a_missing_image(tmp_path: Path) -> None:
    assert faults_of(listed(tmp_path)) == ("samples.csv line 6 names no tir image",)


def test_every_fault_at_once(tmp_path: Path) -> None:
    src = listed(tmp_path)
    edit(src, "train,good,p0", "training,good,p0")
    edit(src, "colour/1.png", "colour/one.png")
    edit(src, "g4,rgb", "g4,xray")
    assert faults_of(src) == (
        "samples.csv line 2: split 'training' is none of train, validation, test",
        "samples.csv line 3: there is no file colour/one.png",
        "samples.csv line 6 names no tir image",
        "samples.csv line 6: visible_in 'xray' is no subset of rgb, tir",
        "there is no part in train/good",
    )


def test_a_part_twice_and_a_name_that_is_a_path(tmp_path: Path) -> None:
    src = edit(edit(listed(tmp_path), "p1,", "p0,"), "test,good,p2", "test,good,../p2")
    assert {"train/good/p0 is there 2 times", "'test/good/../p2' cannot be a class and a file's name"} <= set(
        faults_of(src)
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("rgb,tir,gt,gt_tir", "rgb,Thermal,gt,gt_tir", "the modalities' names cannot be used: found rgb, Thermal"),
        ("gt_tir", "gt_depth", "the column gt_depth is of no modality"),
        ("heat/2.png", "heat/2.pgm", "the column tir names an image in 3 of 4 rows only"),
    ],
)
def test_columns_that_do_not_fit_together(tmp_path: Path, old: str, new: str, fault: str) -> None:
    faults = faults_of(edit(listed(tmp_path), old, new))
    assert any(one.startswith(fault) for one in faults)


@pytest.mark.parametrize("text", ["", "split,cls,rgb\ntrain,good,a.png\n", "split,cls,name\ntrain,good\n"])
def test_a_table_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "samples.csv").write_text(text)
    with pytest.raises(DatasetError, match="is no table of parts") as caught:
        plan_of("csv", tmp_path)
    assert "split, cls, name" in str(caught.value.wanted)
