"""A deployment with plans: a real ssh server, and behind it a unit with the emulated GPU."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from finish_bundle import write_bundle
from typer.testing import CliRunner

from radar_edge.bundle import open_bundle
from radar_edge.bundle.device_record import open_device
from radar_edge.cli import deploy
from radar_edge.device.slots import Slots
from radar_edge.errors import MachineError
from radar_edge.simulation.sshd import Sshd, available

pytestmark = pytest.mark.skipif(not available(), reason="sshd, ssh or rsync is not installed (make peers)")


@pytest.mark.parametrize("board", ["8", "7"])
def test_the_unit_builds_its_plans_before_the_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: str
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("RADAR_EDGE_HOME", str(home))
    write_bundle(tmp_path / "bundle", home / "keys")
    libcuda = str(Path(os.environ["RADAR_EDGE_EMULATION"]) / "libcuda.so.1")
    environment = {"LD_PRELOAD": libcuda, "EMU_GPU": "Orin (nvgpu)", "EMU_MAJOR": board}
    with Sshd(tmp_path / "sshd", home, environment) as sshd:
        words = [str(tmp_path / "bundle"), sshd.host, "--engine", "tensorrt", "--target", "orin-nano-8gb", "--json"]
        words += ["--root", str(tmp_path / "unit"), "--port", str(sshd.port), "--identity", str(sshd.identity)]
        words += ["--remote-command", str(sshd.command)]
        words += [word for option in sshd.options for word in ("--ssh-option", option)]
        app = typer.Typer()
        deploy.register(app)
        result = CliRunner().invoke(app, words)
    slots = Slots(tmp_path / "unit")
    if board != "8":  # another board than was said
        assert isinstance(result.exception, MachineError)
        assert "not that of a orin-nano-8gb" in str(result.exception)
        assert slots.current is None
        return
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads(result.stdout.splitlines()[-1])["slot"] == "a"
    current = tmp_path / "unit" / "current"
    device = open_device(current / "device", open_bundle(current / "bundle").sha256)
    assert {plan.precision for plan in device.record.plans} == {"int8"}
    assert device.record.gpu == "Orin (nvgpu)"
