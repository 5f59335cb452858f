"""`radar-edge journal PATH`: which parts had which verdict. Knows the journal's columns, not how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from radar_edge.cli.output import JsonOption, print_json, say

SHOWN = ("received_at", "trigger_id", "code", "reason", "subset", "score", "threshold", "sent_ms", "state")


def register(app: typer.Typer) -> None:
    @app.command("journal")
    def journal(
        path: Annotated[Path, typer.Argument(metavar="PATH", help="The journal; it may be in use by a line.")],
        since: Annotated[
            str | None, typer.Option(help="Parts from this UTC time on, ISO 8601: 2026-11-25 or 2026-11-25T06:00.")
        ] = None,
        until: Annotated[str | None, typer.Option(help="Parts before this UTC time.")] = None,
        code: Annotated[str | None, typer.Option(help="PASS, REJECT or NO_DECISION.")] = None,
        reason: Annotated[str | None, typer.Option(help="A verdict's reason, such as DEADLINE.")] = None,
        subset: Annotated[str | None, typer.Option(help="The modalities that judged, such as rgb.")] = None,
        csv: Annotated[Path | None, typer.Option(help="Write every column of these parts to a CSV file.")] = None,
        last: Annotated[int, typer.Option(min=1, help="Show so many, the newest.")] = 20,
        json: JsonOption = False,
    ) -> None:
        """Show the parts of a journal, chosen by time, code, reason and modalities; export them as CSV."""
        from radar_edge.runtime.journal_query import Query, count_by_code, find_parts, write_csv

        parts = find_parts(path, Query.of(since, until, code, reason, subset))
        if csv is not None:
            write_csv(csv, parts)
            say(f"{len(parts)} parts written to {csv}")
        else:
            for part in parts[-last:]:
                say("  ".join(shown(part[name]) for name in SHOWN))
        say(f"{len(parts)} parts: {count_by_code(parts)}")
        if json:
            print_json({"parts": len(parts), "codes": count_by_code(parts), "shown": parts[-last:]})


def shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
