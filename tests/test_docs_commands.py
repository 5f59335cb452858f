"""Every command that the documents show is run here, really; what cannot be is parsed, and a reason stands beside it.

The tutorial runs from top to bottom in one folder, made small by SMALLER and SHORTER. What it leaves behind is what
single commands of other pages run on: RUN, BUNDLE, DATA and line.yaml are links to it. Each command is a process of its
own as its reader's is, until it has been one; then the same command with other words runs in the test's own process,
which has PyTorch loaded.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the device trains nothing")

import torch
from docs_commands import PAGES, ROOT, TUTORIAL, Step, commands, inline, parse, steps, unknown_options
from typer.testing import CliRunner

from radar_edge.cli.main import app

pytestmark = pytest.mark.timeout(900)
"""The tutorial is one set-up of a minute or two, many times that on a machine with other load."""

SMALL = "size_px: 64\nsteps: 60\nfeatures: 8\nshared: 16\nbatch_size: 8\nwarm_up_steps: 5\n"
TINY = "size_px: 32\nsteps: 4\nfeatures: 8\nshared: 8\nbatch_size: 8\nwarm_up_steps: 1\n"
"""For what is trained and not looked at."""
SMALLER = {
    "radar-edge synth": "--parts 150 --size 64",
    "radar-edge train --data data --out run": "--config small.yaml",
    "radar-edge train --data DATA": "--config tiny.yaml",
    "radar-edge bench ": "--rounds 10",
    "radar-edge benchmark": "--config tiny.yaml",
    "radar-edge record": "--count 5 --every-ms 200",
    "radar-edge line check": "--engine-p99-ms 20",  # measured on a busy machine it might not fit the window
}
"""Documented options that a command gets here so that it takes seconds: the first words of it -> what is added."""
SHORTER = {"seconds: 30": "seconds: 15", "at_s: 10, for_s: 10": "at_s: 4, for_s: 5"}
"""Of the tutorial's rehearsal: what its file says -> what it says here. The parts come as fast as there."""

NOT_RUN = {
    "make demo": "minutes; .ci/run runs it",
    "make test": "it would run itself",
    "make venv-bench": "5 GB; tests/benchmark/test_peers_contract.py",
    "radar-edge dataset import mvtec-3d-ad mvtec_3d_anomaly_detection MVTEC --category bagel": "a set to download; "
    "tests/data/adapters/test_mvtec.py",
    "make accuracy DATA='default=SET crack_rgbt=FOLDER magnetic_tile=FOLDER mvtec_screw=FOLDER'": "hours; "
    "tests/training/test_accuracy_tool.py",
    "make accuracy DATA='crack_rgbt=FOLDER' ARGS='--configuration default a0-late-fusion a4-no-dropout --seed 0 1'": (
        "hours; tests/training/test_accuracy_tool.py"
    ),
    "make accuracy DATA='magnetic_tile=FOLDER' ARGS='--preset full'": "hours; tests/training/test_accuracy_pieces.py",
    "torchrun --standalone --nproc-per-node=2 -m radar_edge train --data DATA --out runs/c": "two processes; "
    "tests/training/test_distributed.py",
    "tools/example_mri.py --work heads": "minutes; tests/training/test_example_mri.py",
    "radar-edge train --from RUN --replace tir=depth --data SET --out RUN2": "the tutorial's set has no depth; "
    "tests/training/test_replace.py",
    "radar-edge benchmark miiad --data SET --out bench": "make venv-bench, and hours; "
    "tests/benchmark/test_benchmark_command.py",
    "radar-edge benchmark miiad --data SET --out bench --ablations --seeds 1": "likewise",
    "tools/provision/provision.sh --target orin-nano-8gb --nvpmodel 2": "root; tests/device/test_provision.py",
    "tools/bench_speed.py --models FOLDER --out speed.json": "minutes; tests/benchmark/test_speed.py",
    "tools/bench_speed.py --size-only --out size.json": "no command of ours; tests/benchmark/test_size.py",
    "radar-edge doctor --line /etc/radar-edge/line.yaml": "that file is a unit's",
    "radar-edge plc test --port /dev/ttyUSB0": "a serial port with a PLC; tests/cli/test_plc_command.py",
    "radar-edge run line.yaml": "until it is stopped; tests/cli/test_run_command.py",
    "radar-edge finish bundle --out device --target orin-nano-8gb": "a Jetson; tests/emulation/test_finish.py",
    "radar-edge deploy bundle user@unit --engine tensorrt --target orin-nano-8gb": "a unit; "
    "tests/device/test_deploy.py",
    "radar-edge deploy BUNDLE user@unit --engine tensorrt --target orin-nano-8gb --restart "
    "'sudo systemctl restart radar-edge'": "a unit; tests/device/test_deploy.py",
    "radar-edge rollback user@unit": "a unit; tests/device/test_deploy.py",
    "ssh -L 8090:127.0.0.1:8090 user@unit": "a unit",
    'radar-edge challenge line.yaml --by "A. Smith" --parts 3': "a running line; tests/cli/test_challenge_command.py",
    "radar-edge challenge line.yaml --by NAME": "likewise",
    "radar-edge register line.yaml": "so few and small parts are refused; tests/cli/test_register_command.py",
    "radar-edge register line.yaml --data DATA": "likewise",
    "radar-edge register line.yaml --target chessboard:9x6 --pairs 5": "a board; tests/cli/test_register_command.py",
}
"""By exact text, with the reason, and where else it is run."""

