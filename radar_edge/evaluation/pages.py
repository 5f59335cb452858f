"""Pages from templates/: one file each, that asks for nothing but itself. Knows no figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radar_edge import __version__
from radar_edge.errors import MissingPackageError

FOLDER = Path(__file__).with_name("templates")


def render(template: str, **shown: Any) -> str:
    """Raises MissingPackageError where Jinja is not installed."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "jinja2", "report", "writing a report") from error
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (FOLDER / "report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(**shown, style=style, version=__version__).strip() + "\n"
