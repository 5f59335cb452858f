"""radar-edge record with real camera processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from radar_edge.cli import record
from radar_edge.data.check import check
from radar_edge.data.layouts import index
from radar_edge.errors import CameraError, UsageError
from radar_edge.preprocess import read_image
from radar_edge.runtime import recording
from radar_edge.simulation.bright import write_parts
from radar_edge.simulation.example_line import line_document

app = typer.Typer()
record.register(app)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    write_parts(tmp_path / "parts")
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(line_document("/dev/null")))
    return path


def call(line: Path, out: Path, *more: object) -> Result:
    options = ("--out", out, "--every-ms", 60, *more, "--json")
    return CliRunner().invoke(app, [str(line), *map(str, options)])


def last_json(result: Result) -> Any:
    return json.loads(result.stdout.splitlines()[-1])


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "samples.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_parts_become_an_image_folder_that_training_takes(line: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = call(line, out, "--lot", "L7", "--count", 4)
    assert result.exit_code == 0, result.output
    assert last_json(result)["written"] == 4
    dataset = index(out)
    assert dataset.modalities == ("rgb", "tir")
    samples = dataset.select("train", good=True)
    assert len({sample.group for sample in samples}) == 4
    assert {sample.strata["lot"] for sample in samples} == {"L7"}
    for sample in samples:
        first = next(i for i in range(1, 6) if same(sample.paths["rgb"], tmp_path / f"parts/rgb/{i:03d}.png"))
        assert same(sample.paths["tir"], tmp_path / f"parts/tir/{first:03d}.png"), "both cameras show the same part"
    assert check(out).faults == ()


def same(a: Path, b: Path) -> bool:
    return bool((read_image(a) == read_image(b)).all())


def test_a_recording_goes_on_where_it_ended(line: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    call(line, out, "--lot", "a", "--count", 2)
    before = {path: path.read_bytes() for path in out.rglob("*.png")}
    call(line, out, "--lot", "b", "--count", 2, "--split", "test", "--class", "scratch")
    assert {path: path.read_bytes() for path in before} == before
    assert [(row["split"], row["cls"], row["name"], row["lot"]) for row in rows(out)] == [
        ("train", "good", "000001", "a"),
        ("train", "good", "000002", "a"),
        ("test", "scratch", "000003", "b"),
        ("test", "scratch", "000004", "b"),
    ]


def test_a_camera_that_gives_nothing_ends_it_and_keeps_what_is_there(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST_MISSED", 3)
    document = yaml.safe_load(line.read_text())
    document["pair_wait_ms"] = 30
    (tmp_path / "tir").mkdir()
    (tmp_path / "tir" / "broken.png").write_bytes(b"no image")
    document["cameras"][1]["folder"] = str(tmp_path / "tir")
    line.write_text(yaml.safe_dump(document))
    result = call(line, tmp_path / "data", "--lot", "a", "--count", 5)
    assert isinstance(result.exception, CameraError)
    assert "without a frame of" in str(result.exception)


def test_a_table_of_another_kind_is_not_touched(line: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "samples.csv").write_text("split,cls,name,group\n")
    result = call(line, tmp_path / "data", "--lot", "a")
    assert isinstance(result.exception, UsageError)
    assert "was not made by a recording" in str(result.exception)
    assert isinstance(call(line, tmp_path / "x", "--lot", "a", "--split", "all").exception, UsageError)


def test_the_lines_mount_goes_with_its_images(line: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    entry = {"reference": "rgb", "homography": [2.0, 0, 1, 0, 2.0, 1, 0, 0, 1.0], "view": [48, 48]}
    document = {**line_document("/dev/null"), "registration": {"tir": entry}}
    line.write_text(yaml.safe_dump(document))
    assert call(line, out, "--lot", "L7", "--count", 1).exit_code == 0
    assert call(line, out, "--lot", "L8", "--count", 1).exit_code == 0
    assert index(out).registration["tir"].homography == tuple(entry["homography"])
    line.write_text(yaml.safe_dump({**document, "registration": {"tir": {**entry, "view": [96, 96]}}}))
    other = call(line, out, "--lot", "L9", "--count", 1).exception
    assert isinstance(other, UsageError)
    assert "another mount" in str(other)
