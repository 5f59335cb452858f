"""All checks of a unit, in order. Knows which there are."""

from __future__ import annotations

from pathlib import Path

from radar_edge.config import LineConfig
from radar_edge.device import checks_board, checks_line, checks_software
from radar_edge.device.board import Board
from radar_edge.device.finding import Finding


def examine(board: Board, line: LineConfig | None = None, bundle: Path | None = None) -> list[Finding]:
    """Every finding. `line`, with paths as they are to be used, and `bundle` are looked at where they are given."""
    found = [check(board) for check in (*checks_board.CHECKS, *checks_software.CHECKS)]
    found += checks_line.cameras(board)
    found.append(checks_line.gige(board))
    found += checks_line.serial(board)
    if bundle is not None:
        found.append(checks_line.bundle(bundle))
    if line is not None:
        found += checks_line.line(board, line)
    return found
