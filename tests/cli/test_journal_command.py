from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from radar_edge.cli.journal import register
from radar_edge.clock import MonotonicClock
from radar_edge.errors import StorageError, UsageError
from radar_edge.modality import Subset
from radar_edge.records import Code, Reason, Verdict
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import Trigger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Part 1 PASS by rgb, part 2 NO_DECISION by its deadline, part 3 open until the end of the run."""
    path = tmp_path / "journal.sqlite"
    good = Verdict(7, Code.PASS, Reason.GOOD, subset=Subset(("rgb",)), score=0.25, contributions={"rgb": 1.0})
    late = Verdict(8, Code.NO_DECISION, Reason.DEADLINE)
    with Journal(path, MonotonicClock(), {}) as journal:
        for part, verdict in ((1, good), (2, late)):
            journal.open_part(part, Trigger(verdict.trigger_id, 1))
            journal.intent(part, verdict, 20)
            journal.sent(part, verdict, 40.0)
        journal.open_part(3, Trigger(9, 1))
    return path


def invoke(*words: str) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("options", "triggers"),
    [
        ([], [7, 8, 9]),
        (["--code", "pass"], [7]),
        (["--reason", "deadline"], [8]),
        (["--subset", "rgb"], [7]),
        (["--since", "2020-01-01"], [7, 8, 9]),
        (["--since", "2999-01-01"], []),
        (["--until", "2020-01-01T00:00+02:00"], []),
        (["--last", "1"], [9]),
    ],
)
def test_parts_are_chosen(path: Path, options: list[str], triggers: list[int]) -> None:
    document = json.loads(invoke(str(path), *options, "--json").stdout.splitlines()[-1])
    assert [part["trigger_id"] for part in document["shown"]] == triggers


def test_a_part_without_a_verdict_is_counted_as_open(path: Path) -> None:
    document = json.loads(invoke(str(path), "--json").stdout.splitlines()[-1])
    assert document["codes"] == {"PASS": 1, "NO_DECISION": 1, "OPEN": 1}


def test_csv_has_every_column(path: Path, tmp_path: Path) -> None:
    assert invoke(str(path), "--code", "PASS", "--csv", str(tmp_path / "parts.csv")).exit_code == 0
    with (tmp_path / "parts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["trigger_id"], row["reason"], json.loads(row["contributions"])) for row in rows] == [
        ("7", "GOOD", {"rgb": 1.0})
    ]


@pytest.mark.parametrize("options", [["--code", "fine"], ["--reason", "mood"], ["--since", "yesterday"]])
def test_what_does_not_exist_is_refused(path: Path, options: list[str]) -> None:
    assert isinstance(invoke(str(path), *options).exception, UsageError)


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    assert isinstance(invoke(str(tmp_path / "none.sqlite")).exception, StorageError)
    assert not (tmp_path / "none.sqlite").exists()
