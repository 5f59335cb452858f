"""Which second modality each kind has, on small copies of the layouts and on the real sets."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bench_set import write_bench_set
from foreign import crop, jpg, magnetic_tile, mvtec_3d_ad, mvtec_ad, texture, toyadmos

from radar_edge.benchmark.kinds import Prepared, prepare
from radar_edge.benchmark.second_modality import DERIVED, MIDDLE, high_passed
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image, write_png


def tiles(root: Path) -> Path:
    """Magnetic tiles in the product's own layout: pairs, a picture that is alone, and a pair that does not register."""
    rows = ["split,cls,name,group"]
    for n, (split, cls) in enumerate([("train", "good")] * 3 + [("test", "good"), ("test", "crack")]):
        for exposure in (1, 2):
            name = f"exp{exposure}_num_{1000 * n + 20 * exposure}"
            is_other = n == 1 and exposure == 2
            picture = texture(99 if is_other else n)
            jpg(root / split / cls / "rgb" / f"{name}.jpg", crop(picture, dx=exposure - 1))
            if cls != "good":
                write_png(root / split / cls / "gt" / f"{name}.png", np.full((96, 80), 255, np.uint8))
            rows.append(f"{split},{cls},{name},g{n}")
    jpg(root / "train/good/rgb/exp1_num_9000.jpg", crop(texture(50)))
    rows.append("train,good,exp1_num_9000,g9")
    (root / "samples.csv").write_text("\n".join(rows) + "\n")
    return root


def test_a_set_with_two_modalities_is_used_where_it_is(tmp_path: Path) -> None:
    data = write_bench_set(tmp_path / "set")
    for kind in ("miiad", "mi-mt", "mi-mvtec", "mi-toycar"):
        found = prepare(kind, data, tmp_path / "work")
        assert (found.dataset.root, found.dataset.modalities, found.derived) == (data, ("rgb", "tir"), ())
    assert not (tmp_path / "work").exists()


def test_exposures_are_paired_within_the_folders_groups_and_splits(tmp_path: Path) -> None:
    found = prepare("mi-mt", tiles(tmp_path / "tiles"), tmp_path / "work")
    assert found.dataset.modalities == ("rgb", "exp2")
    parts = {sample.key: sample for sample in found.dataset.samples}
    assert set(parts) == {
        "train/good/exp1_num_20",
        "train/good/exp1_num_2020",
        "test/good/exp1_num_3020",
        "test/crack/exp1_num_4020",
    }
    crack = parts["test/crack/exp1_num_4020"]
    assert (crack.group, set(crack.masks)) == ("g4", {"rgb", "exp2"})
    assert found.notes == ("3 of 7 parts were left out: a modality of theirs is missing",)
    second = crack.paths["exp2"].read_bytes()
    assert second == (tmp_path / "tiles/test/crack/rgb/exp2_num_4040.jpg").read_bytes()


def test_magnetic_tiles_as_they_were_unpacked(tmp_path: Path) -> None:
    found = prepare("mi-mt", magnetic_tile(tmp_path / "src", tiles=11), tmp_path / "work")
    assert found.dataset.modalities == ("rgb", "exp2")
    assert len(found.dataset.samples) == 11


@pytest.mark.parametrize("layout", ["published", "own"])
def test_the_derived_view_is_high_passed_and_named_derived(tmp_path: Path, layout: str) -> None:
    data = mvtec_ad(tmp_path / "src")
    if layout == "own":
        data = prepare("mi-mvtec", data, tmp_path / "first").dataset.root
        for folder in data.glob(f"*/*/{DERIVED}"):
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        (data / "dataset.yaml").unlink()
        assert index(data).modalities == ("rgb",)
    found = prepare("mi-mvtec", data, tmp_path / "work")
    assert (found.dataset.modalities, found.derived) == (("rgb", DERIVED), (DERIVED,))
    (crack, _) = found.dataset.select("test", good=False)
    assert crack.mask is not None
    assert np.array_equal(read_image(crack.paths[DERIVED]), high_passed(crack.paths["rgb"]))
    assert any("derived" in note for note in found.notes)


