from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from small_set import halve_file, square, tir, write_part, write_set

from radar_edge.data.check import check
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.preprocess import write_png


def test_a_good_set_has_counts_and_no_fault(tmp_path: Path) -> None:
    report = check(write_set(tmp_path))
    assert (report.faults, report.notes) == ((), ())
    assert [(c.split, c.cls, c.parts, c.images, c.masked) for c in report.counts] == [
        ("train", "good", 6, {"rgb": 6, "tir": 6}, 0),
        ("test", "good", 3, {"rgb": 3, "tir": 3}, 0),
        ("test", "hole", 3, {"rgb": 3, "tir": 3}, 3),
    ]
    assert {name: (kind.bit_depth, kind.channels) for name, kind in report.kinds.items()} == {
        "rgb": (8, 3),
        "tir": (16, 1),
    }


def test_missing_modalities_are_counted_and_allowed(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "test" / "hole" / "rgb" / "001.png").unlink()
    report = check(tmp_path)
    assert report.faults == ()
    assert report.counts[-1].images == {"rgb": 2, "tir": 3}


def test_every_fault_is_found_at_once(tmp_path: Path) -> None:
    write_set(tmp_path)
    test = tmp_path / "test"
    halve_file(test / "good" / "rgb" / "000.png")
    write_png(test / "good" / "tir" / "001.png", (tir(0) // 256).astype(np.uint8))
    write_png(test / "good" / "rgb" / "002.png", square())
    write_png(test / "hole" / "gt" / "000.png", square(20))
    write_png(test / "hole" / "gt_tir" / "001.png", square(32))
    shutil.copy(tmp_path / "train" / "good" / "rgb" / "004.png", test / "hole" / "rgb" / "002.png")
    keys = [sample.key for sample in index_of_names(tmp_path)]
    rows = "".join(f"{key.replace('/', ',')},{'g' if key.endswith('000') else ''}\n" for key in keys[:-1])
    (tmp_path / "samples.csv").write_text(f"split,cls,name,group\n{rows}test,hole,zz,\n")
    faults = sorted(check(tmp_path).faults)
    assert faults == sorted(
        [
            "samples.csv: test/hole/zz has no image",
            "test/hole/002 has no row in samples.csv",
            "the group 'g' lies in train and test",
            f"test/good/rgb/000.png: not a complete image ({(test / 'good/rgb/000.png').stat().st_size} bytes)",
            "test/good/tir/001.png: 8 bit where 16 is what train/good has",
            "test/good/rgb/002.png: 1 channel(s) where 3 is what train/good has",
            "test/hole/gt/000.png: the mask is 20x20 px, its rgb image 32x32",
            "test/hole/gt_tir/001.png: the mask is 32x32 px, its tir image 16x16",
            "test/hole/rgb/002.png has the pixels of train/good/rgb/004.png",
        ]
    )


def index_of_names(root: Path) -> tuple:
    return index(root).samples


def test_a_leak_is_found_by_pixels_and_not_by_bytes(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_part(tmp_path, "validation", "good", "000")
    source = tmp_path / "train" / "good" / "tir" / "002.png"
    write_png(tmp_path / "train" / "good" / "tir" / "003.png", tir(77))
    shutil.copy(tmp_path / "train" / "good" / "tir" / "003.png", tmp_path / "train" / "good" / "tir" / "004.png")
    copy = tmp_path / "validation" / "good" / "tir" / "000.png"
    # A chunk after the end changes the bytes and not the pixels.
    copy.write_bytes(source.read_bytes() + b"IEND")
    assert check(tmp_path).faults == ("validation/good/tir/000.png has the pixels of train/good/tir/002.png",)


def test_two_dark_frames_are_not_the_same_part(tmp_path: Path) -> None:
    write_set(tmp_path)
    for split in ("train", "test"):
        write_png(tmp_path / split / "good" / "rgb" / "000.png", np.zeros((32, 32, 3), np.uint8))
    assert check(tmp_path).faults == ()


def test_a_declared_depth_is_wanted_of_every_image(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "dataset.yaml").write_text("modalities: {rgb: {bit_depth: 8, channels: 3}, tir: {bit_depth: 16}}\n")
    for path in (tmp_path / "test" / "hole" / "tir").iterdir():
        write_png(path, np.zeros((16, 16), np.uint8))
    assert check(tmp_path).faults == tuple(f"test/hole/tir/{i:03}.png: 8 bit where 16 was declared" for i in range(3))


def test_notes_are_no_faults(tmp_path: Path) -> None:
    write_set(tmp_path)
    hole = tmp_path / "test" / "hole"
    write_png(hole / "gt" / "000.png", np.zeros((32, 32), np.uint8))
    (hole / "gt" / "001.png").unlink()
    write_png(tmp_path / "train" / "good" / "tir" / "000.png", tir(5)[:12])
    report = check(tmp_path)
    assert report.faults == ()
    assert list(report.notes) == [
        "tir: images of 2 sizes, most of them 16x16 px",
        "1 defective part(s) whose masks are empty: test/hole/000",
        "1 defective part(s) without a mask: test/hole/001",
    ]


def test_a_mask_that_one_modality_does_not_show_is_not_noted(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_png(tmp_path / "test" / "hole" / "gt_tir" / "000.png", np.zeros((16, 16), np.uint8))
    assert check(tmp_path).notes == ()


def test_test_images_alone_are_counted_and_the_fault_is_train_good(tmp_path: Path) -> None:
    write_part(tmp_path, "test", "hole", "000")
    report = check(tmp_path)
    assert [count.parts for count in report.counts] == [1]
    assert report.faults[0] == "train/good has no folder of images: there are no good parts to learn from"


def test_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        check(tmp_path / "nowhere")


def test_progress_counts_every_file(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    check(write_set(tmp_path), lambda *step: seen.append(step))
    assert seen[0] == ("decode", 1, 27)
    assert seen[-1] == ("decode", 27, 27)
