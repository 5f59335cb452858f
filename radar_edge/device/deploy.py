"""A bundle from the workstation to a unit, over ssh and rsync: the running line is untouched until it is whole.

    claim the free slot -> copy -> [build plans] -> self-test -> verify and switch -> [restart -> health -> or back]

Every step runs `radar-edge` on the unit, so that each can be done there by hand. Knows no bundle's insides.
"""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radar_edge.errors import BundleError, MachineError, ShortfallError, UsageError

Report = Callable[[str], None]
LOOK_S = 1.0


@dataclass(frozen=True)
class Unit:
    """How a unit is reached. `command`: radar-edge there; `root`: its folder of slots."""

    host: str
    root: str = "/var/lib/radar-edge"
    command: str = "radar-edge"
    port: int | None = None
    identity: Path | None = None
    options: tuple[str, ...] = ()
    """For ssh's -o. Host keys are checked as ssh is set up to; no password is asked for."""

    def ssh(self) -> list[str]:
        found = ["ssh", "-o", "BatchMode=yes"]
        found += ["-p", str(self.port)] if self.port is not None else []
        found += ["-i", str(self.identity)] if self.identity is not None else []
        return found + [word for option in self.options for word in ("-o", option)]

    def run(self, *words: str) -> dict[str, Any]:
        """`radar-edge words --json` there; its document. Raises what it failed of, by its exit code."""
        return json_of(self.shell(f"{self.command} {shlex.join(words)} --json"))

    def shell(self, line: str) -> str:
        """What a command prints there."""
        check_tools()
        found = subprocess.run([*self.ssh(), self.host, line], capture_output=True, text=True, check=False)
        if found.returncode == 255:
            raise MachineError(
                f"cannot reach {self.host}", found=found.stderr.strip()[-300:], next_step=f"try: ssh {self.host} true"
            )
        if found.returncode == 127:
            raise MachineError(
                f"{self.command.split()[0]} is not installed on {self.host}",
                next_step="install radar-edge there, or name it with --remote-command",
            )
        if found.returncode != 0:
            kinds = {1: ShortfallError, 2: BundleError}
            text = found.stderr.strip()[-2000:].removeprefix("error: ")
            raise kinds.get(found.returncode, MachineError)(f"on {self.host}: {text}")
        return found.stdout

    def copy(self, source: Path, target: str) -> None:
        """Make the folder `target` there equal to `source`. Raises MachineError."""
        check_tools()
        words = ["rsync", "--archive", "--delete", "--checksum", "-e", shlex.join(self.ssh())]
        found = subprocess.run(
            [*words, f"{source}/", f"{self.host}:{target}/"], capture_output=True, text=True, check=False
        )
        if found.returncode != 0:
            raise MachineError(
                f"the bundle cannot be copied to {self.host}", found=found.stderr.strip()[-300:],
                next_step="check the space on the unit, and that rsync is installed there",
            )  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is to be deployed. `target`: build plans for this board's class; None for engine onnxruntime. `restart`: the
    command that starts the line anew; then `state` must say READY within `health_timeout_s`."""

    bundle: Path
    target: str | None
    restart: str | None
    state: str
    health_timeout_s: float
    take_over: bool = False


def deploy(unit: Unit, wanted: Wanted, report: Report) -> dict[str, Any]:
    """All steps. Raises the first one's error; the line's slot is then what it was, or is so again."""
    token = secrets.token_hex(8)
    root = ("--root", unit.root)
    report("claim the free slot")
    claimed = unit.run("slot", "claim", token, *root, *(["--take-over"] if wanted.take_over else []))
    name, path = claimed["slot"], claimed["path"]
    report(f"copy the bundle to slot {name}")
    unit.copy(wanted.bundle, f"{path}/bundle")
    if wanted.target is not None:
        report("build and test plans on the unit; this takes minutes")
        unit.run("finish", f"{path}/bundle", "--out", f"{path}/device", "--target", wanted.target)
    else:
        report("verify, and run every engine on the reference parts")
        unit.run("verify", f"{path}/bundle")
    report(f"switch to slot {name}")
    switched = unit.run("slot", "switch", name, "--token", token, *root)
    if wanted.restart is not None:
        restart_or_go_back(unit, wanted, claimed["current"], report)
    return {"slot": name, "bundle": switched["bundle"], "former": claimed["current"], "restarted": bool(wanted.restart)}


def restart_or_go_back(unit: Unit, wanted: Wanted, former: str | None, report: Report) -> None:
    """Raises ShortfallError if the line did not become READY, after going back to the former slot."""
    if wanted.restart is None:
        raise ValueError("no command to restart the line")
    report("restart the line")
    unit.shell(wanted.restart)
    problem = wait_ready(unit, wanted)
    if problem is None:
        report("the line is READY")
        return
    if former is None:
        raise ShortfallError("the line did not become READY, and there is no former slot", found=problem)
    report("the line did not become READY: going back")
    unit.run("slot", "rollback", "--root", unit.root)
    unit.shell(wanted.restart)
    back = wait_ready(unit, wanted)
    raise ShortfallError(
        f"the line did not become READY with the new bundle; slot {former} is current again",
        found=problem,
        faults=[] if back is None else [f"nor did it with the former one: {back}"],
        next_step="look at the journal and at `radar-edge doctor` on the unit",
    )


def wait_ready(unit: Unit, wanted: Wanted) -> str | None:
    """None once the line is READY; what is wrong with it when the time is over."""
    until = time.monotonic() + wanted.health_timeout_s
    while (problem := health_problem(unit, wanted.state)) is not None and time.monotonic() < until:
        time.sleep(LOOK_S)
    return problem


def health_problem(unit: Unit, state: str) -> str | None:
    try:
        unit.shell(f"{unit.command} slot health {shlex.quote(state)}")
    except (ShortfallError, BundleError) as error:
        return error.problem
    return None


def json_of(text: str) -> dict[str, Any]:
    """The last line of what a command printed."""
    try:
        document = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise MachineError("the unit's radar-edge answers otherwise than expected", found=text[-200:]) from error
    if not isinstance(document, dict):
        raise MachineError("the unit's radar-edge answers otherwise than expected", found=text[-200:])
    return document


def check_tools(tools: Sequence[str] = ("ssh", "rsync")) -> None:
    """Raises MachineError naming what is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise MachineError(f"{' and '.join(missing)} not installed", next_step="apt-get install openssh-client rsync")


def check_host(host: str) -> None:
    """Raises UsageError for what ssh would take as an option."""
    if not host or host.startswith("-") or any(character.isspace() for character in host):
        raise UsageError("this is no host", found=host, wanted="user@unit")
