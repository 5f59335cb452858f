"""`radar-edge dataset check` and `dataset import` as their user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import foreign
import pytest
import typer
from small_set import halve_file, write_set
from typer.testing import CliRunner, Result

from radar_edge.cli import dataset
from radar_edge.data.adapters.table import ADAPTERS
from radar_edge.errors import DatasetError, UsageError

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


def test_a_foreign_set_is_brought_in(tmp_path: Path) -> None:
    src = foreign.mvtec_3d_ad(tmp_path / "src")
    result = call("dataset", "import", "mvtec-3d-ad", src, tmp_path / "out", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "kind": "mvtec-3d-ad",
        "out": str(tmp_path / "out"),
        "dry_run": False,
        "sets": [
            {
                "category": "",
                "out": str(tmp_path / "out"),
                "modalities": ["rgb", "depth"],
                "parts": 10,
                "counts": {"train/good": 4, "validation/good": 2, "test/good": 2, "test/hole": 2},
                "notes": [],
            }
        ],
    }
    assert call("dataset", "check", tmp_path / "out").exit_code == 0


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    src = foreign.eyecandies(tmp_path / "src")
    result = call("dataset", "import", "eyecandies", src, tmp_path / "out", "--dry-run", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["dry_run"] is True
    assert document["sets"][0]["notes"] == ["test_private has no labels and was left out"]
    assert "nothing was written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_a_missing_image_is_refused_until_it_is_allowed(tmp_path: Path) -> None:
    src = foreign.listed(tmp_path / "src")
    result = call("dataset", "import", "csv", src, tmp_path / "out")
    assert isinstance(result.exception, DatasetError)
    assert result.exception.faults == ("samples.csv line 6 names no tir image",)
    assert "--allow-missing" in str(result.exception.next_step)
    assert call("dataset", "import", "csv", src, tmp_path / "out", "--allow-missing").exit_code == 0


def test_an_option_of_another_kind_is_not_passed_over(tmp_path: Path) -> None:
    src = foreign.mvtec_ad(tmp_path / "src")
    result = call("dataset", "import", "mvtec-ad", src, tmp_path / "out", "--second-exposure", "--seed", 0)
    assert isinstance(result.exception, UsageError)
    assert "--second-exposure, --seed" in str(result.exception)


def test_the_options_of_the_tiles_reach_the_adapter(tmp_path: Path) -> None:
    src = foreign.magnetic_tile(tmp_path / "src")
    options = ("--second-exposure", "--max-shift-px", 1, "--seed", 3)
    result = call("dataset", "import", "magnetic-tile", src, tmp_path / "out", *options)
    assert isinstance(result.exception, DatasetError)
    assert "(at most 1)" in result.exception.faults[0]


def test_the_help_names_every_kind() -> None:
    shown = call("dataset", "import", "--help").stdout
    assert [kind for kind in ADAPTERS if kind not in shown] == []
