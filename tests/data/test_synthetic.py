"""The embedded default set: deterministic, laid out as agreed, honest masks, and not solved by one number."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from baselines import best_auroc, z_scores
from typer.testing import CliRunner

from radar_edge.cli import synth
from radar_edge.data.layouts import Dataset, Sample, index
from radar_edge.data.synthetic import camera, defects, generate, part, thermal
from radar_edge.errors import UsageError
from radar_edge.preprocess import read_image
from radar_edge.records import Image

CAP = 0.80
PARTS = 240


@pytest.fixture(scope="module")
def whole_set(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The default proportions, with fewer parts."""
    root = tmp_path_factory.mktemp("synth") / "set"
    generate.generate(root, parts=PARTS, workers=2)
    return index(root)


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def specimen(seed: int = 5) -> part.Specimen:
    return part.draw_specimen(np.random.default_rng(seed), ambient_c=22.0, nuc_seed=1)


def changed(kind: str, seed: int) -> tuple[bool, bool]:
    """Whether a defect of this kind changes any pixel of the RGB and of the thermal picture."""
    good = specimen(seed)
    defect = defects.DRAW[kind](np.random.default_rng(seed), good)
    rgb = camera.round_levels(camera.rgb_levels(good, 128)), camera.round_levels(camera.rgb_levels(good, 128, defect))
    tir = thermal.thermal_counts(good, 64), thermal.thermal_counts(good, 64, defect)
    return bool((rgb[0] != rgb[1]).any()), bool((tir[0] != tir[1]).any())


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(tmp_path: Path) -> None:
    for name, workers, seed in (("a", 1, 3), ("b", 2, 3), ("c", 1, 4)):
        generate.generate(tmp_path / name, parts=50, seed=seed, size_px=64, workers=workers)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_the_default_set_has_300_good_parts_to_learn_from_and_12_test_parts_a_defect() -> None:
    jobs = generate.plan(600, seed=0)
    counts = {key: sum((job.split, job.cls) == key for job in jobs) for key in {(j.split, j.cls) for j in jobs}}
    good = {("train", "good"): 300, ("validation", "good"): 90, ("test", "good"): 90}
    bad = {(split, cls): n for split, n in (("validation", 3), ("test", 12)) for cls in defects.DRAW}
    assert counts == good | bad
    assert len({job.name for job in jobs}) == 600


def test_every_lot_is_in_every_split() -> None:
    jobs = generate.plan(600, seed=0)
    lots = {split: {job.lot for job in jobs if job.split == split} for split in ("train", "validation", "test")}
    assert lots["train"] == lots["validation"] == lots["test"] == set(range(12))


@pytest.mark.parametrize("kind", defects.DRAW)
def test_a_defect_changes_only_the_modalities_that_it_is_said_to_be_visible_in(kind: str) -> None:
    for seed in (1, 2, 3):
        rgb, tir = changed(kind, seed)
        seen = defects.VISIBLE_IN[kind].split("_")
        assert (rgb, tir) == ("rgb" in seen, "tir" in seen)


def test_layout_depths_and_strata(whole_set: Dataset) -> None:
    assert whole_set.modalities == ("rgb", "tir")
    rgb, tir = whole_set.specs["rgb"], whole_set.specs["tir"]
    assert (rgb.channels, rgb.bit_depth, rgb.height, rgb.width) == (3, 8, 256, 256)
    assert (tir.channels, tir.bit_depth, tir.height, tir.width) == (1, 16, 128, 128)
    assert whole_set.declared["tir"].unit == "celsius"
    assert len({sample.group for sample in whole_set.samples}) == PARTS
    assert all(set(sample.strata) == {"lot"} for sample in whole_set.samples)
    assert all(set(sample.paths) == {"rgb", "tir"} for sample in whole_set.samples)


def test_masks_are_there_exactly_where_a_defect_is_visible(whole_set: Dataset) -> None:
    for sample in whole_set.samples:
        seen = set(sample.visible_in) if sample.visible_in else set()
        assert seen == (set() if sample.is_good else set(defects.VISIBLE_IN[sample.cls].split("_")))
        assert set(sample.masks) == seen
        assert (sample.mask is not None) == bool(seen)
        for name, path in sample.masks.items():
            check_mask(sample, name, path)


def check_mask(sample: Sample, name: str, path: Path) -> None:
    mask = read_image(path)
    assert mask.shape == read_image(sample.paths[name]).shape[:2]
    assert set(np.unique(mask)) == {0, 255}
    assert 0.0005 < (mask > 0).mean() < 0.2
    assert sample.mask is not None
    whole = read_image(sample.mask)
    step = whole.shape[0] // mask.shape[0]
    assert (whole[::step, ::step][mask > 0] == 255).all()