FELL_SHORT = {
    "radar-edge doctor": "this machine is no unit",
    "radar-edge challenge": "the small model may miss a part",
    "radar-edge simulate": "on a busy machine a killed camera may be told late, or the PLC miss a part",
}
"""Commands whose exit code may be 1 here."""
OWN_PROCESS = (
    "radar-edge cameras",
    "radar-edge record",
    "radar-edge simulate",
    "radar-edge challenge",
    "radar-edge doctor",
)
"""They start cameras, or tell what they find of this process's machine."""

LINKS = {
    "DATA": "data", "SET": "data", "NEW": "data", "RUN": "run", "runs/a": "run", "runs/b": "run", "belt": "belt",
    "BUNDLE": "bundle", "BUNDLE-2": "bundle", "bundle": "bundle", "bundle-2": "bundle",
    "known-bad": "data/test/overheat",
    "rehearsal": "rehearsal", "journal.sqlite": "rehearsal/journal.sqlite", "evidence": "evidence",
    "tiny.yaml": "tiny.yaml",
}  # fmt: skip
"""Names that the pages use -> what of the tutorial's folder stands for them."""
SHORT_FAULTS = "schema_version: 1\nseconds: 2\nwindow_ms: 1000\nfaults: []\n"

SINGLE = sorted({command for page in PAGES if page != TUTORIAL for command in commands(page)})
# `bench BUNDLE` here and `bench bundle` there are the same command.
RUN_ONCE = {" ".join(LINKS.get(word, word) for word in one.split()): one for one in SINGLE if one not in NOT_RUN}


