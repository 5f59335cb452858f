"""`radar-edge dataset check` as its user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from small_set import halve_file, write_set
from typer.testing import CliRunner, Result

from radar_edge.cli import dataset
from radar_edge.errors import DatasetError

app = typer.Typer()
dataset.register(app)


@app.command("other")
def other() -> None:
    """With one command alone, typer would leave out its name."""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_good_set_is_counted_and_exits_with_0(tmp_path: Path) -> None:
    result = call("dataset", "check", write_set(tmp_path), "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["ok"] is True
    assert document["modalities"] == {"rgb": {"channels": 3, "bit_depth": 8}, "tir": {"channels": 1, "bit_depth": 16}}
    assert document["counts"][-1] == {
        "split": "test",
        "cls": "hole",
        "parts": 3,
        "images": {"rgb": 3, "tir": 3},
        "masked": 3,
    }
    assert (document["faults"], document["notes"]) == ([], [])


def test_the_table_is_for_people_and_not_on_stdout(tmp_path: Path) -> None:
    result = call("dataset", "check", write_set(tmp_path))
    assert result.stdout == ""
    for text in ("hole", "8 bit x 3", "16 bit x 1", "has no fault"):
        assert text in result.stderr


def test_every_fault_is_in_the_error_and_in_the_document(tmp_path: Path) -> None:
    write_set(tmp_path)
    halve_file(tmp_path / "test" / "hole" / "rgb" / "000.png")
    halve_file(tmp_path / "test" / "hole" / "tir" / "002.png")
    result = call("dataset", "check", tmp_path, "--json")
    assert isinstance(result.exception, DatasetError)
    assert result.exception.exit_code == 2
    assert [fault.split(":")[0] for fault in result.exception.faults] == [
        "test/hole/rgb/000.png",
        "test/hole/tir/002.png",
    ]
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert document["faults"] == list(result.exception.faults)


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_is_no_data_set(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "set"
    if made:
        folder.mkdir()
    result = call("dataset", "check", folder, "--json")
    assert isinstance(result.exception, DatasetError)
    assert "train/good" in str(result.exception)
    assert result.stdout == ""
