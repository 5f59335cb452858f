"""build-engines, verify and keys as their user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from small_run import write_data, write_run
from typer.testing import CliRunner, Result

from radar_edge.cli import build_engines, keys, verify
from radar_edge.errors import BundleError, RadarEdgeError, UsageError

app = typer.Typer()
for command in (build_engines, verify, keys):
    command.register(app)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def last_json(result: Result) -> Any:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_data(folder / "data")
    write_run(folder / "run")
    return folder


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(place / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    return place / "home"


@pytest.fixture(scope="module")
def built(place: Path) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADAR_EDGE_HOME", str(place / "home"))
        return call("build-engines", place / "run", "--data", place / "data", "--out", place / "bundle", "--json")


def test_build_engines_makes_a_key_on_first_use_and_says_so(built: Result, home: Path) -> None:
    assert built.exit_code == 0, built.output
    assert "made your signing key" in built.stderr
    assert (home / "keys" / "signing.key").exists()


def test_build_engines_shows_a_table_of_100_columns_and_one_document(built: Result) -> None:
    assert max(len(line) for line in built.stderr.splitlines() if "│" in line) <= 100
    document = last_json(built)
    assert [engine["subset"] for engine in document["engines"]] == ["rgb", "tir", "rgb_tir"]
    rgb, _, both = document["engines"]
    assert rgb["macs"] < 0.6 * both["macs"]
    assert rgb["smallest_frr"] == pytest.approx(1 / 21)
    assert len(built.stdout.splitlines()) == 1


def test_verify_is_content_with_what_was_built(built: Result, place: Path) -> None:
    result = call("verify", place / "bundle", "--json")
    assert result.exit_code == 0
    assert last_json(result) == {
        "ok": True,
        "files": 7,
        "sha256": last_json(built)["sha256"],
        "signed_by": last_json(built)["signed_by"],
    }


def test_verify_names_each_changed_file(built: Result, place: Path) -> None:
    changed = [place / "bundle/onnx/rgb_fp32.onnx", place / "bundle/reference/inputs.npz"]
    whole = [path.read_bytes() for path in changed]
    for path, data in zip(changed, whole, strict=True):
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    result = call("verify", place / "bundle", "--json")
    for path, data in zip(changed, whole, strict=True):
        path.write_bytes(data)
    assert isinstance(result.exception, BundleError)
    assert result.exception.exit_code == 2
    document = last_json(result)
    assert not document["ok"]
    assert document["faults"] == ["onnx/rgb_fp32.onnx has changed", "reference/inputs.npz has changed"]


def test_a_bundle_is_replaced_only_by_force(built: Result, place: Path) -> None:
    arguments = ("build-engines", place / "run", "--data", place / "data", "--out", place / "bundle")
    assert isinstance(call(*arguments).exception, UsageError)
    again = call(*arguments, "--force", "--json")
    assert again.exit_code == 0, again.output
    assert "made your signing key" not in again.stderr
    assert last_json(again)["sha256"] == last_json(built)["sha256"], "the same run gives the same bundle"


def test_an_impossible_false_reject_rate_says_what_is_needed(place: Path, tmp_path: Path) -> None:
    result = call(
        "build-engines", place / "run", "--data", place / "data", "--out", tmp_path / "b", "--target-frr", 0.001
    )
    assert isinstance(result.exception, RadarEdgeError)
    assert "at least 999" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_keys_are_created_once_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path))
    assert last_json(call("keys", "list", "--json"))["keys"] == []
    made = last_json(call("keys", "create", "--json"))
    assert isinstance(call("keys", "create").exception, UsageError)
    listed = call("keys", "list", "--json")
    assert last_json(listed)["keys"] == [{"key_id": made["key_id"], "file": "signing.pub", "own": True}]
    assert made["key_id"] in listed.stderr
