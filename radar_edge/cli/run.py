"""`radar-edge run LINE.yaml`: inspect parts until told to stop. Knows what a person wants to see of a line."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from radar_edge.cli.output import JsonOption, print_json, say

STATE_FILE = "state.json"
COUNTS_EVERY = 10
"""Seconds between two lines of counts."""


def register(app: typer.Typer) -> None:
    @app.command("run")
    def run(
        line: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line: cameras, bundle, PLC, journal.")],
        allow_unsigned: Annotated[
            bool, typer.Option("--allow-unsigned", help="Take a bundle that nobody trusted has signed.")
        ] = False,
        json: JsonOption = False,
    ) -> None:
        """Inspect parts: cameras in, verdicts to the PLC, until SIGTERM or Ctrl-C.

        state.json beside the journal says every second how the line is; with a section `page` a status page does.
        """
        from radar_edge.clock import MonotonicClock
        from radar_edge.config import LineConfig, load_config, resolve_paths
        from radar_edge.errors import StorageError
        from radar_edge.files import write_json
        from radar_edge.runtime.compose import open_line
        from radar_edge.runtime.stopping import stop_on_signals
        from radar_edge.web.process import PageProcess

        config = resolve_paths(load_config(LineConfig, line), line.parent)
        news = News()
        page: PageProcess | None = None

        def on_state(state: dict[str, Any]) -> None:
            try:
                write_json(config.journal.path.with_name(STATE_FILE), state)
            except StorageError as error:  # a full disk ends no line: the journal's status bit tells the PLC
                say(f"error: {error}")
            for text in news.of(state):
                say(text)
            if page is not None:
                page.mind()

        with stop_on_signals() as stop, ExitStack() as stack:
            if config.page is not None or config.mqtt is not None:
                page = stack.enter_context(PageProcess(config, MonotonicClock(), say))
                say(f"status page {page.url or 'none'}, MQTT broker {config.mqtt.host if config.mqtt else 'none'}")
            address = None if page is None else page.address
            opened = stack.enter_context(open_line(config, allow_unsigned=allow_unsigned, feed_to=address))
            say(f"bundle {config.bundle}, PLC on {config.plc.where}, journal {config.journal.path}")
            opened.run(stop, on_state)
            state = opened.state()
            on_state(state)
        say(f"stopped: {counts(state)}")
        if json:
            print_json(state)


class News:
    """What changed from one state to the next, in words, and the counts now and then."""

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}
        self._states = 0

    def of(self, state: dict[str, Any]) -> list[str]:
        """Lines for a person, oldest matter first."""
        facts = {f"camera {name}": f"{c['state']} ({c['cause']})" for name, c in state["cameras"].items()}
        facts["status"] = " ".join(state["status"]).lower() or "not ready"
        facts["PLC"] = "alive" if state["plc_alive"] else "silent"
        if state.get("product") or "PRODUCT" in state["status"]:
            facts["product"] = str(state["product"] or "none selected")
        if state["engine"]:
            facts["engine"] = state["engine"]
        facts.update({f"drift {slug}": drift["state"] for slug, drift in state.get("drift", {}).items()})
        news = [f"{name}: {value}" for name, value in facts.items() if self._before.get(name) != value]
        self._before = facts
        self._states += 1
        return [*news, counts(state)] if self._states % COUNTS_EVERY == 0 else news


def counts(state: dict[str, Any]) -> str:
    verdicts = ", ".join(f"{count} {code}" for code, count in sorted(state["verdicts"].items())) or "no verdicts"
    return f"{state['parts']} parts: {verdicts}; {state['late_results']} late results"
