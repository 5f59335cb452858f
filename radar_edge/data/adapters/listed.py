"""Images anywhere, and a CSV that says what each is: the kind `csv`. Knows no data set.

One row a part. Columns: split (train, validation or test), cls (good or a defect), name; a column for each modality
with the path of its image; if wanted gt and gt_<modality> with masks, group, visible_in; any other column is a stratum.
A column is a modality if its cells name image files. Paths count from the CSV's folder. SRC is the CSV, or a folder
with a samples.csv.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from radar_edge.data.adapters.plan import Adapter, Findings, Options, Part, Plan, Progress, Source
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import ENDINGS, MASKS, SPLITS
from radar_edge.data.rows import FILE, KNOWN, REQUIRED, Row
from radar_edge.errors import DatasetError, UsageError
from radar_edge.modality import check_modalities, subset_from_slug


def holds(path: Path) -> bool:
    return (path.is_file() and path.suffix.lower() == ".csv") or (path / FILE).is_file()


def plan(root: Path, options: Options, _: Progress) -> Plan:
    table = root if root.is_file() else root / FILE
    found = Findings(table.parent, options)
    columns, rows = read(table)
    modalities = modalities_of(columns, rows, found)
    parts = [
        made
        for line, row in rows
        if (made := part(row, f"{table.name} line {line}", columns, modalities, found)) is not None
    ]
    return found.plan({name: DeclaredModality() for name in modalities}, parts)


def read(table: Path) -> tuple[tuple[str, ...], list[tuple[int, Row]]]:
    """The columns, and each row with its line. Raises DatasetError if it is no such table."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval=None)
            rows = [(reader.line_num, row) for row in reader]
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot read {table}", found=str(error), wanted="a CSV in UTF-8") from error
    faults = [f"no column {name}" for name in REQUIRED if name not in columns]
    faults += [f"line {line}: not as many fields as there are columns" for line, row in rows if ragged(row)]
    if len(set(columns)) != len(columns):
        faults.append("two columns have one name")
    if faults or not rows:
        raise DatasetError(
            f"{table} is no table of parts",
            faults=faults,
            found=", ".join(columns) or "an empty file",
            wanted=f"{', '.join(REQUIRED)}, a column for each modality, and a row for each part",
            next_step="see docs/own-data.md",
        )
    return columns, rows


def ragged(row: Row) -> bool:
    return None in row or None in row.values()


def modalities_of(columns: Sequence[str], rows: Sequence[tuple[int, Row]], found: Findings) -> tuple[str, ...]:
    names = []
    for column in columns:
        if column in KNOWN or column == MASKS or column.startswith(f"{MASKS}_"):
            continue
        cells = [row[column] for _, row in rows if row[column]]
        pictures = sum(Path(cell).suffix.lower() in ENDINGS for cell in cells)
        if pictures:
            names.append(column)
        if 0 < pictures < len(cells):
            found.faults.append(f"the column {column} names an image in {pictures} of {len(cells)} rows only")
    try:
        check_modalities(names)
    except UsageError as error:
        found.faults.append(f"{error.problem}: found {error.found}, wanted {error.wanted}")
    wrong = [c for c in columns if c.startswith(f"{MASKS}_") and c.removeprefix(f"{MASKS}_") not in names]
    found.faults += [f"the column {column} is of no modality" for column in wrong]
    return tuple(names)


def part(row: Row, place: str, columns: Sequence[str], modalities: tuple[str, ...], found: Findings) -> Part | None:
    """None, and its faults in `found`, if the row says what cannot be."""
    faults = []
    if row["split"] not in SPLITS:
        faults.append(f"{place}: split {row['split']!r} is none of {', '.join(SPLITS)}")
    if row.get("visible_in"):
        try:
            subset_from_slug(row["visible_in"], modalities)
        except UsageError:
            faults.append(f"{place}: visible_in {row['visible_in']!r} is no subset of {', '.join(modalities)}")
    for name in modalities:
        if not row[name]:
            found.missing(f"{place} names no {name} image")
    masks = [column for column in columns if column == MASKS or column.startswith(f"{MASKS}_")]
    paths = {column: found.root / row[column] for column in (*modalities, *masks) if row[column]}
    faults += [f"{place}: there is no file {row[column]}" for column, path in paths.items() if not path.is_file()]
    found.faults += faults
    if faults:
        return None
    return Part(
        row["split"],
        row["cls"],
        row["name"],
        {name: Source(paths[name]) for name in modalities if name in paths},
        mask=Source(paths[MASKS]) if MASKS in paths else None,
        masks={name: Source(paths[f"{MASKS}_{name}"]) for name in modalities if f"{MASKS}_{name}" in paths},
        group=row.get("group", ""),
        visible_in=row.get("visible_in", ""),
        strata={c: row[c] for c in columns if c not in (*KNOWN, *modalities, *masks)},
    )


ADAPTER = Adapter("a CSV with split, cls, name and a column of paths for each modality", holds, plan)
