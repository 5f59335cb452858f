"""What every command shares: where text goes, the last line of JSON, tables. Knows no command.

With --json the last line on stdout is one JSON document; everything else goes to stderr.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document as the last line on stdout.")]

# Into a file or a pipe the tables keep their full width.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 100)
"""Progress and messages for people."""


def say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, sort_keys=True, allow_nan=False) + "\n")
    sys.stdout.flush()
