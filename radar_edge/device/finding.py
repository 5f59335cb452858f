"""What a check of a unit says. Knows no check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """`why` it matters, and the command or act that `mend`s it; both are empty for ok."""

    check: str
    level: Level
    found: str
    why: str = ""
    mend: str = ""


def ok(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warn(check: str, found: str, why: str, mend: str) -> Finding:
    return Finding(check, "warn", found, why, mend)


def fail(check: str, found: str, why: str, mend: str) -> Finding:
    return Finding(check, "fail", found, why, mend)
