"""`radar-edge evaluate` as its user calls it, on a run and on the bundle made from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from small_run import write_data, write_run
from small_set import square
from typer.testing import CliRunner, Result

from radar_edge.cli import build_engines, compare, evaluate
from radar_edge.errors import BundleError, DatasetError, RunError, UsageError
from radar_edge.preprocess import read_image, write_png

app = typer.Typer()
for command in (build_engines, compare, evaluate):
    command.register(app)

SLUGS = ["rgb", "rgb_tir", "tir"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


EVERY_FIGURE = [
    "image_auroc",
    "image_auroc_any",
    "image_aupr",
    "image_f1_max",
    "pixel_auroc",
    "aupro_030",
    "aupro_005",
    "frr_at_threshold",
    "escape_at_threshold",
    *(f"oracle_frr_at_escape_{share}" for share in ("0", "1", "5")),
    *(f"oracle_escape_at_frr_{share}" for share in ("0", "01", "1")),
]
WAYS = ("calibrated", "raw", "placeholder")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its bundle, and its data with six test parts."""
    folder = tmp_path_factory.mktemp("place")
    data = write_data(folder / "data")
    for i in range(6):
        cls = "hole" if i % 2 else "good"
        for name, extra in (("rgb", 0), ("tir", 3000)):
            image = read_image(data / "train" / "good" / name / f"{i:03}.png").copy()
            image[:2] = i
            if cls == "hole":
                image[10:20, 10:20] = extra
            write_png(data / "test" / cls / name / f"{i:03}.png", image)
        if cls == "hole":
            write_png(data / "test" / cls / "gt" / f"{i:03}.png", square(48))
    write_run(folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADAR_EDGE_HOME", str(folder / "home"))
        words = ("--out", folder / "bundle", "--precision", "fp16")  # beside fp32; INT8 takes as long as both
        built = call("build-engines", folder / "run", "--data", data, *words)
    assert built.exit_code == 0, built.output
    return folder


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(place / "home"))


@pytest.fixture(scope="module")
def of_run(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("out")
    options = ("--report", out / "report.html", "--out", out / "metrics.json", "--json")
    return call("evaluate", place / "run", "--data", place / "data", *options), out


def last_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_run_is_measured_on_every_subset(of_run: tuple[Result, Path]) -> None:
    document = last_json(of_run[0])
    assert sorted(document["subsets"]) == SLUGS
    for figures in document["subsets"].values():
        assert (figures["good"], figures["defects"]) == (3, 3)
        assert 0 <= figures["image_auroc"] <= 1
        for name in ("image_auroc", "aupro_030", "aupro_005", "frr_at_threshold", "escape_at_threshold"):
            assert f"{name}_ci" in figures
        assert figures["ng_threshold"] >= figures["threshold"]
        assert (figures["calibration_groups"], figures["smallest_frr"]) == (20, pytest.approx(1 / 21))
        assert 0 <= figures["frr_chance"] <= 1
        assert figures["frr_bound"] > document["target_frr"] == 0.05
    assert "least 4.76% (20 parts)" in " ".join(of_run[0].stderr.split())
    assert len(of_run[0].stdout.splitlines()) == 1
    assert "rgb_tir" in of_run[0].stderr


def test_the_figures_and_the_page_are_written(of_run: tuple[Result, Path]) -> None:
    result, out = of_run
    assert json.loads((out / "metrics.json").read_text()) == last_json(result)
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "report.html"]
    assert "</html>" in (out / "report.html").read_text()


def test_a_bundle_says_what_its_run_says_and_brings_its_thresholds(place: Path, of_run: tuple[Result, Path]) -> None:
    of_bundle = last_json(call("evaluate", place / "bundle", "--data", place / "data", "--json"))
    manifest = json.loads((place / "bundle" / "manifest.json").read_text())
    exact = [engine for engine in manifest["engines"] if engine["precision"] == "fp32"]
    thresholds = {engine["subset"]: engine["calibration"]["threshold"] for engine in exact}
    for slug, figures in last_json(of_run[0])["subsets"].items():
        assert of_bundle["subsets"][slug]["image_auroc"] == figures["image_auroc"]
        assert of_bundle["subsets"][slug]["threshold"] == thresholds[slug]
        assert of_bundle["subsets"][slug]["threshold"] == pytest.approx(figures["threshold"], abs=1e-4)


def test_another_precision_brings_its_own_thresholds(place: Path) -> None:
    found = last_json(call("evaluate", place / "bundle", "--data", place / "data", "--precision", "fp16", "--json"))
    manifest = json.loads((place / "bundle" / "manifest.json").read_text())
    of_rgb = {e["precision"]: e["calibration"]["threshold"] for e in manifest["engines"] if e["subset"] == "rgb"}
    assert found["precision"] == "fp16"
    assert found["subsets"]["rgb"]["threshold"] == of_rgb["fp16"] != of_rgb["fp32"]


def test_a_precision_that_is_not_there(place: Path) -> None:
    of_run = call("evaluate", place / "run", "--data", place / "data", "--precision", "fp16")
    assert isinstance(of_run.exception, UsageError)
    assert "has no engines" in str(of_run.exception)
    unknown = call("evaluate", place / "bundle", "--data", place / "data", "--precision", "fp64")
    assert isinstance(unknown.exception, BundleError)
    assert "found:  rgb fp32" in str(unknown.exception)


def test_two_precisions_of_one_bundle_are_compared(place: Path, tmp_path: Path) -> None:
    bundle = place / "bundle"
    options = ("--precision-a", "fp32", "--precision-b", "fp16", "--report", tmp_path / "page.html", "--json")
    found = last_json(call("compare", bundle, bundle, "--data", place / "data", *options))
    assert (found["a"], found["b"]) == (f"{bundle} fp32", f"{bundle} fp16")
    for figures in found["subsets"].values():
        assert abs(figures["image_auroc"]["difference"]) < 0.2
        assert len(figures["furthest"]) == 6
        assert all(part["scores"][0] != part["scores"][1] for part in figures["furthest"])
    assert "Furthest apart" in (tmp_path / "page.html").read_text()


