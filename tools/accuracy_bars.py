"""What the recipe must reach, and whether it does: a table from the documents of tools/accuracy.py.

A figure is the mean over the trainings there are. What no document measures is "not run", never met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

from accuracy_documents import PRESETS, RECIPE, Document, Interval, Results, at, interval, row, table, values
from accuracy_tables import missing_rows

NOT_RUN = "not run"


@dataclass(frozen=True)
class Found:
    value: float
    seeds: int
    interval: Interval | None = None


Figure = Callable[[Results, str, str], Found | None]
"""(results, set, preset) -> the bar's figure, or None where it was not measured."""


@dataclass(frozen=True)
class Bar:
    set: str
    what: str
    least: float
    figure: Figure
    above: bool = False
    """`least` itself is not enough."""
    or_interval: bool = False
    """It is also met where the figure's interval reaches `least`."""
    least_seeds: int = 1

    @property
    def wanted(self) -> str:
        if self.or_interval:
            return f"≥ {self.least:.2f}, or its 90 % interval reaches it, over {self.least_seeds} seeds"
        return f"{'above' if self.above else '≥'} {self.least:.2f}"

    def is_met(self, found: Found) -> bool:
        enough = found.value > self.least if self.above else found.value >= self.least
        reached = self.or_interval and found.interval is not None and found.interval[1] >= self.least
        return found.seeds >= self.least_seeds and (enough or reached)

    def said(self, found: Found | None) -> str:
        if found is None:
            return NOT_RUN
        seeds = "" if found.seeds == 1 else f" ({found.seeds} seeds)"
        if found.seeds < self.least_seeds:
            return f"{found.value:.3f}{interval(found.interval)}: {NOT_RUN} on {self.least_seeds} seeds"
        return f"{found.value:.3f}{interval(found.interval)}{seeds}: {'met' if self.is_met(found) else '**not met**'}"


def of_subset(slug: str, key: str) -> Figure:
    def figure(results: Results, name: str, preset: str) -> Found | None:
        documents = results.jobs.get((name, preset, RECIPE), ())
        found = values(documents, "subsets", slug, key)
        return None if found is None else Found(mean(found), len(found))

    return figure


def lowest(slugs: tuple[str, ...], key: str) -> Figure:
    """The worst of some subsets."""

    def figure(results: Results, name: str, preset: str) -> Found | None:
        found = [of_subset(slug, key)(results, name, preset) for slug in slugs]
        known = [one for one in found if one is not None]
        return min(known, key=lambda one: one.value) if len(known) == len(slugs) else None

    return figure


def above_both(results: Results, name: str, preset: str) -> Found | None:
    """The AUROC of both cameras, less that of the better single one."""
    both, rgb, tir = (of_subset(slug, "image_auroc")(results, name, preset) for slug in ("rgb_tir", "rgb", "tir"))
    if both is None or rgb is None or tir is None:
        return None
    return Found(both.value - max(rgb.value, tir.value), both.seeds)


def in_the_dark(results: Results, name: str, preset: str) -> Found | None:
    found = values(results.jobs.get((name, preset, RECIPE), ()), "dark_rgb_difference")
    return None if found is None else Found(mean(found), len(found))


def missing_gain(results: Results, name: str, preset: str) -> Found | None:
    rows = dict(missing_rows(results.jobs.get((name, preset, RECIPE), ()))).get("both")
    return None if rows is None else Found(mean(one["gain"] for one in rows), len(rows))


def listens(results: Results, name: str, preset: str) -> Found | None:
    documents = results.jobs.get((name, preset, RECIPE), ())
    found = values(documents, "contribution", "trained", "all", "share")
    if found is None:
        return None
    one = at(documents[0], "contribution", "trained", "all", "share_ci") if len(found) == 1 else None
    return Found(mean(found), len(found), one)


def one_or_many(slug: str) -> Figure:
    def figure(results: Results, name: str, preset: str) -> Found | None:
        rows = results.over_seeds.get((name, preset), {}).get("one_or_many", ())
        return next((paired(one) for one in rows if one["subset"] == slug), None)

    return figure


def over_late_fusion(results: Results, name: str, preset: str) -> Found | None:
    one = results.over_seeds.get((name, preset), {}).get("late_fusion")
    return None if one is None else paired(one)


def paired(one: Document) -> Found:
    return Found(one["difference"], len(one["seeds"]), one["difference_ci"])


AUROC, AUPRO = "image_auroc", "aupro_030"
LISTENS = "defects of one camera on which that camera has the largest weight"
GAIN = "70 % of the parts lost one camera or the other: calibrated less placeholder"
ALONE = "one model less a network for {} alone"
BARS = (
    Bar("default", "rgb_tir image AUROC", 0.98, of_subset("rgb_tir", AUROC)),
    Bar("default", "rgb image AUROC, defects that it shows", 0.98, of_subset("rgb", AUROC)),
    Bar("default", "tir image AUROC, defects that it shows", 0.98, of_subset("tir", AUROC)),
    Bar("default", "AUPRO@0.3 of the worst subset", 0.85, lowest(("rgb", "tir", "rgb_tir"), AUPRO)),
    Bar("default", GAIN, 0.03, missing_gain),
    Bar("default", LISTENS, 0.80, listens),
    Bar("crack_rgbt", "rgb_tir image AUROC", 0.84, of_subset("rgb_tir", AUROC)),
    Bar("crack_rgbt", "tir image AUROC", 0.82, of_subset("tir", AUROC)),
    Bar("crack_rgbt", "rgb image AUROC", 0.72, of_subset("rgb", AUROC)),
    Bar("crack_rgbt", "rgb_tir less the better of rgb and tir", 0.0, above_both, above=True),
    Bar("crack_rgbt", "every RGB picture at 5 %: rgb_tir less tir", -0.02, in_the_dark),
    *(
        Bar("crack_rgbt", ALONE.format(slug), -0.01, one_or_many(slug), or_interval=True, least_seeds=2)
        for slug in ("rgb", "tir", "rgb_tir")
    ),
    Bar("crack_rgbt", "rgb_tir less late fusion", 0.0, over_late_fusion, above=True, least_seeds=2),
    Bar("crack_rgbt", GAIN, 0.03, missing_gain),
    Bar("magnetic_tile", "rgb image AUROC", 0.80, of_subset("rgb", AUROC)),
    Bar("magnetic_tile", "rgb AUPRO@0.3", 0.65, of_subset("rgb", AUPRO)),
)


def bars_table(results: Results) -> list[str]:
    lines = table("set", "bar", "wanted", *PRESETS)
    for bar in BARS:
        found = (bar.said(bar.figure(results, bar.set, preset)) for preset in PRESETS)
        lines.append(row(bar.set, bar.what, bar.wanted, *found))
    return lines
