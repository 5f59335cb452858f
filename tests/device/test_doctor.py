"""doctor on trees of several boards: tests/boards/<name>, each with its sources."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from radar_edge.cli import doctor as command
from radar_edge.device.board import Board
from radar_edge.device.checks_line import same_version
from radar_edge.device.doctor import examine
from radar_edge.device.jetpack import JETPACKS, Release, parse_release
from radar_edge.errors import ShortfallError, UsageError
from radar_edge.simulation.bright import write_bundle
from radar_edge.simulation.example_line import line_document

BOARDS = Path(__file__).parents[1] / "boards"
EXPECTED: dict[str, dict[str, tuple[str, str]]] = {
    "orin-nano-jp6.2": {
        "module": ("ok", "Orin Nano"),
        "jetpack": ("ok", "L4T 36.4.3, JetPack 6.2"),
        "power mode": ("warn", "15W"),
        "clocks": ("warn", "306 to 1020 MHz"),
        "tensorrt": ("ok", "10.3.0.30"),
        "dla library": ("ok", "there"),
        "cuda": ("ok", "12.6.10"),
        "nvgetty": ("warn", "enabled"),
        "ftdi latency": ("warn", "16 ms"),
        "opencv": ("warn", "without GStreamer"),
    },
    "agx-orin-jp7.2": {
        "jetpack": ("ok", "JetPack 7.2"),
        "tensorrt": ("ok", "10.16.2.10"),
        "dla library": ("ok", "not needed by this TensorRT"),
        "clocks": ("ok", "1300 to 1300 MHz"),
        "temperature": ("fail", "88 C"),
        "throttling": ("fail", "gpu-throttle-alert"),
        "emmc": ("warn", "80 %"),
        "disk": ("fail", "300 MB"),
        "time": ("warn", "not synchronised"),
        "root file system": ("ok", "read-only"),
        "watchdog": ("ok", "fed by systemd"),
        "gige": ("ok", "MTU 9000"),
        "ftdi latency": ("ok", "1 ms"),
    },
    "thor-jp7.1": {
        "module": ("ok", "AGX Thor"),
        "jetpack": ("ok", "L4T 38.4.0, JetPack 7.1"),
        "tensorrt": ("ok", "10.13.3.9"),
        "dla library": ("ok", "Thor"),
    },
    "container-no-dla": {
        "dla library": ("fail", "an empty file"),
        "memory": ("warn", "625 MiB"),
        "serial": ("warn", "no port"),
        "power mode": ("warn", "tells nothing"),
    },
    "pc": {
        "module": ("warn", "no device tree"),
        "jetpack": ("warn", "no /etc/nv_tegra_release"),
        "tensorrt": ("ok", "onnxruntime"),
        "cuda": ("ok", "onnxruntime"),
        "dla library": ("ok", "not needed"),
    },
}


def call(*arguments: str | Path) -> Result:
    app = typer.Typer()
    command.register(app)
    return CliRunner().invoke(app, [*map(str, arguments), "--json"])


@pytest.mark.parametrize("name", EXPECTED)
def test_a_board_gives_the_findings_that_it_should(name: str) -> None:
    found = {finding.check: finding for finding in examine(Board(BOARDS / name))}
    for check, (level, words) in EXPECTED[name].items():
        assert (found[check].level, words in found[check].found) == (level, True), found[check]
    assert all(finding.why and finding.mend for finding in found.values() if finding.level != "ok")


@pytest.mark.parametrize("name", EXPECTED)
def test_every_board_says_where_its_files_are_from(name: str) -> None:
    text = (BOARDS / name / "SOURCES.md").read_text()
    assert "constructed" in text
    assert name == "pc" or "https://" in text


def test_the_command_exits_with_1_if_anything_fails_and_tells_all() -> None:
    good, bad = call("--root", BOARDS / "thor-jp7.1"), call("--root", BOARDS / "container-no-dla")
    assert (good.exit_code, json.loads(good.stdout.splitlines()[-1])["ok"]) == (0, True)
    assert isinstance(bad.exception, ShortfallError)
    assert bad.exception.faults == ("dla library",)
    findings = json.loads([row for row in bad.stdout.splitlines() if row.startswith("{")][-1])["findings"]
    assert {"check", "level", "found", "why", "mend"} == set(findings[0])


def test_a_root_that_is_none_is_refused() -> None:
    assert isinstance(call("--root", "/nowhere").exception, UsageError)


@pytest.mark.parametrize("name", EXPECTED)
def test_damaged_files_are_findings_and_no_crash(name: str, tmp_path: Path) -> None:
    chance = random.Random(0)
    for number in range(10):
        root = tmp_path / str(number)
        shutil.copytree(BOARDS / name, root)
        for path in root.rglob("*"):
            if path.is_file() and chance.random() < 0.5:
                data = path.read_bytes()
                cut = chance.randrange(len(data) + 1)
                path.write_bytes(data[:cut] + chance.randbytes(chance.randrange(8)))
        assert len(examine(Board(root))) >= 15


def test_an_empty_root_is_a_machine_of_which_nothing_is_known(tmp_path: Path) -> None:
    found = {finding.check: finding for finding in examine(Board(tmp_path))}
    assert found["memory"].level == "fail"
    assert found["module"].level == "warn"


# --- JetPacks


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic", Release("36.4.4", "6.2.1")),
        ("# R39 (release), REVISION: 9.9, GCID: 1", Release("39.9.9", None)),
        ("# R32 (release), REVISION: 3.1, GCID: 18186506, BOARD: t210ref", Release("32.3.1", None)),
        ("nonsense", None),
    ],
)
def test_a_release_is_read(text: str, release: Release | None) -> None:
    assert parse_release(text) == release


def test_what_is_newer_than_known_is_no_error_and_what_is_older_is() -> None:
    assert Release("39.9.9", None).newer_than_known
    assert not Release("36.4.99", None).newer_than_known
    assert Release("32.3.1", None).too_old
    assert Release("36.3.0", "6.0").too_old
    assert not any(Release(l4t, jetpack).too_old for l4t, jetpack in JETPACKS.items() if jetpack >= "6.1")
    assert Release("36.4.4", "6.2.1").tensorrt == "10.3.0"


def test_another_jetpacks_tensorrt_is_a_fault(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "orin-nano-jp6.2", tmp_path / "root")
    dpkg = tmp_path / "root/.commands/dpkg.txt"
    dpkg.write_text(dpkg.read_text().replace("10.3.0.30", "10.16.2.10"))
    found = {finding.check: finding for finding in examine(Board(tmp_path / "root"))}
    assert found["tensorrt"].level == "fail"
    assert "JetPack 6.2 has 10.3.0" in found["tensorrt"].found


def test_versions_of_module_and_package() -> None:
    assert same_version("10.3.0", "10.3.0.30")
    assert not same_version("10.3.0", "10.16.2.10")


# --- a line


def test_what_a_line_needs_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(line_document("unused")))
    root = BOARDS / "thor-jp7.1"
    result = call("--root", root, "--line", tmp_path / "line.yaml", "--bundle", tmp_path / "bundle")
    assert result.exit_code == 0, result.output
    (tmp_path / "bundle/onnx/rgb_fp32.onnx").write_bytes(b"changed")
    result = call("--root", root, "--bundle", tmp_path / "bundle")
    assert isinstance(result.exception, ShortfallError)
    assert result.exception.faults == ("bundle",)
    document = line_document("unused") | {"engine": "tensorrt", "device": "device"}
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(document))
    result = call("--root", root, "--line", tmp_path / "line.yaml")
    assert isinstance(result.exception, ShortfallError)
    assert "plans" in result.exception.faults
