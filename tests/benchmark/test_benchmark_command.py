"""`radar-edge benchmark` as its user calls it, with a stand-in for the external detectors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from bench_set import FAKE, RECIPE, write_bench_set
from small_set import square
from typer.testing import CliRunner, Result

from radar_edge.benchmark import peer_call
from radar_edge.benchmark.protocol import read
from radar_edge.cli import benchmark
from radar_edge.errors import ConfigError, DatasetError, MachineError, RunError, UsageError
from radar_edge.preprocess import write_png
from radar_edge.training import train as training

pytestmark = pytest.mark.timeout(900)
"""Trainings, many times slower on a machine with other load."""
PATIENCE_S = 400

app = typer.Typer()
benchmark.register(app)

PEERS = ["patchcore", "cutpaste"]
METHODS = ["radar", *PEERS]
SUBSETS = ["rgb_tir", "tir", "rgb"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_call, "JUDGE", FAKE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "tiny.yaml").write_text(RECIPE)
    return write_bench_set(folder / "set")


def arguments(data: Path, out: Path, *more: object) -> list[object]:
    chosen = [word for name in METHODS for word in ("--method", name)]
    python = ("--bench-python", sys.executable)
    return ["miiad", "--data", data, "--out", out, "--config", data.parent / "tiny.yaml", *python, *chosen, *more]


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, list[str]]:
    """Two seeds: the document, the folder, and what the stand-in noted."""
    out = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_call, "JUDGE", FAKE)
        patch.setenv("FAKE_JUDGE_LOG", str(out / "log"))
        result = call(*arguments(data, out, "--seeds", 2, "--json"))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.stdout.splitlines()[-1]), out, (out / "log").read_text().splitlines()


def test_every_method_in_every_setting(first: tuple[dict[str, Any], Path, list[str]]) -> None:
    document, _, _ = first
    rows = document["rows"]
    settings = Counter(row["method"] for row in rows)
    # Nothing missing: three subsets. In test: three kinds of loss at three rates. In both: 70 % of both.
    assert settings == dict.fromkeys(METHODS, 3 + 9 + 1)
    for row in rows:
        low, high = row["image_auroc_ci"]
        assert 0 <= low <= row["image_auroc"] <= high <= 1
        assert (row["parts"], row["defects"], row["seeds"], row["derived"]) == (8, 4, [0, 1], [])
        assert row["image_auroc"] == pytest.approx(sum(row["image_auroc_by_seed"]) / 2)
        assert (row["aupro_030"] is None) == (row["method"] == "cutpaste")
        assert ("minus_radar" in row) == (row["method"] != "radar")
    assert [row["subset"] for row in rows if row["missing"] == "none" and row["method"] == "radar"] == SUBSETS
    assert document["quick"] is False


def test_what_it_writes(first: tuple[dict[str, Any], Path, list[str]]) -> None:
    document, out, _ = first
    assert json.loads((out / "results.json").read_text()) == document
    text = (out / "tables.md").read_text()
    for title in ("Nothing missing", "Missing in test", "Missing in training and test", "Cost"):
        assert f"## {title}" in text
    assert text.count("| without | method | 30% | 50% | 70% | AUPRO at 70% |") == 1
    assert text.count("| without | method | 70% | AUPRO at 70% |") == 1
    assert sum(line.startswith("| one or the other | radar |") for line in text.splitlines()) == 2
    assert "Quick" not in text
    assert "Ablations" not in text
    plot = (out / "auroc.svg").read_text()
    assert plot.startswith("<svg xmlns=")
    assert all(name in plot for name in METHODS)
    assert str(out) not in text + json.dumps(document)


def test_tables_of_losses_are_kept(first: tuple[dict[str, Any], Path, list[str]]) -> None:
    tables = [read(path) for path in sorted((first[1] / "losses").glob("*.json"))]
    assert len(tables) == 2 * (9 + 1)
    assert {table.case.splits for table in tables} == {("test",), ("train", "test")}
    assert all({key.split("/")[0] for key in table.left} == set(table.case.splits) for table in tables)


def test_each_detector_is_fitted_once_a_modality_condition_and_seed(
    first: tuple[dict[str, Any], Path, list[str]],
) -> None:
    document, out, log = first
    conditions, seeds, modalities = 2, 2, 2
    assert Counter(log) == {
        f"{what} {name}": conditions * seeds * modalities for what in ("fit", "score") for name in PEERS
    }
    assert len(list((out / "work" / "runs").glob("radar-*/run.json"))) == conditions * seeds
    assert document["methods"]["patchcore"]["jobs"] == conditions * seeds * modalities
    assert document["methods"]["patchcore"]["cpu_hours"] == pytest.approx(0.01 * conditions * seeds * modalities)
    assert document["methods"]["radar"]["jobs"] == conditions * seeds
    assert not list((out / "work" / "jobs").iterdir())


def test_a_second_call_makes_nothing_again(
    first: tuple[dict[str, Any], Path, list[str]], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, out, _ = first
    monkeypatch.setenv("FAKE_JUDGE", "crash")
    kept = {path: path.stat().st_mtime_ns for path in (out / "work").rglob("*") if path.is_file()}
    result = call(*arguments(data, out, "--seeds", 2, "--json"))
    assert result.exit_code == 0, result.output + repr(result.exception)
    again = json.loads(result.stdout.splitlines()[-1])
    assert again["rows"] == document["rows"]
    assert {path: path.stat().st_mtime_ns for path in (out / "work").rglob("*") if path.is_file()} == kept
    assert "all known before" in result.stderr


def test_a_cell_alone_is_measured_again_from_known_verdicts(
    first: tuple[dict[str, Any], Path, list[str]], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = first
    monkeypatch.setenv("FAKE_JUDGE", "crash")
    (lost,) = (out / "work" / "cells").glob("radar-rgb-30-test-1-*.json")
    before = lost.read_bytes()
    lost.unlink()
    result = call(*arguments(data, out, "--seeds", 2))
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert lost.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_damaged_cell_is_named(first: tuple[dict[str, Any], Path, list[str]], data: Path, content: str) -> None:
    (cell,) = (first[1] / "work" / "cells").glob("patchcore-none-tir-0-*.json")
    before = cell.read_text()
    cell.write_text(content)
    result = call(*arguments(data, first[1], "--seeds", 2))
    cell.write_text(before)
    assert isinstance(result.exception, RunError)
    assert cell.name in result.exception.problem
    assert "remove it" in result.exception.render()


def test_damaged_verdicts_are_named(first: tuple[dict[str, Any], Path, list[str]], data: Path) -> None:
    (path,) = (first[1] / "work" / "judged").glob("patchcore-tir-complete-0-*.npz")
    (cell,) = (first[1] / "work" / "cells").glob("patchcore-none-tir-0-*.json")
    kept, measured = path.read_bytes(), cell.read_bytes()
    cell.unlink()
    path.write_bytes(kept[: len(kept) // 2])
    result = call(*arguments(data, first[1], "--seeds", 2))
    path.write_bytes(kept)
    cell.write_bytes(measured)
    assert isinstance(result.exception, RunError)
    assert path.name in result.exception.problem


def test_ablations_are_methods_beside_radar(data: Path, tmp_path: Path) -> None:
    words = ("--method", "radar", "--ablations", "--quick", "--config", data.parent / "tiny.yaml", "--json")
    result = call("miiad", "--data", data, "--out", tmp_path, *words)
    assert result.exit_code == 0, result.output + repr(result.exception)
    document = json.loads(result.stdout.splitlines()[-1])
    variants = ["radar", "radar-no-maa", "radar-mean", "radar-concat", "radar-no-dropout"]
    assert set(document["methods"]) == set(variants)
    text = (tmp_path / "tables.md").read_text()
    rows = [line for line in text.partition("## Ablations")[2].partition("## Cost")[0].splitlines() if "[" in line]
    assert len(rows) == len(variants)
    assert "; " not in rows[0]
    assert all(row.count("; ") == 4 for row in rows[1:])
    assert rows[3].startswith("| without MRF: fusion by concatenation |")


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[object]]:
    """RADAR alone: the document, and the words behind the set's name."""
    words = ["--out", tmp_path_factory.mktemp("alone"), "--method", "radar", "--quick"]
    words += ["--config", data.parent / "tiny.yaml", "--json"]
    return json.loads(call("miiad", "--data", data, *words).stdout.splitlines()[-1]), words


