from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_set import halve_file, rgb, tir, write_jpg, write_part, write_set

from radar_edge.data.kinds import ModalitySpec
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.modality import Subset
from radar_edge.preprocess import write_png


def test_a_folder_becomes_samples(tmp_path: Path) -> None:
    dataset = index(write_set(tmp_path))
    assert dataset.modalities == ("rgb", "tir")
    assert dataset.specs == {"rgb": ModalitySpec(3, 8, 32, 32), "tir": ModalitySpec(1, 16, 16, 16)}
    assert [len(dataset.select(split)) for split in ("train", "validation", "test")] == [6, 0, 6]
    assert [len(dataset.select("test", good)) for good in (True, False)] == [3, 3]
    part = dataset.select("test", good=False)[0]
    assert (part.key, part.is_good, part.group) == ("test/hole/000", False, "test/hole/000")
    assert part.paths == {name: tmp_path / "test" / "hole" / name / "000.png" for name in ("rgb", "tir")}
    assert part.mask == tmp_path / "test" / "hole" / "gt" / "000.png"
    assert (part.visible_in, part.masks) == (None, {})


def test_the_largest_of_images_that_differ_is_described(tmp_path: Path) -> None:
    for name, side in (("a", 20), ("b", 48), ("c", 30)):
        write_png(tmp_path / "train" / "good" / "tir" / f"{name}.png", np.zeros((side // 2, side), np.uint16))
    assert index(tmp_path).specs == {"tir": ModalitySpec(1, 16, 24, 48)}


def test_any_number_of_modalities_rgb_first_and_the_rest_by_name(tmp_path: Path) -> None:
    for name in ("depth", "tir", "rgb", "audio"):
        write_png(tmp_path / "train" / "good" / name / "a.png", tir(0))
    assert index(tmp_path).modalities == ("rgb", "audio", "depth", "tir")


def test_dataset_yaml_orders_the_modalities(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "dataset.yaml").write_text("modalities: {tir: {unit: K, scale: 0.01}, rgb: {}}\n")
    dataset = index(tmp_path)
    assert dataset.modalities == ("tir", "rgb")
    assert dataset.declared["tir"].scale == 0.01


def test_a_part_may_lack_a_modality(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "test" / "hole" / "rgb" / "001.png").unlink()
    (tmp_path / "train" / "good" / "tir" / "003.png").unlink()
    by_key = {sample.key: sample for sample in index(tmp_path).samples}
    assert set(by_key["test/hole/001"].paths) == {"tir"}
    assert set(by_key["train/good/003"].paths) == {"rgb"}
    assert set(by_key["train/good/004"].paths) == {"rgb", "tir"}


def test_masks_of_single_modalities(tmp_path: Path) -> None:
    write_set(tmp_path)
    folder = tmp_path / "test" / "hole"
    write_png(folder / "gt_tir" / "000.png", np.zeros((16, 16), np.uint8))
    part = index(tmp_path).select("test", good=False)[0]
    assert part.masks == {"tir": folder / "gt_tir" / "000.png"}


def test_every_usual_ending_is_read_and_other_files_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "good" / "rgb"
    for ending in ("png", "JPG", "jpeg", "tif", "TIFF", "bmp"):
        write_jpg(folder / f"as_{ending}.{ending}", rgb(0))
    (folder / "notes.txt").write_text("lamp changed")
    (folder / "Thumbs.db").write_bytes(b"\0")
    assert len(index(tmp_path).samples) == 6


def test_images_of_one_modality_may_differ_in_size(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_png(tmp_path / "train" / "good" / "rgb" / "002.png", rgb(0)[:20, :24])
    assert index(tmp_path).modalities == ("rgb", "tir")


def test_samples_csv_gives_groups_visibility_and_strata(tmp_path: Path) -> None:
    write_part(tmp_path, "train", "good", "a")
    write_part(tmp_path, "test", "void", "b")
    write_part(tmp_path, "test", "void", "c")
    (tmp_path / "samples.csv").write_text(
        "split,cls,name,group,visible_in,lamp\ntrain,good,a,g1,,old\ntest,void,b,g2,tir,new\ntest,void,c,,rgb_tir,new\n"
    )
    a, b, c = sorted(index(tmp_path).samples, key=lambda s: s.name)
    assert [s.group for s in (a, b, c)] == ["g1", "g2", "test/void/c"]
    assert [s.visible_in for s in (a, b, c)] == [None, Subset(("tir",)), Subset(("rgb", "tir"))]
    assert [s.strata for s in (a, b, c)] == [{"lamp": "old"}, {"lamp": "new"}, {"lamp": "new"}]


def test_a_spreadsheets_byte_order_mark_is_no_column_name(tmp_path: Path) -> None:
    write_part(tmp_path, "train", "good", "a")
    (tmp_path / "samples.csv").write_text("split,cls,name,group\ntrain,good,a,g1\n", encoding="utf-8-sig")
    assert index(tmp_path).samples[0].group == "g1"


@pytest.mark.parametrize("present", [[], ["test/good/rgb"], ["train/good"], ["train/good/gt"]])
def test_without_train_good_it_is_no_data_set(tmp_path: Path, present: list[str]) -> None:
    for folder in present:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DatasetError, match="no train/good") as caught:
        index(tmp_path)
    assert caught.value.exit_code == 2


def test_an_absent_folder_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        index(tmp_path / "nowhere")


def test_an_eight_bit_thermal_image_where_sixteen_was_declared(tmp_path: Path) -> None:
    write_set(tmp_path)
    for path in (tmp_path / "train" / "good" / "tir").iterdir():
        write_png(path, (tir(0) // 256).astype(np.uint8))
    (tmp_path / "dataset.yaml").write_text("modalities: {rgb: {}, tir: {bit_depth: 16}}\n")
    with pytest.raises(DatasetError, match=r"train/good/tir/000\.png: 8 bit where 16 was declared"):
        index(tmp_path)


def test_images_of_train_good_must_agree(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_png(tmp_path / "train" / "good" / "rgb" / "003.png", rgb(0)[..., 0])
    with pytest.raises(DatasetError, match=r"rgb/003\.png: 1 channel\(s\) where 3 is what train/good has"):
        index(tmp_path)


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    halve_file(tmp_path / "train" / "good" / "rgb" / "000.png")
    with pytest.raises(DatasetError, match=r"train/good/rgb/000\.png cannot be read"):
        index(tmp_path)


CSV = "split,cls,name,group,visible_in\n"
ROWS = "train,good,a,,\ntest,void,b,,\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cls,name\n", "samples.csv lacks the column(s) split"),
        (CSV + ROWS + "test,void,zz,,\n", "samples.csv: test/void/zz has no image"),
        (CSV + "train,good,a,,\n", "test/void/b has no row in samples.csv"),
        (CSV + ROWS + "test,void,b,,\n", "samples.csv line 4: test/void/b a second time"),
        (
            CSV + "train,good,a,,\ntest,void,b,,sonar\n",
            "samples.csv line 3: visible_in 'sonar' is no subset of rgb, tir",
        ),
        (CSV + "train,good,a,g,\ntest,void,b,g,\n", "the group 'g' lies in train and test"),
        (CSV + "train,good,a,,\ntest,void,b\n", "samples.csv line 3: not as many fields as there are columns"),
        (CSV + "train,good,a,,\ntest,void,b,,,1\n", "samples.csv line 3: not as many fields as there are columns"),
    ],
)
def test_faults_of_samples_csv(tmp_path: Path, text: str, fault: str) -> None:
    write_part(tmp_path, "train", "good", "a")
    write_part(tmp_path, "test", "void", "b")
    (tmp_path / "samples.csv").write_text(text)
    with pytest.raises(DatasetError) as caught:
        index(tmp_path)
    assert fault in caught.value.faults


def test_samples_csv_that_is_no_text(tmp_path: Path) -> None:
    write_part(tmp_path, "train", "good", "a")
    (tmp_path / "samples.csv").write_bytes(b"split,cls,name\n\xff\xfe\n")
    with pytest.raises(DatasetError, match=r"samples\.csv cannot be read"):
        index(tmp_path)


def test_faults_of_names_are_listed_together(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_png(tmp_path / "test" / "hole" / "gt" / "zz.png", np.zeros((32, 32), np.uint8))
    write_png(tmp_path / "test" / "good" / "sonar" / "000.png", tir(0))
    write_png(tmp_path / "test" / "good" / "rgb" / "000.bmp", rgb(0))
    write_png(tmp_path / "train" / "good" / "My_Camera" / "000.png", rgb(0))
    (tmp_path / "dataset.yaml").write_text("modalities: [rgb]\n")
    with pytest.raises(DatasetError) as caught:
        index(tmp_path)
    faults = "\n".join(caught.value.faults)
    for expected in (
        "test/hole/gt/zz.png is a mask without an image",
        "test/good/sonar is no modality",
        "test/good/rgb/000 is there with more than one ending",
        "the name 'My_Camera' cannot be a modality's",
        "dataset.yaml: modalities",
    ):
        assert expected in faults


def test_a_modality_without_a_good_image(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train" / "good" / "depth").mkdir()
    with pytest.raises(DatasetError, match="train/good/depth holds no image"):
        index(tmp_path)


def test_many_faults_are_shortened_and_counted(tmp_path: Path) -> None:
    write_part(tmp_path, "train", "good", "a")
    rows = "".join(f"test,void,{i},,\n" for i in range(50))
    (tmp_path / "samples.csv").write_text(CSV + "train,good,a,,\n" + rows)
    with pytest.raises(DatasetError, match=r"has 50 fault\(s\)") as caught:
        index(tmp_path)
    assert len(caught.value.faults) == 21
    assert caught.value.faults[-1] == "and 30 more"


def test_registration_of_what_is_not_there_and_masks_that_would_not_move_along(tmp_path: Path) -> None:
    write_set(tmp_path)
    entry = {"reference": "rgb", "homography": [1, 0, 0, 0, 1, 0, 0, 0, 1], "view": [32, 32]}
    (tmp_path / "dataset.yaml").write_text(
        json.dumps({"registration": {"depth": entry, "rgb": {**entry, "reference": "tir"}}})
    )
    with pytest.raises(DatasetError) as refused:
        index(tmp_path)
    assert "registration names depth" in str(refused.value)
    assert "rgb is registered, and there are masks drawn on its images" in str(refused.value)
