"""radar-edge cameras, with real camera processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from radar_edge.cli import cameras
from radar_edge.config import SyntheticCamera
from radar_edge.errors import CameraError
from radar_edge.preprocess import read_image, write_png
from radar_edge.runtime.viewing import View
from radar_edge.simulation.example_line import line_document

app = typer.Typer()
cameras.register(app)


SHARP = np.kron(np.random.default_rng(0).integers(60, 220, (8, 8, 3)).astype(np.uint8), np.ones((8, 8, 1), np.uint8))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--json"])


def last_json(result: Result) -> Any:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A colour camera, and a thermal one that draws noise."""
    write_png(tmp_path / "parts/rgb/0.png", SHARP)
    document = line_document("/dev/null")
    noise = {"backend": "synthetic", "camera_id": "tir-camera", "modality": "tir", "fps": 30}
    document["cameras"][1] = {**noise, "height": 48, "width": 64, "bit_depth": 16}
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_each_camera_is_shown_in_numbers_and_its_last_picture_kept(line: Path, tmp_path: Path) -> None:
    result = call(line, "--frames", 3, "--save", tmp_path / "seen")
    assert result.exit_code == 0, result.exception
    seen = last_json(result)["cameras"]
    rgb, tir = seen["rgb-camera"], seen["tir-camera"]
    assert (rgb["numbers"]["height"], rgb["numbers"]["channels"], rgb["numbers"]["bit_depth"]) == (64, 3, 8)
    assert (tir["numbers"]["width"], tir["numbers"]["bit_depth"]) == (64, 16)
    assert min(rgb["frames"], tir["frames"]) >= 3
    assert "no contrast" in tir["hints"][0]
    assert read_image(tmp_path / "seen/rgb-camera.png").shape == (64, 64, 3)
    assert read_image(tmp_path / "seen/tir-camera.png").dtype == np.uint16
    assert result.stderr.count("rgb-camera (rgb)") <= 1, "one table where no terminal is"


def test_focus_is_held_against_the_best_that_was_seen() -> None:
    camera = SyntheticCamera(backend="synthetic", camera_id="c", modality="rgb", fps=30, height=64, width=64)
    view = View(camera)
    view.show(SHARP)
    assert view.hints == []
    view.show(cv2.GaussianBlur(SHARP, (0, 0), 2.0))
    assert "out of focus" in view.hints[0]
    view.stamps_ns.extend(range(0, 10**9, 10**8))
    assert view.rate_hz == pytest.approx(10)
    assert view.hints[-1] == "slower than its 30 Hz"


def test_a_camera_that_gives_nothing_is_named(line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "PATIENCE_S", 2.0)
    document = yaml.safe_load(line.read_text())
    document["cameras"] = [
        {"backend": "opencv", "camera_id": "c", "modality": "rgb", "fps": 30, "source": "/dev/video77"}
    ]
    line.write_text(yaml.safe_dump(document))
    result = call(line)
    assert isinstance(result.exception, CameraError)
    assert result.exception.exit_code == 3
    assert "no picture" in last_json(result)["cameras"]["c"]["hints"][0]


def test_the_search_says_what_it_looked_for() -> None:
    result = call()
    assert result.exit_code == 0
    assert set(last_json(result)["looked"]) == {"V4L2", "Aravis"}