def test_other_masks_are_measured_anew_without_a_training(
    alone: tuple[dict[str, Any], list[object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, words = alone
    own = write_bench_set(tmp_path / "set")
    for path in (own / "test/hole/gt").iterdir():
        write_png(path, np.rot90(square(), 2))
    monkeypatch.setattr(training, "train", None)
    result = call("miiad", "--data", own, *words)
    assert result.exit_code == 0, result.output + repr(result.exception)
    again = json.loads(result.stdout.splitlines()[-1])
    assert [row["image_auroc"] for row in again["rows"]] == [row["image_auroc"] for row in first["rows"]]
    assert again["rows"][0]["aupro_030"] != first["rows"][0]["aupro_030"]


def test_another_sets_tables_are_refused(alone: tuple[dict[str, Any], list[object]], tmp_path: Path) -> None:
    other = write_bench_set(tmp_path / "other")
    for name in ("rgb", "tir"):
        (other / "test" / "good" / name / "003.png").unlink()
    result = call("miiad", "--data", other, *alone[1])
    assert isinstance(result.exception, ConfigError)
    assert "table of another data set" in result.exception.problem


@dataclass(frozen=True)
class Resumed:
    """A quick benchmark that was killed while the second external detector worked, and its second call."""

    out: Path
    log_at_the_kill: list[str]
    trained_at_the_kill: dict[Path, int]
    again: subprocess.CompletedProcess[str]
    log: list[str]
    """What the second call did."""

    @property
    def trained(self) -> dict[Path, int]:
        return trained(self.out)


def trained(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.glob("work/runs/*/weights.pt")}


@pytest.fixture(scope="module")
def resumed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Resumed:
    out = tmp_path_factory.mktemp("resumed") / "out"
    log = out.parent / "log"
    words = arguments(data, out, "--quick", "--json")
    program = (
        "import sys; from pathlib import Path; from radar_edge.benchmark import peer_call; "
        f"peer_call.JUDGE = Path({str(FAKE)!r}); from radar_edge.cli.main import app; app(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "benchmark", *map(str, words)]
    slow = {**os.environ, "FAKE_JUDGE_LOG": str(log), "FAKE_JUDGE": "wait cutpaste"}
    process = subprocess.Popen(command, env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not (log.is_file() and "fit cutpaste" in log.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before, runs = log.read_text().splitlines(), trained(out)
    again = subprocess.run(
        command, env={**os.environ, "FAKE_JUDGE_LOG": str(log)}, capture_output=True, text=True, check=False
    )
    return Resumed(out, before, runs, again, log.read_text().splitlines()[len(before) :])


def test_quick_says_so_and_asks_less(resumed: Resumed) -> None:
    assert resumed.again.returncode == 0, resumed.again.stderr
    document = json.loads(resumed.again.stdout.splitlines()[-1])
    assert document["quick"] is True
    assert document["settings"]["seeds"] == [0]
    assert {tuple(row["missing_in"]) for row in document["rows"]} == {(), ("test",)}
    assert "**Quick: 4 steps of RADAR" in (resumed.out / "tables.md").read_text()
    assert "quick" in resumed.again.stderr
    assert "CPU hours in all" in resumed.again.stderr


def test_a_killed_run_goes_on(resumed: Resumed) -> None:
    """Killed while the second external detector works: what was finished is not done again."""
    assert resumed.log_at_the_kill == ["fit patchcore", "score patchcore"] * 2 + ["fit cutpaste"]
    assert resumed.again.returncode == 0, resumed.again.stderr
    assert resumed.log == ["score cutpaste", "fit cutpaste", "score cutpaste"]
    assert len(resumed.trained_at_the_kill) == 1
    assert resumed.trained == resumed.trained_at_the_kill


def test_external_detectors_without_their_environment(data: Path, tmp_path: Path) -> None:
    result = call("miiad", "--data", data, "--out", tmp_path / "out", "--bench-python", tmp_path / "none")
    assert isinstance(result.exception, MachineError)
    assert result.exception.exit_code == 3
    assert "make venv-bench" in result.exception.render()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("mode", "kind", "text"),
    [
        ("2", UsageError, "no such thing"),
        ("3", MachineError, "no such thing"),
        ("crash", MachineError, "out of luck"),
        ("die", MachineError, "ended with -9"),
    ],
)
def test_what_the_script_refuses_is_passed_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: type[Exception], text: str
) -> None:
    monkeypatch.setenv("FAKE_JUDGE", mode)
    python = ("--bench-python", sys.executable, "--config", data.parent / "tiny.yaml")
    result = call("miiad", "--data", data, "--out", tmp_path, "--method", "patchcore", *python)
    assert isinstance(result.exception, kind)
    assert text in str(result.exception)


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({0: "mi-nothing"}, UsageError, "miiad, mi-mvtec, mi-mt, mi-toycar"),
        ({2: "absent"}, DatasetError, "is no folder"),
        ({5: "--method", 6: "magic"}, UsageError, "magic"),
        ({5: "--with", 6: "padim"}, UsageError, "padim"),
        ({5: "--with", 6: "efficientad"}, UsageError, "256 px"),
        ({5: "--weights", 6: "efficientad=absent.pt"}, UsageError, "efficientad=absent.pt"),
        ({5: "--weights", 6: f"radar={__file__}"}, UsageError, "these weights cannot be used"),
    ],
)
def test_what_cannot_be_asked(
    data: Path, tmp_path: Path, change: dict[int, str], kind: type[Exception], text: str
) -> None:
    words: list[object] = ["miiad", "--data", data, "--out", tmp_path / "out", "--method", "radar"]
    for place, word in change.items():
        words[place] = word
    result = call(*words)
    assert isinstance(result.exception, kind)
    assert text in str(result.exception)
    assert not (tmp_path / "out").exists()