def test_the_derived_view_has_no_brightness_and_no_slow_shading(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grain = rng.integers(-20, 20, (64, 64))
    slope = np.linspace(0, 60, 64)[None]
    for name, image in {"dark": 60 + grain, "bright": 160 + grain, "sloped": 90 + grain + slope}.items():
        write_png(tmp_path / f"{name}.png", image.astype(np.uint8))
    dark, bright, sloped = (high_passed(tmp_path / f"{name}.png").astype(int) for name in ("dark", "bright", "sloped"))
    assert np.abs(dark - bright).max() <= 1
    assert abs(dark.mean() - MIDDLE) < 1
    assert np.abs(dark - sloped)[8:-8, 8:-8].max() <= 2
    assert dark.std() > 8


def test_a_16_bit_picture_has_a_derived_view_too(tmp_path: Path) -> None:
    eight = np.random.default_rng(0).integers(90, 120, (64, 64), np.uint8)
    write_png(tmp_path / "8.png", eight)
    write_png(tmp_path / "16.png", eight.astype(np.uint16) * 256)
    assert np.array_equal(high_passed(tmp_path / "8.png"), high_passed(tmp_path / "16.png"))


def test_depth_is_the_second_modality_where_there_is_depth(tmp_path: Path) -> None:
    found = prepare("mi-mvtec", mvtec_3d_ad(tmp_path / "src"), tmp_path / "work")
    assert (found.dataset.modalities, found.derived) == (("rgb", "depth"), ())


def test_channels_of_recordings_are_modalities(tmp_path: Path) -> None:
    found = prepare("mi-toycar", toyadmos(tmp_path / "src", channels=2), tmp_path / "work")
    assert (found.dataset.modalities, found.derived) == (("mic1", "mic2"), ())


def test_a_prepared_set_is_made_once_and_anew_for_other_files(tmp_path: Path) -> None:
    data = tiles(tmp_path / "tiles")

    def made() -> Prepared:
        return prepare("mi-mt", data, tmp_path / "work")

    first = made()
    stamp = (first.dataset.root / "samples.csv").stat().st_mtime_ns
    assert made() == first
    assert (first.dataset.root / "samples.csv").stat().st_mtime_ns == stamp
    (data / "train/good/rgb/exp1_num_9000.jpg").write_bytes((data / "train/good/rgb/exp1_num_20.jpg").read_bytes())
    assert made().dataset.root != first.dataset.root


@pytest.mark.parametrize(("kind", "make"), [("mi-toycar", toyadmos), ("miiad", mvtec_ad)])
def test_no_second_modality(tmp_path: Path, kind: str, make: object) -> None:
    data = make(tmp_path / "src")  # type: ignore[operator]
    if kind == "miiad":
        data = write_bench_set(tmp_path / "set")
        for folder in data.glob("*/*/tir"):
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
    with pytest.raises(DatasetError) as caught:
        prepare(kind, data, tmp_path / "work")
    assert "no second modality" in caught.value.problem
    assert "found:" in caught.value.render()


def test_names_that_say_no_exposure(tmp_path: Path) -> None:
    data = tiles(tmp_path / "tiles")
    (data / "samples.csv").unlink()
    jpg(data / "train/good/rgb/tile7.jpg", crop(texture(7)))
    with pytest.raises(DatasetError) as caught:
        prepare("mi-mt", data, tmp_path / "work")
    assert caught.value.faults == ("train/good/tile7 is not named exp<k>_num_<n>",)


def test_test_parts_of_one_class_cannot_rank(tmp_path: Path) -> None:
    data = write_bench_set(tmp_path / "set")
    for path in (data / "test/good/tir").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="cannot rank detectors"):
        prepare("miiad", data, tmp_path / "work")


@pytest.mark.data
@pytest.mark.parametrize(
    ("kind", "name", "modalities", "least"),
    [("mi-mt", "magnetic_tile", ("rgb", "exp2"), 450), ("mi-mvtec", "mvtec_screw", ("rgb", DERIVED), 480)],
)
def test_real_sets(tmp_path: Path, kind: str, name: str, modalities: tuple[str, ...], least: int) -> None:
    if "RADAR_EDGE_DATA" not in os.environ:
        pytest.skip("RADAR_EDGE_DATA does not name the folder of the real image sets")
    source = Path(os.environ["RADAR_EDGE_DATA"]) / name
    found = prepare(kind, source, tmp_path)
    assert found.dataset.modalities == modalities
    assert len(found.dataset.samples) >= least
    # Of a pair with one defective picture the part is defective, so its class may be another than the first one's.
    places = {(sample.split, sample.name) for sample in index(source).samples}
    assert {(sample.split, sample.name) for sample in found.dataset.samples} <= places
    counts = Counter((sample.split, sample.is_good) for sample in found.dataset.samples)
    assert min(counts["train", True], counts["test", True], counts["test", False]) > 40
