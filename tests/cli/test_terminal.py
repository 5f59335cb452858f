"""What every command owes a terminal, a pipe and a script."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = str(Path(sys.executable).with_name("radar-edge"))
RUN = [sys.executable, "-m", "radar_edge"]
ESCAPE = b"\x1b["


def on_a_terminal(command: list[str], **environment: str) -> tuple[int, bytes]:
    """Exit code, and what was written to a terminal of 80 columns."""
    master, slave = pty.openpty()
    wanted = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=wanted)
    os.close(slave)
    written = b""
    try:
        while chunk := os.read(master, 65536):
            written += chunk
    except OSError:  # the other end is closed: Linux says EIO
        pass
    os.close(master)
    return process.wait(), written


def test_an_error_is_red_on_a_terminal_and_plain_with_no_color(tmp_path: Path) -> None:
    command = [*RUN, "verify", str(tmp_path / "nothing")]
    code, coloured = on_a_terminal(command)
    assert code == 2
    assert b"31m" in coloured
    code, plain = on_a_terminal(command, NO_COLOR="1")
    assert code == 2
    assert b"error:" in plain
    assert b"31m" not in plain


def test_a_pipe_gets_no_escapes(tmp_path: Path) -> None:
    for arguments in (["line", "schema"], ["verify", str(tmp_path / "nothing")], ["--help"]):
        done = subprocess.run([*RUN, *arguments], capture_output=True, check=False)
        assert ESCAPE not in done.stdout + done.stderr
        assert done.stdout + done.stderr


def test_a_bar_shows_the_time_left_on_a_terminal_alone() -> None:
    code = "from radar_edge.cli.progress import *\nwith progress_bar() as bar: shower(bar)('work', 1, 3)"
    assert b"ETA" in on_a_terminal([sys.executable, "-c", code])[1]
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stderr == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_completion(shell: str) -> None:
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [SCRIPT, "--show-completion", shell], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "_RADAR_EDGE_COMPLETE" in done.stdout


def test_completion_knows_the_commands() -> None:
    environment = {
        **os.environ,
        "_RADAR_EDGE_COMPLETE": "complete_bash",
        "COMP_WORDS": "radar-edge ev",
        "COMP_CWORD": "1",
    }
    code = "import sys; sys.argv = ['radar-edge']; from radar_edge.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "evaluate" in done.stdout.split()
