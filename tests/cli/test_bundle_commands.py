"""build-engines, verify and keys as their user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from small_run import write_data, write_run
from typer.testing import CliRunner, Result

from radar_edge.bundle import open_bundle
from radar_edge.cli import build_engines, calibrate_threshold, keys, verify
from radar_edge.errors import BundleError, DatasetError, RadarEdgeError, UsageError
from radar_edge.scoring import calibrate

app = typer.Typer()
for command in (build_engines, calibrate_threshold, verify, keys):
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


@pytest.fixture(scope="module")
def new_parts(place: Path) -> Path:
    """24 good parts in validation/good and nothing else."""
    folder = place / "new"
    write_data(place / "more")
    (folder / "validation").mkdir(parents=True)
    (place / "more" / "train" / "good").rename(folder / "validation" / "good")
    return folder


def test_thresholds_are_set_anew_in_a_new_bundle(built: Result, place: Path, new_parts: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (place / "bundle").rglob("*") if path.is_file()}
    options = ("--data", new_parts, "--out", tmp_path / "new", "--target-frr", 0.2, "--json")
    result = call("calibrate-threshold", place / "bundle", *options)
    assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in before} == before
    old, new = open_bundle(place / "bundle"), open_bundle(tmp_path / "new")
    assert new.manifest.files == old.manifest.files
    assert new.manifest.recalibrated is not None
    assert new.manifest.recalibrated.bundle_sha256 == old.sha256
    for engine in new.manifest.engines:
        calibration = engine.calibration
        assert (calibration.groups, calibration.target_frr, calibration.ng_frr) == (24, 0.2, 0.04)
        assert calibration == calibrate(calibration.scores, 0.2)
    documents = {engine["subset"]: engine for engine in last_json(result)["engines"]}
    assert documents["tir"]["smallest_frr"] == pytest.approx(1 / 25)
    assert documents["tir"]["frr_bound"] > 0.2
    assert "is unchanged" in result.stderr
    assert max(len(line) for line in result.stderr.splitlines() if "│" in line) <= 100


def test_the_same_parts_give_the_same_thresholds(built: Result, place: Path, new_parts: Path, tmp_path: Path) -> None:
    # The 20 parts that the run held out, with the bundle's own target: every engine must say what it said then.
    for name in ("rgb", "tir"):
        (tmp_path / "data/validation/good" / name).mkdir(parents=True)
        for i in range(4, 24):
            target = tmp_path / "data/validation/good" / name / f"{i:03}.png"
            target.write_bytes((place / f"data/train/good/{name}/{i:03}.png").read_bytes())
    call("calibrate-threshold", place / "bundle", "--data", tmp_path / "data", "--out", tmp_path / "new")
    old, new = open_bundle(place / "bundle"), open_bundle(tmp_path / "new")
    assert [e.calibration for e in new.manifest.engines] == [e.calibration for e in old.manifest.engines]


def test_pictures_of_one_part_count_once(built: Result, place: Path, new_parts: Path, tmp_path: Path) -> None:
    rows = "".join(f"validation,good,{i:03},part-{i // 2}\n" for i in range(24))
    table = new_parts / "samples.csv"
    table.write_text("split,cls,name,group\n" + rows)
    try:
        options = ("--data", new_parts, "--out", tmp_path / "new")
        result = call("calibrate-threshold", place / "bundle", *options)
        assert isinstance(result.exception, UsageError)
        assert "found:  12 independent good parts (groups)" in str(result.exception)
        assert "at least 19" in str(result.exception)
        assert not (tmp_path / "new").exists()
        assert call("calibrate-threshold", place / "bundle", *options, "--target-frr", 0.1).exit_code == 0
    finally:
        table.unlink()


def test_thresholds_are_not_set_from_trained_parts(built: Result, place: Path, tmp_path: Path) -> None:
    result = call("calibrate-threshold", place / "bundle", "--data", place / "data", "--out", tmp_path / "new")
    assert isinstance(result.exception, DatasetError)
    assert "validation/good" in str(result.exception)


def test_a_bundle_is_never_edited(built: Result, place: Path, new_parts: Path) -> None:
    bundle = place / "bundle"
    result = call("calibrate-threshold", bundle, "--data", new_parts, "--out", bundle, "--force")
    assert isinstance(result.exception, UsageError)
    assert "never edited" in str(result.exception)


def test_a_stricter_ng_rate_than_the_parts_can_keep(
    built: Result, place: Path, new_parts: Path, tmp_path: Path
) -> None:
    options = ("--data", new_parts, "--out", tmp_path / "new", "--ng-frr", 0.01)
    result = call("calibrate-threshold", place / "bundle", *options)
    assert isinstance(result.exception, UsageError)
    assert "at least 99" in str(result.exception)
