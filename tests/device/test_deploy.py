"""`radar-edge deploy` against a real ssh server on this machine."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from radar_edge.bundle import open_bundle
from radar_edge.cli import deploy, rollback
from radar_edge.cli.build_engines import check_remote
from radar_edge.device.slots import Slots
from radar_edge.errors import BundleError, MachineError, ShortfallError, UsageError
from radar_edge.simulation.bright import CALIBRATION, write_bundle
from radar_edge.simulation.sshd import Sshd, available, free_port

pytestmark = [
    pytest.mark.skipif(not available(), reason="sshd, ssh or rsync is not installed (make peers)"),
    pytest.mark.peer,
]


@dataclass
class Place:
    """A workstation, whose keys and bundles are in `folder`, and a unit behind ssh with its slots in `root`."""

    folder: Path
    sshd: Sshd
    root: Path

    @property
    def slots(self) -> Slots:
        return Slots(self.root)

    def sha256(self, bundle: str) -> str:
        return open_bundle(self.folder / bundle).sha256

    def arguments(self) -> list[str]:
        reach = ["--port", self.sshd.port, "--identity", self.sshd.identity, "--remote-command", self.sshd.command]
        options = [word for option in self.sshd.options for word in ("--ssh-option", option)]
        return [*map(str, reach), *options, "--root", str(self.root), "--json"]

    def deploy(self, bundle: str, *more: str) -> Result:
        app = typer.Typer()
        deploy.register(app)
        words = [str(self.folder / bundle), self.sshd.host, "--engine", "onnxruntime", *self.arguments(), *more]
        return CliRunner().invoke(app, words)

    def rollback(self) -> Result:
        app = typer.Typer()
        rollback.register(app)
        return CliRunner().invoke(app, [self.sshd.host, *self.arguments()])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Result]]:
    """Two bundles, a unit that trusts both makers, and the first one deployed there: each step costs seconds."""
    folder = tmp_path_factory.mktemp("deploy")
    keys = folder / "home" / "keys"
    write_bundle(folder / "one", keys, CALIBRATION)
    (keys / "signing.pub").rename(keys / "first.pub")
    (keys / "signing.key").unlink()
    write_bundle(folder / "two", keys, CALIBRATION.model_copy(update={"target_frr": 0.31}))
    for name in ("first.pub", "signing.pub"):
        copy = folder / "unit-home" / "keys" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((keys / name).read_bytes())
    with Sshd(folder / "sshd", folder / "unit-home") as sshd, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADAR_EDGE_HOME", str(folder / "home"))
        made = Place(folder, sshd, folder / "unit")
        yield made, made.deploy("one")


@pytest.fixture
def place(first: tuple[Place, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The unit as the first deployment left it, in slots of the test's own."""
    made, _ = first
    monkeypatch.setenv("RADAR_EDGE_HOME", str(made.folder / "home"))
    shutil.copytree(made.root, tmp_path / "unit", symlinks=True)
    return Place(made.folder, made.sshd, tmp_path / "unit")


def test_a_bundle_arrives_whole_and_the_way_back_is_there(first: tuple[Place, Result], place: Place) -> None:
    _, result = first
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads(result.stdout.splitlines()[-1])["slot"] == "a"
    assert place.slots.verify("a").sha256 == place.sha256("one")
    place.slots.claim("one that died", time.time())
    assert place.deploy("two", "--take-over").exit_code == 0
    assert place.slots.current == "b"
    assert open_bundle(place.root / "current/bundle").sha256 == place.sha256("two")
    assert place.rollback().exit_code == 0
    assert place.slots.current == "a"


def test_a_line_that_does_not_become_ready_goes_back_by_itself(place: Place, tmp_path: Path) -> None:
    state, count = tmp_path / "state.json", tmp_path / "restarts"
    # The line as a script: it comes up with the bundle of slot b alone, which is the free one.
    script = tmp_path / "restart.sh"
    script.write_text(
        f"#!/bin/sh\necho x >> {count}\n"
        f"case $(readlink {place.root}/current) in\n"
        f"*b) python3 -c 'import json,time; "
        f'print(json.dumps(dict(at_ns=time.monotonic_ns(), status=["READY"])))\' > {state} ;;\n'
        f"*) rm -f {state} ;;\nesac\n"
    )
    script.chmod(0o755)
    more = ["--restart", str(script), "--state", str(state), "--health-timeout-s", "1"]
    first = place.deploy("one", *more)
    assert first.exit_code == 0, (first.output, first.exception)
    assert place.slots.current == "b"
    second = place.deploy("two", *more)
    assert isinstance(second.exception, ShortfallError), second.output
    assert "slot b is current again" in str(second.exception)
    assert place.slots.current == "b"
    assert count.read_text().count("x") == 3


def test_a_bundle_that_the_unit_does_not_trust_is_refused_there(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "three", tmp_path / "home" / "keys")
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    result = place.deploy(str(tmp_path / "three"))
    assert isinstance(result.exception, BundleError)
    assert f"on {place.sshd.host}: " in str(result.exception)
    assert place.slots.current == "a"


def test_two_deployments_at_once_are_one_too_many(place: Place) -> None:
    place.slots.claim("someone else's", time.time())
    result = place.deploy("one")
    assert isinstance(result.exception, BundleError)  # the unit's own exit code 2
    assert "under way" in str(result.exception)


def test_what_cannot_be_reached_is_said(place: Place) -> None:
    error = place.deploy("one", "--port", str(free_port())).exception
    assert isinstance(error, MachineError)
    assert "cannot reach" in str(error)


def test_a_unit_without_radar_edge_is_said(place: Place) -> None:
    error = place.deploy("one", "--remote-command", "/nowhere/radar-edge").exception
    assert isinstance(error, MachineError)
    assert "not installed" in str(error)


@pytest.mark.parametrize(
    ("more", "words"),
    [(("--engine", "tensorrt"), "--target"), (("--target", "orin-nano-8gb"), "--engine"), (("--engine", "x"), "say")],
)
def test_arguments_that_do_not_go_together(place: Place, more: tuple[str, ...], words: str) -> None:
    error = place.deploy("one", *more).exception
    assert isinstance(error, UsageError)
    assert words in str(error)


def test_a_host_that_is_an_option_is_refused(place: Place) -> None:
    app = typer.Typer()
    rollback.register(app)
    error = CliRunner().invoke(app, ["--", "-oProxyCommand=touch /tmp/x"]).exception
    assert isinstance(error, UsageError)


@pytest.mark.parametrize(
    ("remote", "target", "out"), [("u@unit", None, "bundle"), ("u@unit", "orin-nano-8gb", None), ("-oX", "t", "bundle")]
)
def test_building_for_a_unit_wants_its_board_and_a_bundle(
    remote: str, target: str | None, out: str | None, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        check_remote(remote, target, None if out is None else tmp_path / out)
    check_remote(None, None, None)
