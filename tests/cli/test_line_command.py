from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from radar_edge.cli.line import register
from radar_edge.errors import ConfigError
from radar_edge.simulation.bright import write_bundle, write_parts
from radar_edge.simulation.example_line import line_document

EXAMPLE = Path(__file__).parents[2] / "docs" / "line.yaml"


def invoke(*words: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["line", *words])


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    write_parts(tmp_path / "parts")
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(line_document("no-port")))
    return tmp_path / "line.yaml"


def test_the_schema_knows_every_key_of_the_example_and_refuses_others() -> None:
    schema = json.loads(invoke("schema").stdout)
    assert set(yaml.safe_load(EXAMPLE.read_text())) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_engines_are_measured_and_a_wide_window_fits(line: Path) -> None:
    done = invoke("check", str(line), "--window-ms", "100000", "--poll-ms", "1", "--rounds", "3", "--json")
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["engine_p99_ms"] > 0
    assert document["preprocess_ms"] > 0


def test_a_line_too_slow_for_its_plc_is_refused(line: Path) -> None:
    done = invoke("check", str(line), "--window-ms", "50", "--poll-ms", "20", "--engine-p99-ms", "5000")
    assert isinstance(done.exception, ConfigError)
    assert done.exception.exit_code == 2
    assert len(done.exception.faults) == 3


def test_all_faults_of_a_file_are_told_at_once(line: Path) -> None:
    document = yaml.safe_load(line.read_text())
    document["colour"] = "blue"
    document["plc"]["baut"] = 9600
    document["deadline_ms"] = -1
    line.write_text(yaml.safe_dump(document))
    error = invoke("check", str(line), "--window-ms", "500", "--poll-ms", "20").exception
    assert isinstance(error, ConfigError)
    assert {"colour", "plc.modbus-slave.baut", "plc.baut", "deadline_ms"} >= {f.split(":")[0] for f in error.faults}
    assert len(error.faults) == 3
