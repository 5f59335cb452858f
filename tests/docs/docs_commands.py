"""What the documents show as commands: the ```console blocks of every page, and a parser that runs nothing."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from radar_edge.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "README.zh-CN.md", *ROOT.glob("docs/**/*.md")])
TUTORIAL = ROOT / "docs/tutorial.md"
BLOCK = re.compile(r"^( *)```(\S+)(?: title=\"([^\"]+)\")?\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A command to type, or a file to write first."""

    command: str = ""
    file: str = ""
    content: str = ""


def steps(page: Path) -> list[Step]:
    """Commands (lines that begin with `$ `; `\\` goes on) and titled files of a page, in its order."""
    found = []
    for indent, kind, title, body in BLOCK.findall(page.read_text()):
        text = re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        if kind == "console":
            joined = text.replace("\\\n", " ")
            found += [Step(bare(row[2:])) for row in joined.splitlines() if row.startswith("$ ")]
        elif title:
            found.append(Step(file=title, content=text))
    return found


def bare(row: str) -> str:
    """Without the remark behind it, one space between words."""
    return " ".join(re.split(r"\s+#\s", row)[0].split())


def commands(page: Path) -> list[str]:
    return [step.command for step in steps(page) if step.command]


def inline(page: Path) -> list[str]:
    """Commands within a line of text: `radar-edge ...` in back-quotes."""
    text = BLOCK.sub("", page.read_text())
    return [" ".join(found.split()) for found in re.findall(r"(?<!`)`(radar-edge [^`]+)`", text)]


def parse(command: str) -> None:
    """Let the command line take the words without running anything. Raises what it raises for a wrong one."""
    words = shlex.split(command)[1:]
    found: Any = typer.main.get_command(app)
    context = found.make_context("radar-edge", words)
    while hasattr(found, "resolve_command"):
        name, found, rest = found.resolve_command(context, [*context._protected_args, *context.args])
        context = found.make_context(name, rest, parent=context)


def unknown_options(command: str) -> list[str]:
    """Options in the words of a command, which may be cut short (`list|create`, `...`), that it does not have."""
    words = command.split()[1:]
    found: Any = typer.main.get_command(app)
    while words and words[0] in getattr(found, "commands", {}):
        found = found.commands[words.pop(0)]
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return [word for word in (w.strip("[]|,.") for w in words) if word.startswith("--") and word not in known]
