from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign import SIDE, brought, infrared, mulsen_ad, plan_of

from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.modality import Subset
from radar_edge.preprocess import read_image

LABELS = "RGB/GT/hole/data.csv"


def faults_of(src: Path) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        plan_of("mulsen-ad", src)
    return caught.value.faults


def test_each_camera_has_its_own_masks_and_its_own_label(tmp_path: Path) -> None:
    dataset = index(brought("mulsen-ad", mulsen_ad(tmp_path / "src"), tmp_path / "out"))
    both, tir_alone = dataset.select("test", good=False)
    assert (both.visible_in, set(both.masks), both.mask) == (Subset(("rgb", "tir")), {"rgb", "tir"}, None)
    assert (tir_alone.visible_in, set(tir_alone.masks)) == (Subset(("tir",)), {"tir"})


def test_what_the_point_cloud_alone_shows_is_left_out_and_named(tmp_path: Path) -> None:
    plan = plan_of("mulsen-ad", mulsen_ad(tmp_path))
    assert "test/hole/2" not in {part.key for part in plan.parts}
    assert plan.notes == (
        "test/hole/2 was left out: the point cloud alone shows its defect",
        "Pointcloud was left out: point clouds are not images",
    )


def test_equal_numbers_are_one_part_in_the_order_of_numbers(tmp_path: Path) -> None:
    plan = plan_of("mulsen-ad", mulsen_ad(tmp_path))
    train = [part for part in plan.parts if part.split == "train"]
    assert [part.name for part in train] == [str(n) for n in range(12)]
    assert all(part.images["rgb"].path.stem == part.images["tir"].path.stem for part in train)


def test_the_infrared_becomes_one_channel(tmp_path: Path) -> None:
    src = mulsen_ad(tmp_path / "src")
    image = read_image(brought("mulsen-ad", src, tmp_path / "out") / "train/good/tir/3.png")
    assert (image.shape, image.dtype) == ((SIDE // 2, SIDE // 2), np.uint8)
    assert np.abs(image - read_image(src / "Infrared/train/3.png").mean(axis=2)).max() <= 0.5


def test_a_palette_is_not_taken_for_a_temperature(tmp_path: Path) -> None:
    src = mulsen_ad(tmp_path / "src")
    infrared(src / "Infrared/train/3.png", spread=40)
    with pytest.raises(DatasetError) as caught:
        brought("mulsen-ad", src, tmp_path / "out")
    assert "3.png is a colour image, not grey infrared: found channels that differ by 40" in caught.value.faults[0]


def test_every_fault_at_once(tmp_path: Path) -> None:
    src = mulsen_ad(tmp_path)
    (src / "Infrared/train/4.png").unlink()
    (src / "Infrared/GT/hole/1.png").unlink()
    (src / "RGB/GT/hole/0.png").rename(src / "RGB/GT/hole/9.png")
    (src / LABELS).write_text("object,RGB,Infrared,Pointcloud\n0,1,1,0\n1,0,1,1\n1,0,1,1\n")
    assert set(faults_of(src)) == {
        "Infrared/train/4 is missing: there is no tir image of this part",
        "Infrared/GT/hole/1.png is missing: the part has no tir mask",
        "RGB/GT/hole/0.png is missing: the part has no rgb mask",
        "RGB/GT/hole/9.png is a mask without an image",
        f"{LABELS} line 4: wanted a number of its own and three times 0 or 1",
        f"{LABELS} has no row for 2",
    }


@pytest.mark.parametrize("text", ["", "object,RGB\n0,1\n", "object,RGB,Infrared,Pointcloud\n0,yes,1,0\n"])
def test_a_table_that_is_none(tmp_path: Path, text: str) -> None:
    src = mulsen_ad(tmp_path)
    (src / LABELS).write_text(text)
    assert LABELS in faults_of(src)[0]


def test_empty_lines_of_a_spreadsheet_say_nothing(tmp_path: Path) -> None:
    src = mulsen_ad(tmp_path)
    (src / LABELS).write_text((src / LABELS).read_text() + ",,,\n\n")
    assert len(plan_of("mulsen-ad", src).parts) == 16


def test_without_the_table_nobody_knows_who_sees_the_defect(tmp_path: Path) -> None:
    src = mulsen_ad(tmp_path)
    (src / LABELS).unlink()
    assert f"{LABELS} cannot be read" in faults_of(src)[0]
