"""How a rehearsal tells a line's processes what goes wrong: a file a place, with the fault's name. Knows no fault."""

from __future__ import annotations

import os
from pathlib import Path

from radar_edge import files

VARIABLE = "RADAR_EDGE_FAULTS"
"""Names the folder to the processes of the line."""


class Control:
    """The folder of the files. Reading costs some 10 us."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of_environment(cls) -> Control:
        """Raises KeyError outside a rehearsal."""
        return cls(Path(os.environ[VARIABLE]))

    def set(self, place: str, fault: str) -> None:
        files.write_text(self._folder / place, fault)

    def clear(self, place: str) -> None:
        (self._folder / place).unlink(missing_ok=True)

    def fault(self, place: str) -> str:
        """The fault that is there now, or nothing."""
        try:
            return (self._folder / place).read_text()
        except FileNotFoundError:
            return ""
