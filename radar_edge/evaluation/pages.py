"""Pages from templates/: one file each, that asks for nothing but itself. Knows no figure."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from radar_edge import __version__
from radar_edge.errors import MissingPackageError

PACKAGES = ("jinja2", "sklearn")
FOLDER = Path(__file__).with_name("templates")


def check_packages() -> None:
    """Raises MissingPackageError if the extra `report` is not installed: better before the long work than after."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingPackageError(package, "report", "writing a report")


def render(template: str, **shown: Any) -> str:
    """The page as text. Raises MissingPackageError if the extra `report` is not installed."""
    check_packages()
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (FOLDER / "report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(**shown, style=style, version=__version__).strip() + "\n"
