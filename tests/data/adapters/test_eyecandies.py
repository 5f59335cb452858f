from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign import brought, eyecandies, mask, plan_of

from radar_edge.data.adapters.depth import scale_for
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.modality import Subset
from radar_edge.preprocess import read_image


def faults_of(src: Path) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        plan_of("eyecandies", src)
    return caught.value.faults


def test_classes_come_from_the_masks_and_colours_show_in_rgb_alone(tmp_path: Path) -> None:
    dataset = index(brought("eyecandies", eyecandies(tmp_path / "src"), tmp_path / "out"))
    found = {sample.name: (sample.cls, sample.visible_in, sample.mask is None) for sample in dataset.select("test")}
    assert found == {
        "00": ("good", None, True),
        "01": ("bumps", None, False),
        "02": ("colors", Subset(("rgb",)), False),
        "03": ("combined", None, False),
    }
    assert len(dataset.select("validation", good=True)) == 2


def test_depths_of_different_ranges_come_on_one_scale(tmp_path: Path) -> None:
    src = eyecandies(tmp_path / "src")
    out = brought("eyecandies", src, tmp_path / "out")
    scale_m = index(out).declared["depth"].scale
    assert scale_m == scale_for(2.3)
    for i in range(4):
        spread = read_image(src / f"train/data/{i:02}_depth.png") / 65535 * (1 + i / 10) + 1
        assert np.abs(read_image(out / f"train/good/depth/{i:02}.png") * scale_m - spread).max() <= scale_m / 2 + 1e-9


@pytest.mark.parametrize("most_m", [0.7, 1.0, 2.3, 6.5535, 65535.0])
def test_the_scale_holds_the_largest_depth_and_not_much_more(most_m: float) -> None:
    assert 65535 / 1.1 <= most_m / scale_for(most_m) <= 65535.0001


def test_what_has_no_label_is_left_out_and_said(tmp_path: Path) -> None:
    plan = plan_of("eyecandies", eyecandies(tmp_path))
    assert plan.notes == ("test_private has no labels and was left out",)
    assert len(plan.parts) == 4 + 2 + 4


def test_every_fault_at_once(tmp_path: Path) -> None:
    src = eyecandies(tmp_path)
    (src / "train/data/00_image_4.png").unlink()
    (src / "train/data/01_depth.png").unlink()
    (src / "train/data/02_info_depth.yaml").write_text("normalization: {min: 1.0}\n")
    (src / "test_public/data/01_mask.png").unlink()
    (src / "test_public/data/02_dents_mask.png").unlink()
    (src / "test_public/data/00_metadata.yaml").write_text("anomalous: 1\n")
    mask(src / "test_public/data/00_normals_mask.png", marked=False)
    assert set(faults_of(src)) == {
        "train/data/00_image_4.png is missing: there is no rgb image of this part",
        "train/data/01_depth.png is missing: there is no depth image of this part",
        "train/data/02_info_depth.yaml: normalization.max: Field required",
        "test_public/data/01_mask.png is missing: the part has no mask",
        "test_public/data/02_dents_mask.png cannot be read: No such file or directory",
        "test_public/data/00: its metadata say anomalous True, its masks mark nothing",
    }


def test_a_split_that_is_missing(tmp_path: Path) -> None:
    src = eyecandies(tmp_path)
    (src / "val").rename(src / "valid")
    assert faults_of(src) == ("val/data is missing",)
