"""radar-edge challenge: on a running line with a simulated PLC, and from images; what is kept of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from line_fakes import wait_until

from radar_edge.clock import MonotonicClock
from radar_edge.errors import StorageError, UsageError
from radar_edge.preprocess import write_png
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.challenge import Challenge, Watch, attempt_of, challenges_file, keep, read_challenges
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.journal_file import read_parts
from radar_edge.runtime.plc.link import Delivery, DeliveryState, Trigger
from radar_edge.simulation.bright import PATIENT, write_bundle
from radar_edge.simulation.cable import Cable
from radar_edge.simulation.example_line import line_document

BAD, GOOD = 0.8, 0.25
FED = (BAD, BAD, BAD, BAD, GOOD)
"""Brightness of the parts in the order of their triggers: three that must be caught, then one that is not."""


def write_images(folder: Path, levels: tuple[float, ...]) -> None:
    for n, level in enumerate(levels, 1):
        write_png(folder / "rgb" / f"{n:03d}.png", np.full((48, 48, 3), round(255 * level), np.uint8))
        write_png(folder / "tir" / f"{n:03d}.png", np.full((48, 48), round(65535 * level), np.uint16))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    write_images(tmp_path / "parts", FED)
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(line_document(str(tmp_path / "no-port"))))
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "RADAR_EDGE_HOME": str(folder / "home")}


def command(folder: Path, *more: object) -> list[str]:
    return [sys.executable, "-m", "radar_edge", *map(str, more)]


def challenge(folder: Path, *more: object) -> subprocess.CompletedProcess[str]:
    full = command(folder, "challenge", folder / "line.yaml", "--by", "shift 1", *more, "--json")
    return subprocess.run(full, env=environment(folder), capture_output=True, text=True, timeout=60)


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """A line on a cable; the other end of it."""
    with Cable() as cable:
        (folder / "line.yaml").write_text(yaml.safe_dump({**line_document(str(cable.a)), **PATIENT}))
        line = subprocess.Popen(
            command(folder, "run", folder / "line.yaml"), env=environment(folder), stderr=subprocess.PIPE, text=True
        )
        try:
            state = folder / "state.json"
            wait_until(lambda: state.exists() and "READY" in json.loads(state.read_text())["status"], 30)
            yield cable.b
        finally:
            line.terminate()
            line.communicate(timeout=20)


def feed(folder: Path, port: Path, start_id: int, count: int) -> None:
    plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(port), "--parts", str(count)]
    plc += [
        "--period-ms",
        "200",
        "--window-ms",
        "3000",
        "--start-id",
        str(start_id),
        "--out",
        str(folder / f"plc{start_id}.jsonl"),
    ]
    subprocess.run(plc, check=True, capture_output=True, timeout=60)


def challenged(folder: Path, port: Path, start_id: int, count: int) -> tuple[int, dict]:
    """The command's exit code and record, while the PLC feeds so many parts once it asks for them."""
    full = command(folder, "challenge", folder / "line.yaml", "--by", "shift 1", "--parts", count, "--json")
    with subprocess.Popen(
        full, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "feed" in process.stderr.readline()
        feed(folder, port, start_id, count)
        out, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(out.splitlines()[-1])


def test_a_running_line_catches_its_known_bad_parts_or_the_shift_hears_of_it(folder: Path) -> None:
    with running(folder) as port:
        code, record = challenged(folder, port, 1, 3)
        assert (code, record["passed"], record["wanted"]) == (0, True, 3)
        assert [one["reason"] for one in record["attempts"]] == ["REVIEW"] * 3
        code, record = challenged(folder, port, 4, 2)
        assert (code, record["passed"]) == (1, False)
        assert [one["caught"] for one in record["attempts"]] == [True, False]
        assert record["attempts"][1]["code"] == "PASS"
    kept = read_challenges(challenges_file(folder / "journal.sqlite"))
    assert [one["passed"] for one in kept] == [True, False]
    assert {one["by"] for one in kept} == {"shift 1"}
    assert kept[0]["facts"]["bundle"] == kept[1]["facts"]["bundle"]
    assert [part["state"] for part in read_parts(folder / "journal.sqlite")] == ["acknowledged"] * 5


def test_images_are_judged_by_the_lines_own_bundle(folder: Path) -> None:
    write_images(folder / "bad/test/crack", (BAD, 0.9))
    said = challenge(folder, "--images", folder / "bad")
    assert said.returncode == 0, said.stderr
    record = json.loads(said.stdout.splitlines()[-1])
    assert [one["part"] for one in record["attempts"]] == ["test/crack/001", "test/crack/002"]
    write_images(folder / "mixed", (BAD, GOOD))
    said = challenge(folder, "--images", folder / "mixed")
    assert said.returncode == 1
    assert "1 of 2 known-bad parts caught" in said.stderr
    assert "Traceback" not in said.stderr


def test_no_line_no_images(folder: Path) -> None:
    assert challenge(folder).returncode == 2
    assert challenge(folder, "--images", folder / "empty").returncode == 2


def judged(journal: Journal, part: int, code: Code, reason: Reason, state: DeliveryState) -> None:
    journal.open_part(part, Trigger(part, 0))
    journal.intent(part, Verdict(part, code, reason), 1.0)
    journal.sent(part, Verdict(part, code, reason), 10.0)
    journal.delivery(part, Delivery(part, part, state, code, 0))


def no_pause(seconds: float) -> bool:
    time.sleep(seconds / 10)
    return False


@pytest.mark.parametrize(
    ("code", "reason", "state", "caught"),
    [
        (Code.REJECT, Reason.ANOMALY, DeliveryState.ACKNOWLEDGED, True),
        (Code.REJECT, Reason.REVIEW, DeliveryState.SHOWN, True),
        (Code.REJECT, Reason.DEGRADED, DeliveryState.ACKNOWLEDGED, False),
        (Code.NO_DECISION, Reason.DEADLINE, DeliveryState.ACKNOWLEDGED, False),
        (Code.REJECT, Reason.ANOMALY, DeliveryState.NOT_DELIVERED, False),
        (Code.PASS, Reason.GOOD, DeliveryState.ACKNOWLEDGED, False),
    ],
)
def test_only_what_the_engine_found_and_the_plc_read_counts(
    tmp_path: Path, code: Code, reason: Reason, state: DeliveryState, caught: bool
) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, MonotonicClock(), {}) as journal:
        watch = Watch(path)
        judged(journal, 1, code, reason, state)
        (found,) = watch.parts(1, 10, MonotonicClock(), no_pause)
    assert found.caught is caught


