"""`radar-edge rollback user@unit`: back to the slot that was there before, over ssh."""

from __future__ import annotations

from typing import Annotated

import typer

from radar_edge.cli.deploy import (
    ROOT,
    CommandOption,
    HostArgument,
    IdentityOption,
    PortOption,
    RootOption,
    SshOption,
    unit_of,
)
from radar_edge.cli.output import JsonOption, print_json, say


def register(app: typer.Typer) -> None:
    app.command("rollback")(rollback)


def rollback(
    host: HostArgument,
    root: RootOption = ROOT,
    restart: Annotated[str | None, typer.Option("--restart", help="Starts the line anew afterwards.")] = None,
    remote_command: CommandOption = "radar-edge",
    port: PortOption = None,
    identity: IdentityOption = None,
    ssh_option: SshOption = None,
    json: JsonOption = False,
) -> None:
    """Let a unit's line start from its other slot."""
    unit = unit_of(host, root, remote_command, port, identity, ssh_option)
    found = unit.run("slot", "rollback", "--root", root)
    if restart is not None:
        unit.shell(restart)
    say(f"{host}: slot {found['current']} is current, bundle {found['bundle'][:12]}")
    if json:
        print_json(found)
