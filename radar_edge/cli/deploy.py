"""`radar-edge deploy BUNDLE user@unit`: from the workstation to a unit, over ssh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say

if TYPE_CHECKING:
    from radar_edge.device.deploy import Unit

HostArgument = Annotated[str, typer.Argument(metavar="USER@UNIT", help="As ssh takes it.")]
RootOption = Annotated[str, typer.Option("--root", help="The unit's folder of slots.")]
CommandOption = Annotated[str, typer.Option("--remote-command", help="radar-edge on the unit.")]
PortOption = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="ssh's port.")]
IdentityOption = Annotated[Path | None, typer.Option("--identity", help="ssh's private key.")]
SshOption = Annotated[list[str] | None, typer.Option("--ssh-option", help="Such as ConnectTimeout=5; may be repeated.")]
ROOT = "/var/lib/radar-edge"


def register(app: typer.Typer) -> None:
    app.command("deploy")(deploy)


def unit_of(
    host: str, root: str, command: str, port: int | None, identity: Path | None, options: list[str] | None
) -> Unit:
    from radar_edge.device.deploy import Unit, check_host

    check_host(host)
    return Unit(host, root, command, port, identity, tuple(options or ()))


def deploy(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder on this machine.")],
    host: HostArgument,
    engine: Annotated[str, typer.Option("--engine", help="tensorrt or onnxruntime: what the unit's line.yaml names.")],
    target: Annotated[str | None, typer.Option("--target", help="With tensorrt: the board's class.")] = None,
    restart: Annotated[
        str | None, typer.Option("--restart", help="Such as 'systemctl restart radar-edge'; then READY is waited for.")
    ] = None,
    state: Annotated[str, typer.Option("--state", help="The line's state.json on the unit.")] = f"{ROOT}/state.json",
    health_timeout_s: Annotated[float, typer.Option("--health-timeout-s", min=1, help="Until READY, or back.")] = 120,
    take_over: Annotated[bool, typer.Option("--take-over", help="Set a deployment that died aside.")] = False,
    root: RootOption = ROOT,
    remote_command: CommandOption = "radar-edge",
    port: PortOption = None,
    identity: IdentityOption = None,
    ssh_option: SshOption = None,
    json: JsonOption = False,
) -> None:
    """Bring a bundle to a unit and switch to it.

    The running slot is never written to. With --restart a line that does not become READY goes back to it by itself.
    Tried against an ssh server on this machine, not on a Jetson.
    """
    from radar_edge.bundle import open_bundle
    from radar_edge.device.deploy import Wanted
    from radar_edge.device.deploy import deploy as run
    from radar_edge.errors import UsageError

    if engine not in ("tensorrt", "onnxruntime") or (engine == "tensorrt") != (target is not None):
        raise UsageError(
            "say --engine onnxruntime, or --engine tensorrt with --target",
            found=f"--engine {engine}{'' if target is None else f' --target {target}'}",
        )
    unit = unit_of(host, root, remote_command, port, identity, ssh_option)
    opened = open_bundle(bundle)
    wanted = Wanted(bundle, target, restart, state, health_timeout_s, take_over)
    found = run(unit, wanted, lambda text: say(f"{host}: {text}"))
    if found["bundle"] != opened.sha256:
        raise UsageError("the bundle changed while it was copied", next_step="deploy it again")
    restarted = "" if found["restarted"] else "; it is used from the line's next start on"
    say(f"{host}: slot {found['slot']} is current, bundle {opened.sha256[:12]}{restarted}")
    if json:
        print_json(found)
