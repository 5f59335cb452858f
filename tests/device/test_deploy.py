"""`radar-edge deploy` against a real ssh server on this machine."""

from __future__ import annotations

import json
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
from radar_edge.simulation.sshd import Sshd, available

pytestmark = [
    pytest.mark.skipif(not available(), reason="sshd, ssh or rsync is not installed (make peers)"),
    pytest.mark.peer,
]


@dataclass
class Place:
    """A workstation, and a unit behind ssh."""

    folder: Path
    sshd: Sshd

    @property
    def slots(self) -> Slots:
        return Slots(self.folder / "unit")

    def sha256(self, bundle: str) -> str:
        return open_bundle(self.folder / bundle).sha256

    def arguments(self) -> list[str]:
        reach = ["--port", self.sshd.port, "--identity", self.sshd.identity, "--remote-command", self.sshd.command]
        options = [word for option in self.sshd.options for word in ("--ssh-option", option)]
        return [*map(str, reach), *options, "--root", str(self.folder / "unit"), "--json"]

    def deploy(self, bundle: str, *more: str) -> Result:
        app = typer.Typer()
        deploy.register(app)
        words = [str(self.folder / bundle), self.sshd.host, "--engine", "onnxruntime", *self.arguments(), *more]
        return CliRunner().invoke(app, words)

    def rollback(self) -> Result:
        app = typer.Typer()
        rollback.register(app)
        return CliRunner().invoke(app, [self.sshd.host, *self.arguments()])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    home = tmp_path / "home"
    monkeypatch.setenv("RADAR_EDGE_HOME", str(home))
    keys = home / "keys"
    write_bundle(tmp_path / "one", keys, CALIBRATION)
    (keys / "signing.pub").rename(keys / "first.pub")
    (keys / "signing.key").unlink()
    write_bundle(tmp_path / "two", keys, CALIBRATION.model_copy(update={"target_frr": 0.31}))
    with Sshd(tmp_path / "sshd", home) as sshd:
        yield Place(tmp_path, sshd)


def test_a_bundle_arrives_whole_and_the_way_back_is_there(place: Place) -> None:
    result = place.deploy("one")
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads(result.stdout.splitlines()[-1])["slot"] == "a"
    assert place.slots.verify("a").sha256 == place.sha256("one")
    assert place.deploy("two").exit_code == 0
    assert place.slots.current == "b"
    assert open_bundle(place.folder / "unit/current/bundle").sha256 == place.sha256("two")
    assert place.rollback().exit_code == 0
    assert place.slots.current == "a"


def test_a_line_that_does_not_become_ready_goes_back_by_itself(place: Place) -> None:
    state, count = place.folder / "state.json", place.folder / "restarts"
    # The line as a script: it comes up with the bundle of slot a alone.
    script = place.folder / "restart.sh"
    script.write_text(
        f"#!/bin/sh\necho x >> {count}\n"
        f"case $(readlink {place.folder}/unit/current) in\n"
        f"*a) python3 -c 'import json,time; "
        f'print(json.dumps(dict(at_ns=time.monotonic_ns(), status=["READY"])))\' > {state} ;;\n'
        f"*) rm -f {state} ;;\nesac\n"
    )
    script.chmod(0o755)
    more = ["--restart", str(script), "--state", str(state), "--health-timeout-s", "3"]
    first = place.deploy("one", *more)
    assert first.exit_code == 0, (first.output, first.exception)
    second = place.deploy("two", *more)
    assert isinstance(second.exception, ShortfallError), second.output
    assert "slot a is current again" in str(second.exception)
    assert place.slots.current == "a"
    assert count.read_text().count("x") == 3


def test_a_bundle_that_the_unit_does_not_trust_is_refused_there(place: Place) -> None:
    assert place.deploy("one").exit_code == 0
    (place.folder / "others").mkdir()
    (place.folder / "home/keys/signing.pub").rename(place.folder / "others/signing.pub")
    write_bundle(place.folder / "three", place.folder / "others" / "keys")
    result = place.deploy("three")
    assert isinstance(result.exception, BundleError)
    assert place.slots.current == "a"


def test_two_deployments_at_once_are_one_too_many(place: Place) -> None:
    place.slots.claim("someone else's", time.time())
    result = place.deploy("one")
    assert isinstance(result.exception, BundleError)  # the unit's own exit code 2
    assert "under way" in str(result.exception)
    assert place.deploy("one", "--take-over").exit_code == 0


def test_what_cannot_be_reached_is_said(place: Place) -> None:
    place.sshd.close()
    error = place.deploy("one").exception
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