def environment(home: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    python = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    # One thread: beside other processes PyTorch's threads wait for each other.
    own = {"PATH": paths, "PYTHONPATH": python, "RADAR_EDGE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}


def in_full(command: str) -> str:
    return " ".join([command, *(more for start, more in SMALLER.items() if command.startswith(start))])


def shell(command: str, folder: Path, home: Path) -> None:
    """Run a command as its reader would. Fails with all it said."""
    words = in_full(command)
    done = subprocess.run(
        ["bash", "-c", words], cwd=folder, env=environment(home), capture_output=True, text=True, check=False
    )
    allowed = {0, 1} if any(command.startswith(start) for start in FELL_SHORT) else {0}
    assert done.returncode in allowed, f"$ {words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr, done.stderr


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Path, Path], None]]:
    """Run a command in this process. Fails with all it said."""

    def run(command: str, folder: Path, home: Path) -> None:
        words = in_full(command)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("RADAR_EDGE_HOME", str(home))
        done = CliRunner().invoke(app, shlex.split(words)[1:])
        assert done.exit_code == 0, f"$ {words}\n{done.output[-4000:]}\n{done.exception!r}"

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """The folder of somebody who has followed the tutorial to its end."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "small.yaml").write_text(SMALL)
    (folder / "tiny.yaml").write_text(TINY)
    for step in steps(TUTORIAL):
        if step.command:
            shell(step.command, folder, home)
        else:
            (folder / step.file).write_text(shortened(step) if step.file == "faults.yaml" else step.content)
    return folder


def shortened(step: Step) -> str:
    content = step.content
    for said, instead in SHORTER.items():
        assert content.count(said) == 1
        content = content.replace(said, instead)
    return content


def test_the_tutorial_gets_where_it_says(workshop: Path) -> None:
    found = json.loads((workshop / "rehearsal/findings.json").read_text())
    # A busy machine is late now and then; the rest of what the line promises holds there too.
    assert [fault for fault in found["faults"] if "told after" not in fault and "had no verdict" not in fault] == []
    assert found["missing_beside_wire_faults"] < 15
    assert found["rehearsed"][0]["causes"] == ["dead"]
    assert found["subsets"]["rgb"] > 10
    assert found["subsets"]["rgb_tir"] > 10
    gate = [json.loads(row)["accepted"] for row in (workshop / "rehearsal/plc.jsonl").read_text().splitlines()]
    assert True in gate
    assert False in gate


@pytest.fixture
def place(workshop: Path, tmp_path: Path) -> Path:
    """A folder in which every name that the pages use is there."""
    (tmp_path / "runs").mkdir()
    for name, target in LINKS.items():
        (tmp_path / name).symlink_to(workshop / target)
    (tmp_path / "faults.yaml").write_text(SHORT_FAULTS)
    # The pages speak of a PLC's window of 400 ms, the tutorial of one of 600.
    line = (workshop / "line.yaml").read_text()
    assert line.count("deadline_ms: 400") == 1
    (tmp_path / "line.yaml").write_text(line.replace("deadline_ms: 400", "deadline_ms: 250"))
    (tmp_path / "parts.csv").write_text(table_of(workshop / "data"))
    return tmp_path


def table_of(data: Path) -> str:
    """The tutorial's images as a table for `dataset import csv`."""
    rows = [",".join(["split", "cls", "name", "rgb", "tir"])]
    for path in sorted(data.glob("*/*/rgb/*.png")):
        split, cls = path.parts[-4:-2]
        rows.append(",".join([split, cls, path.stem, str(path), str(path).replace("/rgb/", "/tir/")]))
    return "\n".join(rows) + "\n"


def kind(command: str) -> str:
    """`radar-edge train`, `radar-edge line check`."""
    words = command.split()
    return " ".join(words[: 3 if words[1] in ("dataset", "line") else 2])


def first_of_their_kind() -> set[str]:
    """The commands that the tutorial does not run, each once, and those of OWN_PROCESS."""
    found = {kind(command): command for command in sorted(RUN_ONCE.values(), reverse=True)}
    known = {kind(command) for command in commands(TUTORIAL) if command.startswith("radar-edge")}
    alone = {command for command in RUN_ONCE.values() if kind(command) in OWN_PROCESS}
    return {command for name, command in found.items() if name not in known} | alone


@pytest.mark.parametrize("command", sorted(RUN_ONCE.values()))
def test_a_command_runs(command: str, place: Path, home: Path, here: Callable[[str, Path, Path], None]) -> None:
    words = command.split()
    assert words[0] == "radar-edge", "what is no command of ours belongs in NOT_RUN, with a reason"
    for option, name in pairwise(words):
        if option == "--out" and name in LINKS:
            (place / name).unlink()  # it is to be written: a new folder
    (shell if command in first_of_their_kind() else here)(command, place, home)


@pytest.mark.parametrize("command", sorted(NOT_RUN))
def test_a_command_that_is_not_run_is_shown_somewhere_and_has_a_reason(command: str) -> None:
    assert command in SINGLE
    assert NOT_RUN[command]


@pytest.mark.parametrize("command", [command for command in SINGLE if command.startswith("radar-edge ")])
def test_the_command_line_takes_the_words(command: str) -> None:
    parse(command)


def test_a_wrong_word_is_found() -> None:
    with pytest.raises(Exception, match="--speed"):
        parse("radar-edge line check x.yaml --window-ms 1 --poll-ms 1 --speed 3")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_within_the_text_have_their_options(page: Path) -> None:
    assert {command: found for command in inline(page) if (found := unknown_options(command))} == {}


def test_the_reasons_name_tests_that_are_there() -> None:
    named = [reason.split("; ")[-1] for reason in NOT_RUN.values() if "tests/" in reason]
    assert [name for name in named if not (ROOT / name).is_file()] == []