def test_parts_from_before_do_not_count_and_waiting_ends(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, MonotonicClock(), {}) as journal:
        judged(journal, 1, Code.REJECT, Reason.ANOMALY, DeliveryState.SHOWN)
        wait_until(lambda: bool(read_parts(path)) and read_parts(path)[0]["state"] == "shown")
        watch = Watch(path)
        assert list(watch.parts(1, 0.3, MonotonicClock(), no_pause)) == []
    assert list(watch.parts(1, 60, MonotonicClock(), no_pause)) == []
    assert watch.ended
    with pytest.raises(UsageError, match="no line is running"):
        Watch(path)


def test_a_record_that_was_changed_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "challenges.jsonl"
    row = {"part": 1, "trigger_id": 1, "received_at": "now", "shown_code": "PASS", "code": "PASS", "reason": "GOOD"}
    attempt = attempt_of({**row, "subset": "rgb", "score": 0.1, "threshold": 0.5})
    for _ in range(3):
        keep(path, Challenge("line", 1, (attempt,)), "me")
    assert [one["passed"] for one in read_challenges(path)] == [False] * 3
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"passed": false', b'"passed": true', 1))
    with pytest.raises(StorageError, match="line 2"):
        read_challenges(path)
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
    with pytest.raises(StorageError, match="line 1"):
        read_challenges(path)
