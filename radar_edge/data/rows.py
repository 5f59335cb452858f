"""samples.csv: what is known of each part beyond its images. Knows no image.

Columns: split, cls, name (required); group, visible_in (a slug); any other column is a stratum.
"""

from __future__ import annotations

import csv
from pathlib import Path

from radar_edge.errors import UsageError
from radar_edge.modality import subset_from_slug

FILE = "samples.csv"
REQUIRED = ("split", "cls", "name")
KNOWN = (*REQUIRED, "group", "visible_in")

Row = dict[str, str]


def read_rows(root: Path, modalities: tuple[str, ...], faults: list[str]) -> dict[str, Row]:
    """Rows by "split/cls/name"; empty without the file. Every fault is added to `faults`, its row left out."""
    path = root / FILE
    if not path.exists():
        return {}
    rows: dict[str, Row] = {}
    try:
        # utf-8-sig: spreadsheet programs put a byte order mark before the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in REQUIRED if column not in (reader.fieldnames or ())]
            if missing:
                faults.append(f"{FILE} lacks the column(s) {', '.join(missing)}")
                return {}
            for row in reader:
                add_row(rows, row, modalities, f"{FILE} line {reader.line_num}", faults)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(f"{FILE} cannot be read: {error}")
    return rows


def add_row(rows: dict[str, Row], row: Row, modalities: tuple[str, ...], place: str, faults: list[str]) -> None:
    # DictReader marks a field too many with the key None, and a field too few with the value None.
    if None in row or None in row.values():
        faults.append(f"{place}: not as many fields as there are columns")
        return
    key = "/".join(row[column] for column in REQUIRED)
    if key in rows:
        faults.append(f"{place}: {key} a second time")
        return
    if row.get("visible_in"):
        try:
            subset_from_slug(row["visible_in"], modalities)
        except UsageError:
            faults.append(f"{place}: visible_in {row['visible_in']!r} is no subset of {', '.join(modalities)}")
            row["visible_in"] = ""
    rows[key] = row