def test_a_mask_covers_what_changed() -> None:
    job = next(job for job in generate.plan(600, seed=0) if job.cls == "stain")
    spoilt, good = generate.shoot(job, 128), specimen_of(job, 128)
    difference = np.abs(spoilt.rgb.astype(int) - good.astype(int)).max(axis=2)
    assert difference[spoilt.masks["rgb"]].mean() > 2 * generate.RGB_LEVELS
    assert difference[~spoilt.masks["rgb"]].max() <= generate.RGB_LEVELS


def specimen_of(job: generate.Job, size_px: int) -> Image:
    of_part, _ = np.random.SeedSequence(job.seed).spawn(2)
    good = part.draw_specimen(np.random.default_rng(of_part), job.ambient_c, job.nuc_seed)
    return camera.round_levels(camera.rgb_levels(good, size_px))


@pytest.fixture(scope="module")
def known(whole_set: Dataset) -> dict[str, np.ndarray]:
    """`[test parts, baselines]` of each modality."""
    test, train = whole_set.select("test"), whole_set.select("train", good=True)
    return {
        name: z_scores(*([read_image(one.paths[name]) for one in parts] for parts in (test, train)))
        for name in whole_set.modalities
    }


@pytest.mark.parametrize("subset", ["rgb", "tir", "rgb_tir"])
def test_no_single_number_tells_good_from_defective(
    whole_set: Dataset, known: dict[str, np.ndarray], subset: str
) -> None:
    names, test = subset.split("_"), whole_set.select("test")
    seen = [n for n, s in enumerate(test) if s.is_good or set(names) & set(s.visible_in or ())]
    bad = np.array([not test[n].is_good for n in seen])
    best = best_auroc(bad, [known[name][seen] for name in names])
    assert {name: value for name, value in best.items() if value > CAP} == {}


def test_the_baselines_would_notice_a_leak() -> None:
    rng = np.random.default_rng(0)
    train, test = [list(rng.normal(100, 5, (30, 16, 16))) for _ in range(2)]
    bad = np.arange(30) < 15
    leaking = [image + 4 * leaks for image, leaks in zip(test, bad, strict=True)]
    assert best_auroc(bad, [z_scores(test, train)])["mean"] < CAP
    assert best_auroc(bad, [z_scores(leaking, train)])["mean"] > 0.99


def test_the_solver_finds_the_temperature_of_a_sheet_that_is_known() -> None:
    """T = cos(pi x / L) is an eigenfunction of the closed sheet."""
    size, s, leak = 64, 0.05, 1e-4
    x = (np.arange(size) + 0.5) / size
    wanted = np.tile(3 + np.cos(np.pi * x), (size, 1))
    eigenvalue = 2 - 2 * np.cos(np.pi / size)
    source = leak * wanted + s * eigenvalue * (wanted - 3)
    full = np.ones((size, size), np.float32)
    found = thermal.solve_sheet(s * full, leak * full, source.astype(np.float32), tolerance=1e-6)
    assert np.abs(found - wanted).max() < 1e-3


def test_heat_leaves_as_it_came() -> None:
    good = specimen()
    grid = part_grid(good)
    layers = thermal.layers_of(good, grid, defects.NONE)
    sheet = thermal.solve_sheet(layers.sheet, layers.to_base, layers.power, tolerance=1e-6)
    assert np.isclose((layers.to_base * sheet).sum(), layers.power.sum(), rtol=1e-4)


def part_grid(good: part.Specimen) -> thermal.Grid:
    return thermal.Grid(64, good.pose, good.parallax)


@pytest.mark.parametrize(("parts", "size_px"), [(49, 256), (600, 62), (600, 130), (600, 2048)])
def test_a_request_that_cannot_be_met_is_refused(tmp_path: Path, parts: int, size_px: int) -> None:
    with pytest.raises(UsageError, match="wanted"):
        generate.generate(tmp_path / "set", parts=parts, size_px=size_px)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_off_generation_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate.generate(tmp_path / "set", parts=50, size_px=64, workers=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_json_and_keeps_what_is_there_unless_forced(tmp_path: Path) -> None:
    app = typer.Typer()
    synth.register(app)
    out = tmp_path / "set"
    arguments = [str(out), "--parts", "50", "--size", "64", "--json"]
    first = CliRunner().invoke(app, arguments)
    document = json.loads(first.stdout.splitlines()[-1])
    assert (document["parts"], document["counts"]["train/good"]) == (50, 25)
    before = digests(out)
    refused = CliRunner().invoke(app, [*arguments, "--seed", "1"])
    assert isinstance(refused.exception, UsageError)
    assert digests(out) == before
    assert CliRunner().invoke(app, [*arguments, "--seed", "1", "--force"]).exit_code == 0
    assert digests(out) != before


def test_force_replaces_only_what_synth_made(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.txt").touch()
    with pytest.raises(UsageError, match="not made by synth"):
        generate.generate(tmp_path / "photos", parts=50, seed=0, size_px=64, replace=True)
    assert (tmp_path / "photos" / "mine.txt").exists()
