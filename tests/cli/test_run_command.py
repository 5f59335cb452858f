from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from radar_edge.cli.run import News, counts, register
from radar_edge.errors import BundleError, ConfigError, PortError
from radar_edge.simulation.bright import write_bundle, write_parts
from radar_edge.simulation.example_line import line_document

STATE = {
    "status": ["READY"],
    "plc_alive": True,
    "cameras": {"a": {"state": "ok", "cause": "none"}},
    "engine": "rgb",
    "parts": 3,
    "verdicts": {"pass": 2, "reject": 1},
    "late_results": 0,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    write_parts(tmp_path / "parts")
    return tmp_path


def run(folder: Path, **changes: object) -> Result:
    """The command on a line.yaml whose serial port does not exist."""
    app = typer.Typer()
    register(app)
    document = {**line_document(str(folder / "no-port")), **changes}
    (folder / "line.yaml").write_text(yaml.safe_dump(document))
    return CliRunner().invoke(app, [str(folder / "line.yaml")])


def test_a_port_that_does_not_exist(folder: Path) -> None:
    error = run(folder).exception
    assert isinstance(error, PortError)
    assert error.exit_code == 3
    assert "no-port" in str(error)
    assert not (folder / "journal.sqlite").exists()


def test_a_bundle_with_one_byte_changed_is_named_before_anything_is_opened(folder: Path) -> None:
    engine = folder / "bundle" / "onnx" / "rgb_fp32.onnx"
    engine.write_bytes(engine.read_bytes()[:-1] + b"!")
    error = run(folder).exception
    assert isinstance(error, BundleError)
    assert error.exit_code == 2
    assert "rgb_fp32.onnx" in str(error)
    assert not (folder / "journal.sqlite").exists()


def test_all_faults_of_the_file_at_once(folder: Path) -> None:
    error = run(folder, deadline_ms=-1, routing={}, colour="red").exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == 2
    assert [text for text in ("deadline_ms", "routing.degraded", "colour") if text not in str(error)] == []


def test_a_wait_longer_than_the_deadline_allows(folder: Path) -> None:
    error = run(folder, pair_wait_ms=225).exception
    assert isinstance(error, ConfigError)
    assert "wire_margin_ms" in str(error)


def test_a_camera_of_a_modality_that_the_bundle_lacks(folder: Path) -> None:
    camera = {"backend": "synthetic", "camera_id": "d", "modality": "depth", "fps": 30, "height": 32, "width": 32}
    error = run(folder, cameras=[camera]).exception
    assert isinstance(error, ConfigError)
    assert "depth" in str(error)
    assert not (folder / "journal.sqlite").exists()


def test_tensorrt_without_plans_is_a_fault_of_the_file(folder: Path) -> None:
    error = run(folder, engine="tensorrt").exception
    assert isinstance(error, ConfigError)
    assert "radar-edge finish" in str(error)


def test_plans_that_are_not_there(folder: Path) -> None:
    error = run(folder, engine="tensorrt", device="nowhere").exception
    assert isinstance(error, BundleError)
    assert error.exit_code == 2
    assert "radar-edge finish" in str(error)
    assert not (folder / "journal.sqlite").exists()


def test_a_precision_that_the_bundle_lacks(folder: Path) -> None:
    error = run(folder, precision="int8").exception
    assert isinstance(error, BundleError)
    assert "fp32" in str(error)


def test_news_tell_what_changed_once() -> None:
    news = News()
    assert news.of(STATE) == ["camera a: ok (none)", "status: ready", "PLC: alive", "engine: rgb"]
    assert news.of(STATE) == []
    lost = {**STATE, "cameras": {"a": {"state": "failed", "cause": "dead"}}, "status": []}
    assert news.of(lost) == ["camera a: failed (dead)", "status: not ready"]
    assert json.dumps(counts(STATE)) == '"3 parts: 2 pass, 1 reject; 0 late results"'
