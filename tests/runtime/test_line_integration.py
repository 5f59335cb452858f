"""The line as its user runs it: real processes, a real pty, a PLC that shares no code with us.

One camera is killed and another stopped while parts go by; the PLC's own record is the truth.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from line_fakes import wait_until

from radar_edge.runtime.journal_file import read_events, read_parts
from radar_edge.simulation.bright import is_bad, write_bundle, write_parts
from radar_edge.simulation.cable import Cable
from radar_edge.simulation.example_line import line_document

PARTS = 70
PERIOD_MS = 200
COMMAND = "import typer; from radar_edge.cli.run import register; app = typer.Typer(); register(app); app()"
RGB, TIR, BOTH = 1, 2, 3
PASS, REJECT = 1, 2


def rows(path: Path) -> list[dict]:
    text = path.read_text() if path.exists() else ""
    return [json.loads(row) for row in text[: text.rfind("\n") + 1].splitlines()]


def pid(folder: Path, camera: str) -> int:
    return json.loads((folder / "state.json").read_text())["pids"][camera]


def judged_by(folder: Path, bits: int) -> bool:
    seen = rows(folder / "plc.jsonl")
    return bool(seen) and seen[-1]["subset_bits"] == bits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    write_parts(tmp_path / "parts")
    return tmp_path


def test_a_line_that_loses_cameras_answers_every_part(folder: Path) -> None:
    environment = {**os.environ, "RADAR_EDGE_HOME": str(folder / "home")}
    with Cable() as cable:
        (folder / "line.yaml").write_text(yaml.safe_dump(line_document(str(cable.a))))
        plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--parts", str(PARTS)]
        plc += ["--period-ms", str(PERIOD_MS), "--window-ms", "400", "--out", str(folder / "plc.jsonl")]
        run = [sys.executable, "-c", COMMAND, str(folder / "line.yaml"), "--json"]
        with (
            subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as line,
            subprocess.Popen(plc, stdout=subprocess.PIPE, text=True) as master,
        ):
            try:
                wait_until(lambda: len(rows(folder / "plc.jsonl")) >= 8, 30)
                os.kill(pid(folder, "tir-camera"), signal.SIGKILL)
                wait_until(lambda: judged_by(folder, RGB))
                wait_until(lambda: judged_by(folder, BOTH))
                stopped = pid(folder, "rgb-camera")
                os.kill(stopped, signal.SIGSTOP)
                wait_until(lambda: judged_by(folder, TIR))
                time.sleep(0.5)
                os.kill(stopped, signal.SIGCONT)
                wait_until(lambda: judged_by(folder, BOTH))
                summary = json.loads(master.communicate(timeout=60)[0].splitlines()[-1])
            finally:
                master.kill()
                line.terminate()
                out, text = line.communicate(timeout=20)
    check_plc(summary, rows(folder / "plc.jsonl"))
    check_line(folder, line.returncode, out, text)


def check_plc(summary: dict, parts: list[dict]) -> None:
    """One verdict a part, in time, of its own images. A loaded machine may cost single parts a camera."""
    wanted = {"parts": PARTS, "missing": 0, "late": 0, "false_ack": 0}
    assert {name: summary[name] for name in wanted} == wanted
    assert [part["trigger_id"] for part in parts] == list(range(1, PARTS + 1))
    judged = [part for part in parts if part["code"] in (PASS, REJECT)]
    assert len(judged) >= 0.9 * PARTS
    for part in judged:
        assert part["code"] == (REJECT if is_bad(part["trigger_id"]) else PASS)
    assert {part["subset_bits"] for part in judged} == {RGB, TIR, BOTH}


def check_line(folder: Path, code: int, out: str, text: str) -> None:
    assert code == 0, text
    state = json.loads(out.splitlines()[-1])
    assert (state["parts"], state["late_results"]) == (PARTS, 0)
    assert state["restarts"]["tir-camera"] >= 1
    parts = read_parts(folder / "journal.sqlite")
    assert [part["trigger_id"] for part in parts] == list(range(1, PARTS + 1))
    assert {part["state"] for part in parts} == {"acknowledged"}
    assert max(part["sent_ms"] for part in parts) < 250
    engines = [event["subject"] for event in read_events(folder / "journal.sqlite") if event["kind"] == "engine"]
    back_and_forth = iter(engines)
    assert all(engine in back_and_forth for engine in ("rgb_tir", "rgb", "rgb_tir", "tir", "rgb_tir")), engines
