"""What holds for every kind: a set that passes its check, nothing half-written, every fault named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import foreign
import pytest
from foreign import brought, plan_of
from small_set import halve_file

from radar_edge.data.adapters.importing import plan_sets
from radar_edge.data.adapters.plan import Options
from radar_edge.data.adapters.table import ADAPTERS
from radar_edge.data.check import check
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError, UsageError

WRITERS: dict[str, Callable[[Path], Path]] = {
    "mvtec-ad": foreign.mvtec_ad,
    "mvtec-3d-ad": foreign.mvtec_3d_ad,
    "mulsen-ad": foreign.mulsen_ad,
    "eyecandies": foreign.eyecandies,
    "magnetic-tile": foreign.magnetic_tile,
    "toyadmos": foreign.toyadmos,
    "csv": foreign.listed,
}
MODALITIES = {
    "mvtec-ad": ("rgb",),
    "mvtec-3d-ad": ("rgb", "depth"),
    "mulsen-ad": ("rgb", "tir"),
    "eyecandies": ("rgb", "depth"),
    "magnetic-tile": ("rgb",),
    "toyadmos": ("mic1",),
    "csv": ("rgb", "tir"),
}


def allowed(kind: str) -> dict[str, bool]:
    return {"allow_missing": kind == "csv"}


def test_every_kind_is_tested() -> None:
    assert list(WRITERS) == list(ADAPTERS)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_what_is_written_passes_the_check_and_is_what_was_planned(kind: str, tmp_path: Path) -> None:
    src = WRITERS[kind](tmp_path / "src" / "thing")
    plan = plan_of(kind, src, **allowed(kind))
    out = brought(kind, src, tmp_path / "out", **allowed(kind))
    assert check(out).faults == ()
    dataset = index(out)
    assert dataset.modalities == MODALITIES[kind]
    assert {sample.key for sample in dataset.samples} == {part.key for part in plan.parts}
    assert dataset.select("train", good=True)
    assert dataset.select("test", good=False)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_another_folder_is_refused_with_what_was_found_and_wanted(kind: str, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(DatasetError, match=f"is no {kind} folder") as caught:
        plan_sets(kind, tmp_path, None, Options(), lambda *_: None)
    assert caught.value.found == "cats"
    assert caught.value.wanted == ADAPTERS[kind].wanted
    assert caught.value.next_step


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_folder_that_is_not_there(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        plan_sets(kind, tmp_path / "nowhere", None, Options(), lambda *_: None)
    assert caught.value.found == "no such folder"


def test_no_kind_takes_another_kinds_folder(tmp_path: Path) -> None:
    for kind, write in WRITERS.items():
        src = write(tmp_path / kind)
        assert [name for name, adapter in ADAPTERS.items() if adapter.holds(src)] == [kind]


def test_an_unknown_kind_lists_the_kinds(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        plan_sets("coco", tmp_path, None, Options(), lambda *_: None)
    assert "mvtec-3d-ad" in str(caught.value.wanted)


def test_all_categories_become_a_folder_each_and_one_can_be_chosen(tmp_path: Path) -> None:
    for name in ("bottle", "screw"):
        foreign.mvtec_ad(tmp_path / "src" / name)
    brought("mvtec-ad", tmp_path / "src", tmp_path / "all")
    assert check(tmp_path / "all" / "bottle").faults == check(tmp_path / "all" / "screw").faults == ()
    brought("mvtec-ad", tmp_path / "src", tmp_path / "one", "screw")
    assert (tmp_path / "one" / "train" / "good" / "rgb" / "000.png").is_file()
    with pytest.raises(DatasetError, match="no category cup") as caught:
        plan_of("mvtec-ad", tmp_path / "src", "cup")
    assert caught.value.found == "the categories bottle, screw"


def test_a_folder_among_the_categories_that_is_none_is_not_passed_over(tmp_path: Path) -> None:
    foreign.mvtec_ad(tmp_path / "bottle")
    (tmp_path / "half").mkdir()
    with pytest.raises(DatasetError, match="no category of mvtec-ad: half"):
        plan_of("mvtec-ad", tmp_path)


def test_the_faults_of_all_categories_are_listed_at_once(tmp_path: Path) -> None:
    for name in ("bottle", "screw"):
        foreign.mvtec_ad(tmp_path / name)
        (tmp_path / name / "ground_truth/crack/001_mask.png").unlink()
    with pytest.raises(DatasetError) as caught:
        plan_of("mvtec-ad", tmp_path)
    assert [fault.split(" is missing")[0] for fault in caught.value.faults] == [
        f"{name}/ground_truth/crack/001_mask.png" for name in ("bottle", "screw")
    ]


def test_an_image_that_is_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    src = foreign.mvtec_ad(tmp_path / "src")
    for name in ("test/good/000.png", "test/crack/001.png"):
        halve_file(src / name)
    with pytest.raises(DatasetError, match="nothing was written") as caught:
        brought("mvtec-ad", src, tmp_path / "out")
    assert len(caught.value.faults) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_a_file_that_cannot_be_read_is_the_sources_fault_not_the_disks(tmp_path: Path) -> None:
    src = foreign.mvtec_ad(tmp_path / "src")
    (src / "test/good/000.png").unlink()
    (src / "test/good/000.png").mkdir()
    with pytest.raises(DatasetError) as caught:
        brought("mvtec-ad", src, tmp_path / "out")
    assert caught.value.faults == (f"{src}/test/good/000.png cannot be read: Is a directory",)
    assert not (tmp_path / "out").exists()


def test_a_part_that_is_in_two_splits_is_refused(tmp_path: Path) -> None:
    src = foreign.mvtec_ad(tmp_path / "src")
    (src / "test/good/000.png").write_bytes((src / "train/good/000.png").read_bytes())
    with pytest.raises(DatasetError) as caught:
        brought("mvtec-ad", src, tmp_path / "out")
    assert caught.value.faults == ("test/good/rgb/000.png has the pixels of train/good/rgb/000.png",)


def test_a_folder_in_use_stays_as_it_is(tmp_path: Path) -> None:
    src = foreign.mvtec_ad(tmp_path / "src")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        brought("mvtec-ad", src, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_the_source_stays_as_it_is(tmp_path: Path) -> None:
    src = foreign.mvtec_3d_ad(tmp_path / "src")
    before = {path: path.read_bytes() for path in src.rglob("*") if path.is_file()}
    brought("mvtec-3d-ad", src, tmp_path / "out")
    assert {path: path.read_bytes() for path in src.rglob("*") if path.is_file()} == before
