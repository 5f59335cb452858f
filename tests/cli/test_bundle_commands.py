"""build-engines, verify and keys as their user calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from small_run import made, write_data, write_run
from typer.testing import CliRunner, Result

from radar_edge.bundle import load_signer, new_bundle, open_bundle
from radar_edge.cli import bench, build_engines, calibrate_threshold, inspect, keys, verify
from radar_edge.errors import BundleError, ConfigError, DatasetError, RadarEdgeError, UsageError
from radar_edge.export.judged import npz_bytes
from radar_edge.scoring import calibrate

app = typer.Typer()
for command in (build_engines, calibrate_threshold, inspect, verify, bench, keys):
    command.register(app)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def build(*options: object, place: Path) -> Result:
    """What `built` has made already is made no second time."""
    return call("build-engines", place / "run", "--data", place / "data", "--work", place / "work", *options)


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
    shutil.copytree(made().run / "build", place / "work")  # of the same run and images
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADAR_EDGE_HOME", str(place / "home"))
        options = ("--out", place / "bundle", "--work", place / "work", "--json")
        return call("build-engines", place / "run", "--data", place / "data", *options)


def test_build_engines_makes_a_key_on_first_use_and_says_so(built: Result, home: Path) -> None:
    assert built.exit_code == 0, built.output
    assert "made your signing key" in built.stderr
    assert (home / "keys" / "signing.key").exists()


def test_results_come_from_the_work_folder_and_ranges_are_kept_in_the_run(built: Result, place: Path) -> None:
    assert "0 stages made" in " ".join(built.stderr.split())
    assert len(list((place / "run/calibration").glob("*.json"))) == 3
    assert not (place / "run/build").exists()


def test_build_engines_shows_a_table_of_100_columns_and_one_document(built: Result) -> None:
    assert max(len(line) for line in built.stderr.splitlines() if "│" in line) <= 100
    document = last_json(built)
    engines = {(engine["subset"], engine["precision"]): engine for engine in document["engines"]}
    assert set(engines) == {(s, p) for s in ("rgb", "tir", "rgb_tir") for p in ("fp32", "fp16", "int8")}
    assert document["refused"] == []
    rgb, both = engines["rgb", "fp32"], engines["rgb_tir", "fp32"]
    assert engines["rgb", "int8"]["bytes"] < rgb["bytes"]
    assert engines["rgb", "int8"]["gate"]["images"] == 40
    assert rgb["macs"] < 0.6 * both["macs"]
    assert rgb["smallest_frr"] == pytest.approx(1 / 21)
    assert len(built.stdout.splitlines()) == 1


def test_verify_is_content_with_what_was_built(built: Result, place: Path) -> None:
    result = call("verify", place / "bundle", "--json")
    assert result.exit_code == 0
    document = last_json(result)
    assert (document["ok"], document["files"]) == (True, 22)
    assert (document["sha256"], document["signed_by"]) == tuple(last_json(built)[k] for k in ("sha256", "signed_by"))
    assert len(document["engines"]) == 9
    assert all((one["parts"], one["score_gap"], one["flipped"]) == (20, 0, 0) for one in document["engines"])
    assert last_json(call("verify", place / "bundle", "--files-only", "--json"))["engines"] == []


def test_verify_finds_an_engine_that_judges_otherwise_though_its_maker_signed_it(
    built: Result, place: Path, tmp_path: Path
) -> None:
    old = open_bundle(place / "bundle")
    with new_bundle(tmp_path / "b", load_signer(place / "home" / "keys")) as writer:
        for file in old.manifest.files:
            source = "onnx/tir_fp16.onnx" if file == "onnx/tir_int8.onnx" else file
            data = old.path(source).read_bytes()
            if file == "reference/tir_int8.npz":
                with np.load(old.path(file)) as stored:
                    data = npz_bytes({**stored, "score": stored["score"] + 1})
            writer.add(file, data)
        writer.finish(old.manifest.model_copy(update={"files": writer.digests}))
    result = call("verify", tmp_path / "b", "--json")
    assert isinstance(result.exception, BundleError)
    assert result.exception.exit_code == 2
    (fault,) = last_json(result)["faults"]
    assert fault.startswith("tir int8: scores of reference parts differ")


def test_verify_names_a_changed_byte_in_any_file(built: Result, place: Path) -> None:
    rng = np.random.default_rng(0)
    paths = sorted(path for path in (place / "bundle").rglob("*") if path.is_file())
    assert len(paths) == 24
    for path in paths:
        whole = path.read_bytes()
        i = int(rng.integers(len(whole)))
        path.write_bytes(whole[:i] + bytes([whole[i] ^ (1 << int(rng.integers(8)))]) + whole[i + 1 :])
        result = call("verify", place / "bundle")
        path.write_bytes(whole)
        assert isinstance(result.exception, BundleError), path
        assert result.exception.exit_code == 2
        assert path.relative_to(place / "bundle").as_posix() in str(result.exception)


def test_inspect_shows_engines_and_layers(built: Result, place: Path) -> None:
    result = call("inspect", place / "bundle", "--layers", "rgb_tir/int8", "--json")
    assert result.exit_code == 0, result.output
    document = last_json(result)
    assert document["engines"] == last_json(built)["engines"]
    precisions = {layer["name"]: layer["precision"] for layer in document["layers"]}
    assert precisions["encoders.rgb.stem.0"] == "fp16"
    assert precisions["encoders.rgb.fine.1.0"] == "int8"
    assert "of few channels" in result.stderr
    assert max(len(line) for line in result.stderr.splitlines() if "│" in line) <= 100
    for wrong, error in (("rgb_tir", UsageError), ("tir/fp64", BundleError), ("depth/int8", UsageError)):
        assert isinstance(call("inspect", place / "bundle", "--layers", wrong).exception, error)


def test_bench_takes_every_engine_with_one_thread_and_with_two(built: Result, place: Path) -> None:
    cases = bench.cases_of(open_bundle(place / "bundle"))
    engines = [(one["subset"], one["precision"]) for one in last_json(built)["engines"]]
    assert [(one.subset.slug, one.precision, one.threads) for one in cases] == [
        (*engine, threads) for threads in (1, 2) for engine in engines
    ]
    assert [one.macs for one in cases] == 2 * [one["macs"] for one in last_json(built)["engines"]]
    assert all(one.model.is_file() for one in cases)


def test_bench_measures_them_in_one_run(built: Result, place: Path, tmp_path: Path) -> None:
    # FP32 alone: each row's memory is that of a process of its own.
    build("--out", tmp_path / "b", "--precision", "fp32", place=place)
    result = call("bench", tmp_path / "b", "--rounds", 10, "--json")
    assert result.exit_code == 0, result.output
    document = last_json(result)
    rows = [(row["subset"], row["precision"], row["threads"]) for row in document["rows"]]
    assert rows == [(subset, "fp32", threads) for threads in (1, 2) for subset in ("rgb", "tir", "rgb_tir")]
    assert set(document["roofline_gmac_s"]) == {"1", "2"}
    for row in document["rows"]:
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p95"] <= row["latency_ms"]["p99"]
        assert row["memory_mib"] > 1
        assert row["startup_ms"] > 0
        assert row["roofline_share"] > 0
        assert (row["of_all_modalities"] == 1) is (row["subset"] == "rgb_tir")
    assert {"date", "cpu", "cores", "onnxruntime"} <= set(document)
    assert "numeric oracle" in result.stderr
    assert max(len(line) for line in result.stderr.splitlines() if "│" in line) <= 100


def test_stages_alone_write_no_bundle(built: Result, place: Path, tmp_path: Path) -> None:
    result = build("--until", "calibrate", "--calibration", tmp_path / "c", place=place)
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "c").glob("*.json"))) == 3
    assert list(tmp_path.iterdir()) == [tmp_path / "c"]
    missing = build(place=place)
    assert isinstance(missing.exception, UsageError)
    assert "--out" in str(missing.exception)


def test_a_calibration_set_of_ones_own(built: Result, place: Path, tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text("parts: 2\ncorrupted: false\n")
    options = ("--until", "calibrate", "--calibration", tmp_path / "c", "--calibration-set", tmp_path / "set.yaml")
    assert build(*options, place=place).exit_code == 0
    for path in (tmp_path / "c").glob("*.json"):
        assert json.loads(path.read_text())["images"] == 2
    (tmp_path / "set.yaml").write_text("parts: 0\nshare: 2\n")
    wrong = build(*options, place=place)
    assert isinstance(wrong.exception, ConfigError)
    assert len(wrong.exception.faults) == 2


def test_preflight_is_said_and_recorded(built: Result, place: Path, tmp_path: Path) -> None:
    result = build("--out", tmp_path / "b", "--precision", "int8", "--preflight", "--json", place=place)
    assert result.exit_code == 0, result.output
    assert "says nothing of speed, memory or numbers on a Jetson" in " ".join(result.stderr.split())
    for engine in last_json(result)["engines"]:
        assert engine["preflight"]["flavour"].startswith("tensorrt_rtx")
        assert (engine["preflight"]["int8_bytes"] > 0) is (engine["precision"] == "int8")


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
    assert isinstance(build("--out", place / "bundle", place=place).exception, UsageError)
    again = build("--out", place / "bundle", "--force", "--json", place=place)
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


def test_a_rotated_key_keeps_its_bundles_trusted(place: Path, built: Result, tmp_path: Path, monkeypatch: Any) -> None:
    shutil.copytree(place / "home", tmp_path / "home")
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    rotated = last_json(call("keys", "rotate", "--json"))
    assert rotated["retired"] == last_json(built)["signed_by"] != rotated["key_id"]
    assert call("verify", place / "bundle", "--files-only").exit_code == 0
    listed = {key["file"]: key for key in last_json(call("keys", "list", "--json"))["keys"]}
    assert listed["signing.pub"]["key_id"] == rotated["key_id"]
    (tmp_path / "home/keys" / f"retired-{rotated['retired']}.pub").unlink()
    assert isinstance(call("verify", place / "bundle", "--files-only").exception, BundleError)


def test_anothers_bundle_is_trusted_once_their_key_is(
    place: Path, built: Result, tmp_path: Path, monkeypatch: Any
) -> None:
    theirs = place / "home/keys/signing.pub"
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path))
    assert isinstance(call("verify", place / "bundle", "--files-only").exception, BundleError)
    assert call("keys", "trust", theirs, "--name", "anna").exit_code == 0
    assert call("verify", place / "bundle", "--files-only").exit_code == 0
    for name in ("anna", "../x", "signing", "retired-1", ""):
        assert isinstance(call("keys", "trust", theirs, "--name", name).exception, UsageError), name
    (tmp_path / "no.pub").write_text("no key")
    assert isinstance(call("keys", "trust", tmp_path / "no.pub", "--name", "no").exception, UsageError)
    assert isinstance(call("keys", "rotate").exception, UsageError), "there is no own key"


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
    documents = {e["subset"]: e for e in last_json(result)["engines"] if e["precision"] == "fp32"}
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
