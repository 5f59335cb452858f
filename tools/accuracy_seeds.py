"""What several trainings say together: the mean over seeds with its interval, and one model against many.

Parts' scores are kept beside the trainings, not among the results; what is computed from them here is a document of
the results, OUT/SET[-full]-seeds.json. Draws of the bootstrap take the same groups for every seed and for both of two
configurations: what makes a part hard for all cancels out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_job import read

from radar_edge import files
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.measure import asked_of, named
from radar_edge.evaluation.metrics import Figure, Interval, auroc_figure, bootstrap, once
from radar_edge.evaluation.missing import less
from radar_edge.modality import Subset

SCHEMA_VERSION = 1
RECIPE = "default"
LATE = "a0-late-fusion"
"""One training a modality; a part's score is the mean of theirs, each on the scale of its own held-out parts."""
ALONE = "a4-no-dropout"
"""What is trained for the set of all modalities alone."""
CONFIDENCE = 0.90
"""Of the differences between one model and many."""


@dataclass(frozen=True)
class Scores:
    """The parts that a subset is asked for, as one training scored them."""

    keys: tuple[str, ...]
    groups: tuple[str, ...]
    defective: tuple[bool, ...]
    scores: tuple[float, ...]
    strata: Mapping[str, tuple[str, ...]]

    @property
    def figure(self) -> Figure:
        return auroc_figure(np.asarray(self.scores), np.asarray(self.defective))

    def only(self, column: str, value: str) -> Scores:
        chosen = [i for i, one in enumerate(self.strata[column]) if one == value]

        def pick(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in chosen)

        strata = {name: pick(values) for name, values in self.strata.items()}
        return Scores(pick(self.keys), pick(self.groups), pick(self.defective), pick(self.scores), strata)


def write_scores(path: Path, tested: Mapping[Subset, Sequence[Judged]], columns: Sequence[str]) -> None:
    """Of every subset, so that tables over several trainings need not judge again."""
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "subsets": {}}
    for subset, parts in tested.items():
        asked = asked_of(subset, parts)
        document["subsets"][subset.slug] = {
            "keys": [part.sample.key for part in asked],
            "groups": [part.sample.group for part in asked],
            "defective": [not part.sample.is_good for part in asked],
            "scores": [part.score for part in asked],
            "strata": {
                column: [part.sample.strata.get(column, "") for part in asked]
                for column in columns
                if any(column in part.sample.strata for part in asked)
            },
        }
    files.write_json(path, document)


def read_scores(path: Path) -> dict[str, Scores] | None:
    """`{slug: scores}`; None where there are none, or of another form. Raises RunError for a file cut short."""
    if not path.is_file():
        return None
    document = read(path)
    if document["schema_version"] != SCHEMA_VERSION:
        return None
    return {
        slug: Scores(**{k: tuple(one[k]) for k in ("keys", "groups", "defective", "scores")}, strata=tuples(one))
        for slug, one in document["subsets"].items()
    }


def tuples(one: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {column: tuple(values) for column, values in one["strata"].items()}


AllScores = Mapping[str, Mapping[int, Mapping[str, Scores]]]
"""`{configuration: {seed: {slug: scores}}}`"""


def over_seeds(found: AllScores) -> dict[str, Any]:
    """`configurations`: each one's mean over its seeds, and how much that is above the recipe's (`less_recipe`).

    `one_or_many`: the recipe less the networks for a subset alone. `late_fusion`: its complete subset less the late
    fusion. Differences are over the seeds that both have.
    """
    document: dict[str, Any] = {
        "configurations": {
            name: {**means(of_seeds), "less_recipe": {} if name == RECIPE else differences(of_seeds, found)}
            for name, of_seeds in sorted(found.items())
        },
        "one_or_many": [],
        "late_fusion": None,
    }
    recipe, late, alone = (found.get(name, {}) for name in (RECIPE, LATE, ALONE))
    for slug in next(iter(recipe.values()), {}):
        many = alone if slug == complete(recipe) else late
        if row := difference(slug, recipe, many):
            document["one_or_many"].append(row)
    if recipe and (row := difference(complete(recipe), recipe, late)):
        document["late_fusion"] = row
    return document


def differences(of_seeds: Mapping[int, Mapping[str, Scores]], found: AllScores) -> dict[str, Any]:
    """At every subset that the recipe has too."""
    rows = {slug: difference(slug, of_seeds, found.get(RECIPE, {})) for slug in next(iter(of_seeds.values()))}
    return {slug: {k: row[k] for k in ("difference", "difference_ci")} for slug, row in rows.items() if row}


def complete(of_seeds: Mapping[int, Mapping[str, Scores]]) -> str:
    """The slug of the most modalities."""
    return max(next(iter(of_seeds.values())), key=lambda slug: slug.count("_"))


def means(of_seeds: Mapping[int, Mapping[str, Scores]]) -> dict[str, Any]:
    seeds = sorted(of_seeds)
    subsets = {}
    for slug in of_seeds[seeds[0]]:
        mine = [of_seeds[seed][slug] for seed in seeds]
        subsets[slug] = {
            **seed_mean(mine),
            "strata": {
                column: {
                    value: seed_mean([one.only(column, value) for one in mine])
                    for value in sorted(set(mine[0].strata[column]))
                }
                for column in mine[0].strata
            },
        }
    return {"seeds": seeds, "subsets": subsets}


def seed_mean(mine: Sequence[Scores]) -> dict[str, Any]:
    """`image_auroc`, the mean over trainings, with the 95 % interval of that mean over groups of parts."""
    check_same_parts(mine)
    figure = mean_of([one.figure for one in mine])
    return named("image_auroc", *measured(figure, mine[0], 0.95))


def difference(
    slug: str, one: Mapping[int, Mapping[str, Scores]], many: Mapping[int, Mapping[str, Scores]]
) -> dict[str, Any] | None:
    """`one` less `many` at a subset, over the seeds of both; None without any, or where one lacks the subset."""
    seeds = sorted(seed for seed in one.keys() & many.keys() if slug in one[seed] and slug in many[seed])
    if not seeds:
        return None
    mine, theirs = ([of[seed][slug] for seed in seeds] for of in (one, many))
    check_same_parts([*mine, *theirs])
    first, second = (mean_of([scores.figure for scores in side]) for side in (mine, theirs))
    count = len(mine[0].keys)
    return {
        "subset": slug,
        "seeds": seeds,
        "groups": len(set(mine[0].groups)),
        "one": once(first, count),
        "many": once(second, count),
        **named("difference", *measured(less(first, second), mine[0], CONFIDENCE)),
    }


def measured(figure: Figure, parts: Scores, confidence: float) -> tuple[float | None, Interval | None]:
    value = once(figure, len(parts.keys))
    return value, None if value is None else bootstrap(figure, parts.groups, confidence=confidence)


def mean_of(figures: Sequence[Figure]) -> Figure:
    return lambda weights: np.mean([figure(weights) for figure in figures], axis=0)


def check_same_parts(scores: Sequence[Scores]) -> None:
    """Raises ValueError unless all hold the same parts in one order: else no draw could be shared."""
    if len({one.keys for one in scores}) != 1:
        raise ValueError("trainings of one set were judged on different parts")
