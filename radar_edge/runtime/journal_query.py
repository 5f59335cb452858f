"""Questions to a journal: parts by time, code, reason and subset; as CSV. Reads only, also while a line writes."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from radar_edge.errors import UsageError
from radar_edge.files import write_bytes
from radar_edge.records import Code, Reason
from radar_edge.runtime.journal_file import read_parts


@dataclass(frozen=True)
class Query:
    """What a part must be; None asks nothing. Times in the journal's own form, which sorts as text."""

    since: str | None = None
    until: str | None = None
    code: str | None = None
    reason: str | None = None
    subset: str | None = None

    @classmethod
    def of(
        cls, since: str | None, until: str | None, code: str | None, reason: str | None, subset: str | None
    ) -> Query:
        """From what a person typed. Raises UsageError for a time, code or reason that does not exist."""
        return cls(_time(since), _time(until), _name(Code, code), _name(Reason, reason), subset)

    def fits(self, part: dict[str, Any]) -> bool:
        return (
            (self.since is None or part["received_at"] >= self.since)
            and (self.until is None or part["received_at"] < self.until)
            and self.code in (None, part["code"])
            and self.reason in (None, part["reason"])
            and self.subset in (None, part["subset"])
        )


def _time(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("this is not a time", found=text, wanted="ISO 8601, such as 2026-11-25T06:00") from error
    aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def _name(kind: type[Code] | type[Reason], text: str | None) -> str | None:
    if text is None:
        return None
    name = text.upper()
    if name not in kind.__members__:
        raise UsageError(f"there is no such {kind.__name__.lower()}", found=text, wanted=", ".join(kind.__members__))
    return name


def find_parts(path: Path, query: Query) -> list[dict[str, Any]]:
    """The parts that fit, oldest first. Raises StorageError."""
    return [part for part in read_parts(path) if query.fits(part)]


def count_by_code(parts: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many parts have which code; OPEN for those that have none yet."""
    return dict(Counter(part["code"] or "OPEN" for part in parts))


def write_csv(path: Path, parts: Sequence[dict[str, Any]]) -> None:
    """Every column, a header line, documents as JSON; atomic. Raises StorageError."""
    text = io.StringIO()
    if parts:
        writer = csv.DictWriter(text, list(parts[0]), lineterminator="\n")
        writer.writeheader()
        for part in parts:
            writer.writerow({name: json.dumps(v) if isinstance(v, dict) else v for name, v in part.items()})
    write_bytes(path, text.getvalue().encode())
