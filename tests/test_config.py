from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from radar_edge.config import LineConfig, load_config
from radar_edge.errors import ConfigError

GOOD = {
    "schema_version": 1,
    "bundle": "bundle",
    "engine": "onnxruntime",
    "deadline_ms": 250,
    "pair_wait_ms": 100,
    "cameras": [
        {"backend": "replay", "camera_id": "a", "modality": "rgb", "fps": 30, "folder": "x"},
        {"backend": "synthetic", "camera_id": "b", "modality": "tir", "fps": 9, "height": 64, "width": 64},
    ],
    "routing": {"degraded": "may_pass"},
    "plc": {"driver": "modbus-slave", "port": "/dev/ttyUSB0"},
    "journal": {"path": "journal.sqlite"},
}


def load(tmp_path: Path, document: object) -> LineConfig:
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(document))
    return load_config(LineConfig, path)


def test_a_good_file_loads(tmp_path: Path) -> None:
    line = load(tmp_path, GOOD)
    assert [camera.modality for camera in line.cameras] == ["rgb", "tir"]
    assert line.plc.baud == 115200


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    bad = {**GOOD, "deadline_ms": -1, "colour": "red", "routing": {}, "engine": "magic"}
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, bad)
    text = str(caught.value)
    assert "4 fault(s)" in text
    for place in ("deadline_ms", "colour", "routing.degraded", "engine"):
        assert place in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pair_wait_ms": 300}, "below deadline_ms"),
        ({"cameras": [GOOD["cameras"][0], GOOD["cameras"][0]]}, "same camera_id"),  # type: ignore[index]
        ({"cameras": [{"backend": "replay", "camera_id": "a", "modality": "rgb", "fps": 30}]}, "files or folder"),
        ({"plc": {"driver": "modbus-slave"}}, "either port or usb_serial"),
        ({"plc": {"driver": "modbus-slave", "port": "p", "usb_serial": "s"}}, "either port or usb_serial"),
        ({"plc": {"driver": "modbus-master", "port": "p", "input_base": 4}}, "overlap"),
        ({"plc": {"driver": "modbus-slave", "port": "p", "poll_ms": 10}}, "poll_ms"),
        ({"plc": {"driver": "canbus", "port": "p"}}, "driver"),
        ({"plc": {"driver": "line", "port": "p"}}, "no trigger ids"),
        ({"trigger": {"source": "edge"}}, "needs trigger.port"),
        (
            {"plc": {"driver": "line", "port": "p"}, "trigger": {"source": "edge", "port": "q"}},
            "edges from its own port",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, {**GOOD, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"plc": {"driver": "modbus-master", "port": "p"}},
        {"plc": {"driver": "ascii", "usb_serial": "A10K1234"}},
        {"plc": {"driver": "line", "port": "p"}, "trigger": {"source": "edge"}},
        {"trigger": {"source": "edge", "port": "/dev/ttyUSB1", "pin": "dsr"}},
        {"trigger": {"source": "interval", "period_ms": 200}},
    ],
)
def test_every_driver_and_source_of_triggers_can_be_said(tmp_path: Path, change: dict[str, object]) -> None:
    load(tmp_path, {**GOOD, **change})


def test_what_is_no_yaml_is_said(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(LineConfig, tmp_path / "line.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(LineConfig, tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key a stands twice"),
        ("a: 2024-99-99\n", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("deadline_ms: .inf\n", "deadline_ms"),
    ],
)
def test_what_yaml_would_let_pass_or_choke_on_is_said(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "line.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_config(LineConfig, tmp_path / "line.yaml")
