"""The tables of a benchmark with missing modalities: which part loses what, in training, in test or in both.

As MIIAD Bench (Miao et al., ACM MM 2025) has it: a rate of the parts of a split loses one modality, or one or the
other in equal shares; no part loses all. A table is drawn once, kept as JSON and used for every method, so that all of
them see the same losses. Good and defective parts lose alike; validation stays complete, for thresholds are set there
(a set without it holds out train parts, which lose too). Only parts that have every modality lose one. Knows no
network and no score.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from radar_edge.config import Config
from radar_edge.config.base import validate
from radar_edge.data.layouts import Sample
from radar_edge.errors import ConfigError, DatasetError
from radar_edge.evaluation.missing import RATES, kinds_of_loss
from radar_edge.files import write_json
from radar_edge.modality import Subset, check_modalities, subset_from_slug

SEEDS = (0, 1, 2)
Split = Literal["train", "test"]
WHERE: tuple[tuple[Split, ...], ...] = (("train",), ("test",), ("train", "test"))


class Case(Config):
    """One setting. `missing` is a modality, or `both` (`any` of more than two)."""

    rate: float = Field(gt=0, lt=1)
    missing: str
    splits: tuple[Split, ...] = Field(min_length=1)
    seed: int = Field(ge=0)

    @property
    def slug(self) -> str:
        return f"{self.missing}-{round(100 * self.rate)}-{'_'.join(self.splits)}-{self.seed}"


class Assignment(Config):
    """Who lost what: `left` has the key of every part that lost a modality, and the slug of what is left of it."""

    schema_version: Literal[1] = 1
    case: Case
    modalities: tuple[str, ...]
    left: dict[str, str]

    @model_validator(mode="after")
    def check_slugs(self) -> Assignment:
        names = check_modalities(self.modalities)
        whole = Subset(names).slug
        wrong = [key for key, slug in self.left.items() if slug == whole or not subset_from_slug(slug, names)]
        if wrong:
            raise ValueError(f"these parts lose nothing: {', '.join(wrong[:8])}")
        return self


def cases(modalities: Sequence[str], rates: Sequence[float] = RATES, seeds: Sequence[int] = SEEDS) -> Iterator[Case]:
    """Every rate, every kind of loss, in training, test or both, with every seed."""
    for splits in WHERE:
        for rate in rates:
            for missing, _ in kinds_of_loss(modalities):
                yield from (Case(rate=rate, missing=missing, splits=splits, seed=seed) for seed in seeds)


def assign(samples: Sequence[Sample], modalities: Sequence[str], case: Case) -> Assignment:
    """Round(rate x complete parts) of each split lose one modality. A higher rate of the same seed only adds parts.

    Follows from the parts' keys and the seed alone, not from their order. Raises DatasetError if the modalities cannot
    lose what the case says, or a split has no complete part.
    """
    names = check_modalities(modalities)
    kinds = dict(kinds_of_loss(names))
    if len(names) < 2 or case.missing not in kinds:
        raise DatasetError(
            "a part cannot lose this",
            found=case.missing,
            wanted=f"one of {', '.join(kinds)}, of two modalities or more",
        )
    left = {}
    for split in case.splits:
        keys = [s.key for s in samples if s.split == split and set(names) <= set(s.paths)]
        if not keys:
            raise DatasetError(
                f"{split} has no part with all of {', '.join(names)}", next_step="nothing can be lost there"
            )
        order = sorted(keys, key=lambda key: hashlib.sha256(f"{case.seed}/{key}".encode()).digest())
        for turn, key in enumerate(order[: round(case.rate * len(order))]):
            which = kinds[case.missing]
            left[key] = Subset(tuple(name for name in names if name != which[turn % len(which)])).slug
    return Assignment(case=case, modalities=names, left=left)


def lose(samples: Sequence[Sample], table: Assignment) -> tuple[Sample, ...]:
    """The parts without the images that they lost; masks stay, they are the truth.

    Raises DatasetError with every part of the table that is not among them or lacks what should be left of it.
    """
    paths = {sample.key: set(sample.paths) for sample in samples}
    wanted = {key: set(subset_from_slug(slug, table.modalities)) for key, slug in table.left.items()}
    faults = [f"{key} is not in the set" for key in wanted if key not in paths]
    faults += [
        f"{key} has no {', '.join(sorted(w - paths[key]))}" for key, w in wanted.items() if w - paths.get(key, w)
    ]
    if faults:
        raise DatasetError(
            f"the table {table.case.slug} is not of this data set", faults=faults, next_step="draw a table for it"
        )
    return tuple(
        replace(s, paths={name: path for name, path in s.paths.items() if name in wanted.get(s.key, s.paths)})
        for s in samples
    )


def write(table: Assignment, path: Path) -> None:
    write_json(path, table.model_dump(mode="json"))


def read(path: Path) -> Assignment:
    """Raises ConfigError with every fault."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}", found=str(error), wanted="a table of losses in JSON") from error
    return validate(Assignment, document, str(path))