def test_the_demo_calls_it_as_a_function(place: Path) -> None:
    threads = torch.get_num_threads()
    metrics = evaluate.evaluate(place / "run", place / "data")
    assert sorted(metrics["subsets"]) == SLUGS
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_is_neither_run_nor_bundle(place: Path, tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "thing"
    if made:
        folder.mkdir()
    result = call("evaluate", folder, "--data", place / "data")
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert "neither a run nor a bundle" in str(result.exception)


def test_of_an_unfinished_training_the_way_on_is_said(place: Path, tmp_path: Path) -> None:
    (tmp_path / "state.pt").touch()
    result = call("evaluate", tmp_path, "--data", place / "data")
    assert isinstance(result.exception, UsageError)
    assert "--resume" in str(result.exception)


def test_too_few_held_out_parts_for_a_threshold(place: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", held_out=["train/good/004", "train/good/005"])
    result = call("evaluate", tmp_path / "run", "--data", place / "data", "--target-frr", "0.05")
    assert isinstance(result.exception, UsageError)
    assert "at least 19" in str(result.exception)


def test_without_a_target_the_least_possible_is_taken_and_said(place: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", held_out=["train/good/004", "train/good/005"])
    result = call("evaluate", tmp_path / "run", "--data", place / "data", "--json")
    assert last_json(result)["target_frr"] == pytest.approx(1 / 3)
    assert "2 independent held-out good parts cannot guarantee 5%: the target is 33.33%" in result.stderr


def test_a_bundle_keeps_its_thresholds(place: Path) -> None:
    result = call("evaluate", place / "bundle", "--data", place / "data", "--target-frr", "0.1")
    assert isinstance(result.exception, UsageError)
    assert "calibrate-threshold" in str(result.exception)


def test_the_document_has_every_key(of_run: tuple[Result, Path]) -> None:
    document = last_json(of_run[0])
    rows = document["missing"]["rows"]
    assert {(row["rate"], row["missing"]) for row in rows} == {
        (rate, lost) for rate in (0.3, 0.5, 0.7) for lost in ("rgb", "tir", "both")
    }
    assert all(row[way] is not None and f"{way}_ci" in row for row in rows for way in WAYS)
    assert document["leak"] == []
    assert sorted(document["exchangeable"]) == SLUGS
    for slug, figures in document["subsets"].items():
        for name in EVERY_FIGURE:
            assert name in figures, name
            assert f"{name}_ci" in figures, name
        assert figures["controls"]["untrained"]["image_auroc"] is not None
        assert {name.partition(".")[0] for name in figures["baselines"]} == set(slug.split("_"))
        assert "hole" in figures["strata"]["class"]


def test_a_test_image_that_was_trained_on_is_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    shutil.copy(tmp_path / "data/train/good/rgb/000.png", tmp_path / "data/test/good/rgb/001.png")
    result = call("evaluate", place / "run", "--data", tmp_path / "data")
    assert isinstance(result.exception, DatasetError)
    assert "test/good/rgb/001.png is the file train/good/rgb/000.png" in str(result.exception)


def test_other_data_than_the_run_was_trained_on(place: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", held_out=[f"train/good/x{i}" for i in range(20)])
    result = call("evaluate", tmp_path / "run", "--data", place / "data")
    assert isinstance(result.exception, DatasetError)


def test_a_set_without_test_parts_leaves_nothing_behind(place: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    out = tmp_path / "out"
    options = ("--out", out / "metrics.json", "--report", out / "report.html", "--json")
    result = call("evaluate", place / "bundle", "--data", tmp_path / "data", *options)
    assert isinstance(result.exception, DatasetError)
    assert "at least one of each in test/" in str(result.exception)
    assert not out.exists()
    assert result.stdout == ""


def test_a_changed_bundle_is_not_measured(place: Path, tmp_path: Path) -> None:
    for path in (place / "bundle").rglob("*"):
        if path.is_file():
            copy = tmp_path / "bundle" / path.relative_to(place / "bundle")
            copy.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes()
            copy.write_bytes(data[:-1] + b"?" if path.name == "tir_fp32.onnx" else data)
    result = call("evaluate", tmp_path / "bundle", "--data", place / "data")
    assert isinstance(result.exception, BundleError)
    assert "onnx/tir_fp32.onnx has changed" in str(result.exception)


def test_a_damaged_run_is_not_measured(place: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "weights.pt").write_bytes(b"no weights")
    result = call("evaluate", tmp_path / "run", "--data", place / "data")
    assert isinstance(result.exception, RunError)


def test_a_run_and_its_bundle_compare_as_one_detector(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    options = ("--data", place / "data", "--out", tmp_path / "compare.json", "--report", page, "--json")
    result = call("compare", place / "run", place / "bundle", *options)
    document = last_json(result)
    assert json.loads((tmp_path / "compare.json").read_text()) == document
    assert sorted(document["subsets"]) == SLUGS
    for figures in document["subsets"].values():
        assert figures["image_auroc"]["difference"] == 0
        assert figures["image_auroc"]["better"] is None
        assert figures["sides"] == {"won": [], "lost": []}
    assert "of 6 parts B gets 0 right" in result.stderr
    assert "Won: B is right and A was wrong" in page.read_text()


def test_comparing_needs_two_detectors(place: Path, tmp_path: Path) -> None:
    result = call("compare", place / "run", tmp_path, "--data", place / "data")
    assert isinstance(result.exception, UsageError)
