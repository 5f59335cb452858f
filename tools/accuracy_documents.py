"""The documents that tools/accuracy.py wrote, found by set, preset and configuration, and their figures as text."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

RECIPE = "default"
PRESETS = ("quick", "full")
NONE = "-"

Document = Mapping[str, Any]
Documents = Sequence[Document]
Interval = Sequence[float]


@dataclass(frozen=True)
class Results:
    """`jobs`: (set, preset, configuration) -> a document a seed; `over_seeds`: (set, preset) -> of them together."""

    jobs: Mapping[tuple[str, str, str], Documents]
    over_seeds: Mapping[tuple[str, str], Document]

    def recipes(self) -> Iterator[tuple[str, str, Documents]]:
        """(set, preset, documents) of the recipe, sets by name and the quick preset first."""
        for name, preset, configuration in sorted(self.jobs, key=lambda key: (key[0], PRESETS.index(key[1]))):
            if configuration == RECIPE:
                yield name, preset, self.jobs[name, preset, configuration]

    def together(self, name: str, preset: str, configuration: str = RECIPE) -> Document | None:
        """What the trainings of a configuration say together, if it is of just those whose documents are here."""
        found = self.over_seeds.get((name, preset), {}).get("configurations", {}).get(configuration)
        seeds = sorted(one["seed"] for one in self.jobs[name, preset, configuration])
        return found if found is not None and found["seeds"] == seeds else None


def read(folder: Path) -> Results:
    jobs: dict[tuple[str, str, str], list[Document]] = defaultdict(list)
    over_seeds = {}
    for path in sorted(folder.glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        # Documents of the first form know one preset.
        preset = one.get("preset", "quick")
        if one.get("kind") == "seeds":
            over_seeds[one["set"], preset] = one
        else:
            jobs[one["set"], preset, one["configuration"]].append(one)
    return Results(jobs, over_seeds)


def values(documents: Documents, *keys: str) -> list[float] | None:
    """The figure at that place of each document; None where one has none."""
    found = [at(one, *keys) for one in documents]
    return None if not found or None in found else found


def at(document: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(document, Mapping) or document.get(key) is None:
            return None
        document = document[key]
    return document


def number(documents: Documents, *keys: str) -> str:
    found = values(documents, *keys)
    return NONE if found is None else f"{mean(found):.3f}"


def share(documents: Documents, *keys: str) -> str:
    found = values(documents, *keys)
    return NONE if found is None else f"{mean(found):.1%}"


def interval(found: Interval | None) -> str:
    return "" if found is None else f" [{found[0]:.3f}, {found[1]:.3f}]"


def with_interval(documents: Documents, keys: Sequence[str], over_seeds: Interval | None = None) -> str:
    """The mean, an interval, and the range of several trainings.

    The interval is that of the one training, or `over_seeds` of several; none where that is not known.
    """
    found = values(documents, *keys)
    if found is None:
        return NONE
    if len(found) == 1:
        return f"{found[0]:.3f}{interval(at(documents[0], *keys[:-1], f'{keys[-1]}_ci'))}"
    return f"{mean(found):.3f}{interval(over_seeds)} ({min(found):.3f} to {max(found):.3f})"


def signed(value: float | None, found: Interval | None) -> str:
    if value is None:
        return NONE
    return f"{value:+.3f}" + ("" if found is None else f" [{found[0]:+.3f}, {found[1]:+.3f}]")


def best_line(figures: Any) -> str:
    """The baseline that does best in its favourable direction, and that direction."""
    known = {name: one for name, one in (at(figures, "baselines") or {}).items() if one["image_auroc"] is not None}
    if not known:
        return NONE
    name, one = max(known.items(), key=lambda pair: pair[1]["image_auroc"])
    return f"{one['image_auroc']:.3f} ({name} {one['defects_are']})"


def set_name(name: str, documents: Documents) -> str:
    """With what must be known before any figure of it is believed."""
    first = documents[0]
    if first.get("equalised_to"):
        return f"{name}: every image scaled to a background of grey {first['equalised_to']}"
    return f"{name}: **leaks**, no figure counts" if first.get("leak") else name


def table(*columns: str) -> list[str]:
    return [row(*columns), row(*("---" for _ in columns))]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
