"""The figures of an evaluation as rows of tables: what each is called, what it means, and how it is written.

Reads the metrics document; knows neither HTML nor parts. A figure that is absent or null is a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["share", "percent"]
DASH = "–"


@dataclass(frozen=True)
class Named:
    """A figure: its key in the metrics document, its name, and a sentence for who meets it the first time."""

    key: str
    name: str
    meaning: str
    form: Form = "share"


@dataclass(frozen=True)
class Cell:
    text: str
    interval: str = ""
    mark: str = ""
    """A class of the style sheet: `bad`, `best` or nothing."""


@dataclass(frozen=True)
class Row:
    name: str
    meaning: str
    cells: Sequence[Cell]


RATES = (
    Named("frr_at_threshold", "False rejects", "good test parts that the shipped threshold rejects", "percent"),
    Named("escape_at_threshold", "Escapes", "defects that this subset can see and the threshold lets pass", "percent"),
)
CHANCE = Named(
    "frr_chance", "Chance of so many", "false rejects or more, if test parts are like held-out ones", "percent"
)
AT_THRESHOLD = (RATES[0], CHANCE, RATES[1])
SEPARATION = (
    Named("image_auroc", "AUROC, visible defects", "chance that a defect scores above a good part: 0.5 is guessing"),
    Named("image_auroc_any", "AUROC, all defects", "the same, also asked for defects that none of its cameras shows"),
    Named("image_aupr", "AUPR", "precision over all recalls; rises with the share of defects in the test set"),
    Named("aupro_030", "AUPRO 0.30", "how much of each defect the map covers, up to 30 % of normal pixels"),
    Named("aupro_005", "AUPRO 0.05", "the same up to 5 %: what a strict threshold leaves of it"),
    Named("pixel_auroc", "Pixel AUROC", "chance that a defect's pixel is hotter than a normal one; high for any map"),
)
ORACLE = (
    Named("image_f1_max", "F1, best threshold", "precision and recall at the one threshold that suits these parts"),
    Named("oracle_frr_at_escape_0", "False rejects at 0 % escape", "price of catching every defect here", "percent"),
    Named("oracle_frr_at_escape_1", "False rejects at 1 % escape", "price of missing one in a hundred", "percent"),
    Named("oracle_frr_at_escape_5", "False rejects at 5 % escape", "price of missing one in twenty", "percent"),
    Named("oracle_escape_at_frr_0", "Escapes at 0 % false rejects", "what no good part's score hides", "percent"),
    Named("oracle_escape_at_frr_01", "Escapes at 0.1 % false rejects", "one good part in a thousand lost", "percent"),
    Named("oracle_escape_at_frr_1", "Escapes at 1 % false rejects", "one good part in a hundred lost", "percent"),
)
OF_STRATA = (
    Named("image_auroc", "AUROC", ""),
    Named("frr_at_threshold", "False rejects", "", "percent"),
    Named("escape_at_threshold", "Escapes", "", "percent"),
)


def cell(figures: Mapping[str, Any], key: str, form: Form, mark: str = "") -> Cell:
    value, interval = figures.get(key), figures.get(f"{key}_ci")
    if value is None:
        return Cell(DASH)
    dash = " to " if interval and interval[0] < 0 else f" {DASH} "
    between = dash.join(written(end, form) for end in interval) if interval else ""
    return Cell(written(value, form), between, mark)


def written(value: float, form: Form) -> str:
    """Three decimals, or per cent with one and a space that does not break."""
    return f"{value:.3f}" if form == "share" else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def rows(names: Iterable[Named], subsets: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """One row a figure, one cell a subset; rows that no subset has are left out."""
    found = [Row(n.name, n.meaning, [cell(one, n.key, n.form) for one in subsets.values()]) for n in names]
    return [row for row in found if any(one.text != DASH for one in row.cells)]


def part_rows(subsets: Mapping[str, Mapping[str, Any]], target: str) -> list[Row]:
    """How many parts each subset was asked about, and its threshold."""
    counts, limits = [], []
    for one in subsets.values():
        hidden = one["defects_any"] - one["defects"]
        counts.append(Cell(f"{one['good']} + {one['defects']}", f"{hidden} hidden from it" if hidden else ""))
        ng = one.get("ng_threshold")
        limits.append(Cell(f"{one['threshold']:.2f}", f"NG above {ng:.2f}" if ng is not None else ""))
    found = [
        Row("Parts", "good test parts and defects that show in a camera of the subset", counts),
        Row("Threshold", f"held-out good parts stay below it, {target}; test parts never set it", limits),
    ]
    if all("frr_bound" in one for one in subsets.values()):
        found.append(Row("Promise", PROMISE, [promise(one) for one in subsets.values()]))
    return found


PROMISE = "this very threshold keeps it with 95 % confidence; least: what so few held-out parts can guarantee"


def promise(figures: Mapping[str, Any]) -> Cell:
    least = f"least {written(figures['smallest_frr'], 'percent')}, {figures['calibration_groups']} parts"
    return Cell(f"< {written(figures['frr_bound'], 'percent')}", least)


def rival_rows(kind: str, subsets: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """`kind`: baselines or controls. Cells of a rival that does as well as the detector or better are marked."""
    names = dict.fromkeys(name for one in subsets.values() for name in one.get(kind) or {})
    found = []
    for name in names:
        cells = []
        for one in subsets.values():
            rival = (one.get(kind) or {}).get(name) or {}
            value, own = rival.get("image_auroc"), one.get("image_auroc")
            mark = "bad" if value is not None and own is not None and value >= own else ""
            cells.append(cell(rival, "image_auroc", "share", mark))
        found.append(Row(name, "", cells))
    return found


def stratum_tables(figures: Mapping[str, Any], most: int = 16) -> list[tuple[str, list[Row], int]]:
    """(column, a row each value, values left out) for every column of samples.csv that divides the parts."""
    tables = []
    for column, values in (figures.get("strata") or {}).items():
        shown = [
            Row(value, "", [Cell(f"{one['good']} + {one['defects']}"), *(cell(one, n.key, n.form) for n in OF_STRATA)])
            for value, one in list(values.items())[:most]
        ]
        tables.append((column, shown, len(values) - len(shown)))
    return tables


def missing_rows(table: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row a rate and kind of loss; the best of its cells is marked."""
    found = []
    for one in table:
        values = {way: one.get(way) for way in WAYS}
        best = max((value for value in values.values() if value is not None), default=None)
        cells = [cell(one, way, "share", "best" if values[way] == best else "") for way in WAYS]
        found.append(Row(f"{100 * one['rate']:.0f}\N{NO-BREAK SPACE}% of {one['missing']}", "", cells))
    return found


WAYS = {
    "calibrated": "the engine of what is left judges, on the scale of its own held-out good parts",
    "raw": "the same engine's score as it is",
    "placeholder": "the engine of all cameras judges, with the mean of good parts for the lost image",
}
"""How a part with a missing modality may be scored, and what that means."""
