"""`radar-edge line check|schema`: a line.yaml before it runs. Knows what a person wants to see of its times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True)
    app.add_typer(group, name="line", help="Check a line.yaml; its JSON Schema for editors.")

    @group.command("schema")
    def schema() -> None:
        """Print the JSON Schema of line.yaml: an editor that knows it completes and checks while you type."""
        from radar_edge.config import LineConfig

        print_json(LineConfig.model_json_schema())

    @group.command("check")
    def check(
        line: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line to check.")],
        window_ms: Annotated[
            float, typer.Option("--window-ms", min=0, help="The PLC's window, from its trigger to the verdict.")
        ],
        poll_ms: Annotated[float, typer.Option("--poll-ms", min=0, help="The PLC polls at least so often.")],
        engine_p99_ms: Annotated[
            float | None, typer.Option("--engine-p99-ms", min=0, help="Preprocess and engine; measured here if absent.")
        ] = None,
        rounds: Annotated[int, typer.Option(min=1, help="Measured rounds an engine.")] = 100,
        allow_unsigned: Annotated[
            bool, typer.Option("--allow-unsigned", help="Take a bundle that nobody trusted has signed.")
        ] = False,
        json: JsonOption = False,
    ) -> None:
        """Check the whole file, add up its worst-case times, and refuse a line that is too slow for its PLC."""
        from dataclasses import asdict

        from radar_edge.config import LineConfig, load_config, resolve_paths
        from radar_edge.errors import ConfigError
        from radar_edge.runtime.budget import budget, shortfalls
        from radar_edge.runtime.measure import measure

        config = resolve_paths(load_config(LineConfig, line), line.parent)
        if engine_p99_ms is None:
            say(f"measuring every engine of {config.bundle}, {rounds} rounds")
            preprocess_ms, engine_ms = measure(config, rounds, allow_unsigned=allow_unsigned)
        else:
            preprocess_ms, engine_ms = 0.0, engine_p99_ms
        sums = budget(config, poll_ms, preprocess_ms, engine_ms)
        for name, value in asdict(sums).items():
            say(f"{name:16} {value:9.2f}")
        say(f"{'total_ms':16} {sums.total_ms:9.2f} of {window_ms:g}")
        faults = shortfalls(config, sums, window_ms)
        if json:
            print_json({**asdict(sums), "total_ms": sums.total_ms, "window_ms": window_ms, "faults": faults})
        if faults:
            raise ConfigError(
                f"{line} is too slow for its PLC", faults=faults, next_step="lengthen the window or shorten a stage"
            )
