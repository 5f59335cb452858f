"""radar-edge register: from a folder and from real camera processes, into the files that training and the line read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from scenes import corner_error_px, mount, pairs
from typer.testing import CliRunner, Result

from radar_edge.cli import register
from radar_edge.config import LineConfig, load_config
from radar_edge.data.dataset import fit_preprocess, load_inputs
from radar_edge.data.layouts import index
from radar_edge.errors import ConfigError, DatasetError, UsageError
from radar_edge.preprocess import Preprocess, read_image, write_png
from radar_edge.simulation.example_line import line_document

app = typer.Typer()
register.register(app)
TRUE = mount(2, bend_px=3.0)


@pytest.fixture(scope="module")
def images() -> list[tuple[np.ndarray, np.ndarray]]:
    return pairs(16, TRUE, 2)


def write_line(folder: Path, images: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    """line.yaml beside a data set, and the same pictures as what its cameras show."""
    for n, (rgb, tir) in enumerate(images):
        for root in (folder / "data/train/good", folder / "parts"):
            write_png(root / "rgb" / f"{n:03d}.png", rgb)
            write_png(root / "tir" / f"{n:03d}.png", tir)
    path = folder / "line.yaml"
    path.write_text("# our line\n" + yaml.safe_dump(line_document("/dev/null")))
    return path


@pytest.fixture
def line(tmp_path: Path, images: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    return write_line(tmp_path, images)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, images: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    """A line that the command has written, from the data set beside it."""
    folder = tmp_path_factory.mktemp("registered")
    said = last_json(call(write_line(folder, images), "--data", folder / "data"))
    assert said["written"] == [str(folder / "line.yaml"), str(folder / "data/dataset.yaml")]
    assert corner_error_px(np.reshape(said["homography"], (3, 3)), TRUE) < 1.0
    assert read_image(Path(said["picture"])).shape[2] == 3
    return folder


def call(line: Path, *more: object) -> Result:
    return CliRunner().invoke(app, [str(line), *map(str, more), "--json"])


def last_json(result: Result) -> Any:
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout.splitlines()[-1])


def test_training_and_the_line_make_the_same_bytes_of_one_picture(registered: Path) -> None:
    line = registered / "line.yaml"
    assert line.read_text().startswith("# our line\n")
    dataset = index(registered / "data")
    trained = fit_preprocess(dataset, 64)
    samples = dataset.select("train", good=True)[:3]
    inputs, _ = load_inputs(samples, trained)
    shipped = Preprocess.model_validate_json(trained.model_dump_json())  # as it stands in a bundle's manifest
    on_line = shipped.on_unit(load_config(LineConfig, line).registration)
    for n, sample in enumerate(samples):
        made = on_line({name: read_image(path) for name, path in sample.paths.items()})
        for name, array in made.items():
            assert array.tobytes() == inputs[name][n : n + 1].tobytes()


def test_the_moved_picture_lies_on_the_reference(registered: Path) -> None:
    """A hot pixel of the thermal picture comes to where the homography says, scaled from the view to the network."""
    spec = fit_preprocess(index(registered / "data"), 80).modalities["tir"]
    assert spec.view == (160, 160)
    hot = np.full((80, 80), 30000, np.uint16)
    hot[29:32, 49:52] = 40000
    made = Preprocess(modalities={"tir": spec})({"tir": hot})["tir"][0, 0]
    y, x = (axis.mean() for axis in np.nonzero(made > made.max() / 2))
    wanted = TRUE @ (50, 30, 1)
    assert (x * 2 + 0.5, y * 2 + 0.5) == pytest.approx(wanted[:2] / wanted[2], abs=1.5)


def test_a_units_own_mount_takes_the_place_of_the_bundles(registered: Path) -> None:
    trained = fit_preprocess(index(registered / "data"), 32)
    entry = load_config(LineConfig, registered / "line.yaml").registration["tir"]
    other = entry.model_copy(update={"homography": (2.0, 0, 9, 0, 2.0, 9, 0, 0, 1.0)})
    assert trained.on_unit({"tir": other}).modalities["tir"].homography == other.homography
    assert trained.on_unit({}) == trained
    plain = Preprocess(
        modalities={
            name: spec.model_copy(update={"homography": None, "view": None})
            for name, spec in trained.modalities.items()
        }
    )
    with pytest.raises(ConfigError, match="trained on without"):
        plain.on_unit({"tir": entry})


def test_from_the_lines_own_cameras(line: Path) -> None:
    said = last_json(call(line, "--pairs", 12, "--every-ms", 40))
    assert corner_error_px(np.reshape(said["homography"], (3, 3)), TRUE) < 1.0
    assert said["written"] == [str(line)]


def test_a_doubtful_mount_is_never_written(line: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for path in (tmp_path / "data/train/good/tir").iterdir():
        write_png(path, rng.integers(29900, 30100, (80, 80)).astype(np.uint16))
    before = line.read_bytes()
    result = call(line, "--data", tmp_path / "data", "--pairs", 8)
    assert isinstance(result.exception, DatasetError)
    assert line.read_bytes() == before
    assert not (tmp_path / "data/dataset.yaml").exists()


def test_what_cannot_be_asked(line: Path, tmp_path: Path) -> None:
    assert isinstance(call(line, "--moving", "depth").exception, UsageError)
    assert isinstance(call(line, "--moving", "rgb").exception, UsageError)
    assert isinstance(call(line, "--target", "cube").exception, UsageError)
    nothing = call(line, "--data", tmp_path / "empty").exception
    assert isinstance(nothing, DatasetError)
    assert "holds no pairs" in str(nothing)
