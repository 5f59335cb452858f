"""The command line as a whole: order, help, exit codes. Each command's own behaviour has its own test."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from radar_edge.cli.main import main

COMMANDS = (
    "synth",
    "dataset",
    "train",
    "evaluate",
    "compare",
    "build-engines",
    "calibrate-threshold",
    "verify",
    "keys",
    "line",
    "plc",
    "run",
    "journal",
    "demo",
)


def radar_edge(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "100", "RADAR_EDGE_HOME": str(home or "/nonexistent")}
    command = [sys.executable, "-m", "radar_edge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_help_is_short_and_in_the_order_of_the_work() -> None:
    result = radar_edge("--help")
    assert result.returncode == 0
    places = [result.stdout.find(f"│ {name} ") for name in COMMANDS]
    assert -1 not in places
    assert places == sorted(places)
    assert len(result.stdout.splitlines()) < 50


@dataclass(frozen=True)
class Said:
    returncode: int
    stdout: str
    stderr: str


def called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str, home: Path | None = None
) -> Said:
    """The same in this process, which spares each command a Python of its own."""
    monkeypatch.setattr(sys, "argv", ["radar-edge", *arguments])
    monkeypatch.setenv("RADAR_EDGE_HOME", str(home or "/nonexistent"))
    with pytest.raises(SystemExit) as ended:
        main()
    return Said(ended.value.code, *capsys.readouterr())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = called(capsys, monkeypatch, name, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout


def test_help_needs_no_heavy_package() -> None:
    code = (
        "import sys\n"
        "import radar_edge.cli.main\n"
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'cv2', 'sklearn', 'scipy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["train", "--data", "absent", "--out", "run"], 2, "absent"),
        (["train", "--data", ".", "--out", "run"], 2, "train/good"),
        (["dataset", "check", "."], 2, "train/good"),
        (["evaluate", "absent", "--data", "."], 2, "absent"),
        (["compare", "absent", "absent", "--data", "."], 2, "absent"),
        (["build-engines", "absent", "--data", ".", "--out", "bundle"], 2, "absent"),
        (["calibrate-threshold", "absent", "--data", ".", "--out", "bundle"], 2, "absent"),
        (["verify", "absent"], 2, "absent"),
        (["run", "absent.yaml"], 2, r"absent.yaml"),
        (["no-such-command"], 2, "no-such-command"),
    ],
)
def test_user_errors_are_clear_and_leave_nothing(
    arguments: list[str],
    exit_code: int,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = called(capsys, monkeypatch, *arguments, home=tmp_path / "home")
    assert result.returncode == exit_code, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == []


def test_the_shell_learns_of_an_error() -> None:
    result = radar_edge("verify", "absent")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
