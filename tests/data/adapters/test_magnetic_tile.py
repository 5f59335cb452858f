from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from foreign import brought, crop, magnetic_tile, plan_of, texture, tile_shot

from radar_edge.data.adapters.registration import shift_of
from radar_edge.data.check import check
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.modality import Subset

KIND = "magnetic-tile"


def faults_of(src: Path, **options: object) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        plan_of(KIND, src, **options)
    return caught.value.faults


def splits(plan: object) -> dict[str, str]:
    return {part.name: part.split for part in plan.parts}  # type: ignore[attr-defined]


def test_neighbours_are_one_group_in_one_split_and_defects_are_tested(tmp_path: Path) -> None:
    dataset = index(brought(KIND, magnetic_tile(tmp_path / "src", tiles=11), tmp_path / "out"))
    groups: dict[str, set[str]] = {}
    for sample in dataset.samples:
        groups.setdefault(sample.group, set()).add(sample.split)
    assert len(groups) == 11
    assert all(len(found) == 1 for found in groups.values())
    assert [len(dataset.select(split, good=True)) for split in ("train", "validation", "test")] == [12, 4, 4]
    assert [(s.split, s.cls, s.mask is None) for s in dataset.samples if not s.is_good] == [
        ("test", "crack", False)
    ] * 2


def test_a_good_picture_beside_a_defective_one_is_tested_too(tmp_path: Path) -> None:
    src = magnetic_tile(tmp_path)
    tile_shot(src, "Free", 3, 5040, crop(texture(5), gain=1.2))
    assert splits(plan_of(KIND, src))["exp3_num_5040"] == "test"


def test_the_split_follows_from_names_and_seed_alone(tmp_path: Path) -> None:
    src = magnetic_tile(tmp_path, tiles=20)
    assert splits(plan_of(KIND, src)) == splits(plan_of(KIND, src, seed=0))
    assert splits(plan_of(KIND, src)) != splits(plan_of(KIND, src, seed=1))


def test_two_exposures_of_a_tile_become_one_part(tmp_path: Path) -> None:
    src = magnetic_tile(tmp_path / "src")
    out = brought(KIND, src, tmp_path / "out", second_exposure=True)
    assert check(out).faults == ()
    dataset = index(out)
    assert dataset.modalities == ("rgb", "exp2")
    assert all(len(sample.paths) == 2 for sample in dataset.samples)
    (crack,) = dataset.select("test", good=False)
    assert (crack.visible_in, set(crack.masks)) == (Subset(("rgb", "exp2")), {"rgb", "exp2"})
    assert (out / "test/crack/exp2/exp1_num_5000.jpg").read_bytes() == (
        src / "MT_Crack/Imgs/exp2_num_5020.jpg"
    ).read_bytes()
    text = (out / "dataset.yaml").read_text()
    (middle_px,) = re.findall(r"registration of 6 pairs: shift of ([\d.]+) px in the middle", text)
    assert float(middle_px) == pytest.approx(2, abs=0.3)


def test_a_defect_that_one_exposure_shows_is_visible_in_that_one(tmp_path: Path) -> None:
    src = magnetic_tile(tmp_path)
    tile_shot(src, "Free", 1, 9000, crop(texture(9)))
    tile_shot(src, "Blowhole", 2, 9020, crop(texture(9), gain=0.7))
    (hole,) = (part for part in plan_of(KIND, src, second_exposure=True).parts if part.cls == "blowhole")
    assert (hole.name, hole.visible_in, set(hole.masks), hole.mask) == ("exp1_num_9000", "exp2", {"exp2"}, None)


def test_pictures_that_are_no_pair_are_refused_each_with_its_reason(tmp_path: Path) -> None:
    src = magnetic_tile(tmp_path)
    tile_shot(src, "Free", 1, 7000, crop(texture(70)))
    tile_shot(src, "Free", 2, 7020, crop(texture(71)))  # another tile
    tile_shot(src, "Free", 1, 8000, crop(texture(80), dx=-4))
    tile_shot(src, "Free", 2, 8020, crop(texture(80), dx=4))  # 8 px apart
    tile_shot(src, "Free", 1, 9000, crop(texture(90)))  # alone
    tile_shot(src, "Fray", 1, 9500 + 700, crop(texture(95)))
    tile_shot(src, "Break", 2, 9520 + 700, crop(texture(95)))
    faults = {
        fault.split(" has no second exposure: ")[0][-17:]: fault for fault in faults_of(src, second_exposure=True)
    }
    reasons = {
        "exp1_num_7000.jpg": "exp2_num_7020 does not look like the same tile",
        "exp2_num_7020.jpg": "exp2_num_7020 does not look like the same tile",
        "exp1_num_8000.jpg": "px (at most 5)",
        "exp2_num_8020.jpg": "px (at most 5)",
        "exp1_num_9000.jpg": "no neighbour is of the same tile",
        "xp1_num_10200.jpg": "one picture is labelled fray, the other break",
        "xp2_num_10220.jpg": "one picture is labelled fray, the other break",
    }
    assert set(faults) == set(reasons)
    assert all(reason in faults[name] for name, reason in reasons.items())
    plan = plan_of(KIND, src, second_exposure=True, allow_missing=True, max_shift_px=9)
    alone = {part.name for part in plan.parts if len(part.images) == 1}
    assert alone == {"exp1_num_7000", "exp2_num_7020", "exp1_num_9000", "exp1_num_10200", "exp2_num_10220"}


def test_a_row_ends_where_the_exposure_falls(tmp_path: Path) -> None:
    src = magnetic_tile(tmp_path)
    tile_shot(src, "Free", 2, 7000, crop(texture(70)))
    tile_shot(src, "Free", 1, 7020, crop(texture(70), gain=0.9))
    assert len(faults_of(src, second_exposure=True)) == 2


def test_every_fault_of_the_folder_at_once(tmp_path: Path) -> None:
    src = magnetic_tile(tmp_path)
    (src / "MT_Crack/Imgs/exp1_num_5000.png").unlink()
    (src / "MT_Crack/Imgs/exp2_num_5020.jpg").rename(src / "MT_Crack/Imgs/tile.jpg")
    (src / "MT_Free/Imgs/exp1_num_1.bmp").write_bytes(b"x")
    assert set(faults_of(src)) == {
        "MT_Free/Imgs/exp1_num_1.bmp is none of .jpg, .png",
        "MT_Crack/Imgs/exp1_num_5000.png is missing: the part has no mask",
        "MT_Crack/Imgs/exp2_num_5020.png is a mask without an image",
        "MT_Crack/Imgs/tile.jpg is not exp<k>_num_<n>.jpg",
    }


def test_a_shift_is_measured_and_another_tile_has_no_peak() -> None:
    picture = texture(1)
    shift_px, peak = shift_of(crop(picture), crop(picture, dx=3, dy=4, gain=0.5))
    assert shift_px == pytest.approx(5, abs=0.3)
    assert peak > 0.5
    assert shift_of(crop(picture), crop(texture(2)))[1] < 0.1


def test_pictures_of_other_sizes_are_scaled_alike() -> None:
    picture = texture(1)
    larger = np.pad(crop(picture), ((0, 4), (0, 3)), mode="edge")
    shift_px, peak = shift_of(crop(picture), larger)
    assert shift_px < 4
    assert peak > 0.15
