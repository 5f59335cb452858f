"""MVTec AD and MVTec 3D-AD: pairs, masks, splits, and the depth as it was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign import SIDE, brought, mask, mvtec_3d_ad, mvtec_ad, plan_of, rgb, tiff, xyz

from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image


def faults_of(kind: str, src: Path, **options: object) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        plan_of(kind, src, **options)
    return caught.value.faults


def test_the_images_are_copied_byte_for_byte_and_the_masks_get_their_images_names(tmp_path: Path) -> None:
    src = mvtec_ad(tmp_path / "src")
    out = brought("mvtec-ad", src, tmp_path / "out")
    assert (out / "test/crack/rgb/001.png").read_bytes() == (src / "test/crack/001.png").read_bytes()
    assert (out / "test/crack/gt/001.png").read_bytes() == (src / "ground_truth/crack/001_mask.png").read_bytes()


def test_every_fault_of_an_mvtec_ad_folder_at_once(tmp_path: Path) -> None:
    src = mvtec_ad(tmp_path)
    (src / "ground_truth/crack/000_mask.png").unlink()
    (src / "test/crack/001.png").unlink()
    mask(src / "ground_truth/hole/000_mask.png")
    mask(src / "ground_truth/crack/odd.png")
    (src / "test/good/notes.txt").write_text("x")
    rgb(src / "train/crack/000.png")
    assert set(faults_of("mvtec-ad", src)) == {
        "ground_truth/crack/000_mask.png is missing: the part has no mask",
        "ground_truth/crack/001_mask.png is a mask without an image",
        "ground_truth/crack/odd.png is not <n>_mask.png",
        "ground_truth/hole has no test images",
        "test/good/notes.txt is none of .bmp, .jpeg, .jpg, .png, .tif, .tiff",
        "train/crack is not train/good",
    }


def test_allow_missing_lets_a_mask_be_missing_and_says_so_but_nothing_else(tmp_path: Path) -> None:
    src = mvtec_ad(tmp_path)
    (src / "ground_truth/crack/000_mask.png").unlink()
    plan = plan_of("mvtec-ad", src, allow_missing=True)
    assert plan.notes == ("ground_truth/crack/000_mask.png is missing: the part has no mask",)
    (src / "test/crack/001.png").unlink()
    assert faults_of("mvtec-ad", src, allow_missing=True) == (
        "ground_truth/crack/001_mask.png is a mask without an image",
    )


def test_depth_is_z_in_metres_and_0_where_nothing_was_measured(tmp_path: Path) -> None:
    src = mvtec_3d_ad(tmp_path / "src")
    depth_m = np.linspace(0.3, 0.7, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    depth_m[5, 7] = 0
    xyz(src / "train/good/xyz/000.tiff", depth_m)
    out = brought("mvtec-3d-ad", src, tmp_path / "out")
    raw = read_image(out / "train/good/depth/000.png")
    declared = index(out).declared["depth"]
    assert (raw.dtype, raw[5, 7], declared.unit) == (np.uint16, 0, "m")
    assert declared.scale is not None
    assert np.abs(raw * declared.scale - depth_m).max() <= declared.scale / 2 + 1e-6


def test_validation_stays_validation_and_blank_masks_of_good_parts_are_left_out(tmp_path: Path) -> None:
    dataset = index(brought("mvtec-3d-ad", mvtec_3d_ad(tmp_path / "src"), tmp_path / "out"))
    assert len(dataset.select("validation", good=True)) == 2
    assert [sample.mask is None for sample in dataset.select("test")] == [True, True, False, False]


def test_a_part_without_its_point_cloud(tmp_path: Path) -> None:
    src = mvtec_3d_ad(tmp_path / "src")
    (src / "train/good/xyz/002.tiff").unlink()
    (src / "test/hole/rgb/001.png").unlink()
    assert faults_of("mvtec-3d-ad", src) == (
        "train/good/xyz/002 is missing: there is no depth image of this part",
        "test/hole/rgb/001 is missing: there is no rgb image of this part",
    )
    dataset = index(brought("mvtec-3d-ad", src, tmp_path / "out", allow_missing=True))
    assert {s.key for s in dataset.samples if len(s.paths) == 1} == {"train/good/002", "test/hole/001"}


def test_a_split_is_missing_or_has_a_defect_where_none_belongs(tmp_path: Path) -> None:
    src = mvtec_3d_ad(tmp_path)
    (src / "test/good").rename(src / "validation/hole")
    assert faults_of("mvtec-3d-ad", src)[:2] == (
        "validation/hole is defective: only test may have defects",
        "test/good is missing",
    )


@pytest.mark.parametrize(
    ("points", "found"),
    [
        (np.full((8, 8, 3), -0.5), "-0.5 to -0.5 m"),
        (np.full((8, 8, 3), 450.0), "450 to 450 m"),
        (np.full((8, 8, 3), np.nan), "nan to nan m"),
    ],
)
def test_a_depth_that_has_no_count_is_refused_by_name(tmp_path: Path, points: np.ndarray, found: str) -> None:
    src = mvtec_3d_ad(tmp_path / "src")
    tiff(src / "test/good/xyz/001.tiff", points)
    with pytest.raises(DatasetError) as caught:
        brought("mvtec-3d-ad", src, tmp_path / "out")
    (fault,) = caught.value.faults
    assert "test/good/xyz/001.tiff has depths that 16 bit cannot hold" in fault
    assert found in fault


def test_a_tiff_that_is_no_point_cloud(tmp_path: Path) -> None:
    src = mvtec_3d_ad(tmp_path / "src")
    (src / "test/good/xyz/000.tiff").write_bytes(b"nothing")
    rgb(src / "test/good/xyz/001.png")
    (src / "test/good/xyz/001.tiff").unlink()
    with pytest.raises(DatasetError) as caught:
        brought("mvtec-3d-ad", src, tmp_path / "out")
    assert [fault.split(": ")[1] for fault in caught.value.faults] == [
        "found no image, wanted a TIFF of three float32 channels x, y, z",
        "found uint8 (32, 32, 3), wanted a TIFF of three float32 channels x, y, z",
    ]
