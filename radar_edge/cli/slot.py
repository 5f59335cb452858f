"""`radar-edge slot ...`: a unit's two slots, on the unit. `radar-edge deploy` calls these over ssh."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from radar_edge.cli.output import JsonOption, print_json, say

RootOption = Annotated[Path, typer.Option("--root", help="The folder with slots and current.")]
ROOT = Path("/var/lib/radar-edge")


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True)
    app.add_typer(group, name="slot", help="On the unit: its two slots of bundles.")
    group.command("status")(status)
    group.command("claim")(claim)
    group.command("switch")(switch)
    group.command("rollback")(rollback)
    group.command("health")(health)


def status(root: RootOption = ROOT, json: JsonOption = False) -> None:
    """Which slot is current, and whether each can be started from."""
    from radar_edge.device.slots import NAMES, Slots

    slots = Slots(root)
    found: dict[str, Any] = {"root": str(root), "current": slots.current, "slots": {}}
    for name in NAMES:
        slot = slots.look(name)
        found["slots"][name] = {"bundle": slot.bundle_sha256, "problem": slot.problem}
        mark = "current" if name == slots.current else ""
        say(f"{name}  {(slot.bundle_sha256 or '')[:12]:12}  {mark:8} {slot.problem or ''}")
    if json:
        print_json(found)


def claim(
    token: Annotated[str, typer.Argument(help="Names the deployment.")],
    root: RootOption = ROOT,
    take_over: Annotated[bool, typer.Option("--take-over", help="Set a deployment that died aside.")] = False,
    json: JsonOption = False,
) -> None:
    """Empty the free slot for a deployment."""
    from radar_edge.device.slots import Slots, now_s

    slots = Slots(root)
    if take_over:
        slots.take_over()
    name = slots.claim(token, now_s())
    say(f"slot {name} is empty")
    if json:
        print_json({"slot": name, "path": str(slots.path(name).absolute()), "current": slots.current})


def switch(
    name: Annotated[str, typer.Argument(help="a or b")],
    token: Annotated[str | None, typer.Option("--token", help="Refuse unless this deployment filled it.")] = None,
    root: RootOption = ROOT,
    json: JsonOption = False,
) -> None:
    """Verify a slot and let the line start from it, from its next start on."""
    from radar_edge.device.slots import Slots

    slots = Slots(root)
    if token is not None:
        slots.check_claim(name, token)
    tell(slots.switch(name).sha256, slots.current, json=json)


def rollback(root: RootOption = ROOT, json: JsonOption = False) -> None:
    """Let the line start from the other slot, from its next start on."""
    from radar_edge.device.slots import Slots

    slots = Slots(root)
    tell(slots.rollback().sha256, slots.current, json=json)


def tell(sha256: str, current: str | None, *, json: bool) -> None:
    say(f"slot {current} is current: bundle {sha256[:12]}")
    if json:
        print_json({"current": current, "bundle": sha256})


def health(state: Annotated[Path, typer.Argument(help="The line's state.json.")], json: JsonOption = False) -> None:
    """Whether the line is READY now; exit code 1 if not."""
    from radar_edge.clock import MonotonicClock
    from radar_edge.errors import ShortfallError
    from radar_edge.runtime.healthcheck import problem_of

    found = problem_of(state, MonotonicClock().now_ns())
    if json:
        print_json({"ready": found is None, "problem": found})
    if found is not None:
        raise ShortfallError(found)
    say("READY")
