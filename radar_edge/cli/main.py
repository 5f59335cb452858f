"""radar-edge: the commands in the order of the work, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from radar_edge.cli.output import console
from radar_edge.errors import RadarEdgeError

# In the order of the work; each module has a function `register(app)`.
COMMANDS = (
    "synth",
    "cameras",
    "record",
    "register",
    "dataset",
    "train",
    "evaluate",
    "compare",
    "benchmark",
    "build_engines",
    "calibrate_threshold",
    "inspect",
    "verify",
    "bench",
    "estimate",
    "finish",
    "deploy",
    "rollback",
    "slot",
    "doctor",
    "keys",
    "line",
    "plc",
    "run",
    "challenge",
    "journal",
    "replay",
    "simulate",
    "demo",
)


class InOrder(TyperGroup):
    """Lists the commands in the order of the work; typer itself puts those with sub-commands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda name: COMMANDS.index(name.replace("-", "_")))


app = typer.Typer(
    name="radar-edge",
    cls=InOrder,
    help="Inspect parts with RGB and thermal cameras, on a Jetson, also when a camera fails.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in COMMANDS:
    import_module(f"radar_edge.cli.{_command}").register(app)


def main() -> None:
    """Run a command. Exit codes: 0; 1 our bug or a shortfall; 2 the user's mistake; 3 the environment."""
    try:
        app(standalone_mode=True)
    except RadarEdgeError as error:
        console.print(f"error: {error}", style="red", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # noqa: BLE001 - the last resort: a bug keeps its traceback
        traceback.print_exc()
        console.print("This is a bug in radar-edge: please report it with the text above.", style="red")
        sys.exit(1)
