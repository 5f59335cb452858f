"""One figure of a benchmark: a method, a case of losses and a seed, from verdicts that are known. Knows no detector.

Scoring every part with every subset once makes each case of test-time losses a choice among known scores. All parts
are ranked together against "anomalous at all", whatever they lost (MIIAD's protocol). A cell is kept as JSON; its
bootstrap draws are kept too, so that seeds can be averaged and methods compared draw by draw.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from radar_edge import files
from radar_edge.benchmark.protocol import Assignment, Split
from radar_edge.benchmark.scored import SHORT, Cost, Scored, Task, Verdicts, sources
from radar_edge.config import Config, validate
from radar_edge.data import dataset
from radar_edge.data.dataset import load_mask
from radar_edge.data.layouts import Sample
from radar_edge.errors import ConfigError, RunError
from radar_edge.evaluation import metrics, overlap
from radar_edge.evaluation.measure import MASK_SIDE
from radar_edge.evaluation.metrics import Figure, Flags, auroc_figure, once, resampled
from radar_edge.evaluation.overlap import aupro_figure, overlap_table
from radar_edge.modality import Subset, all_subsets, subset_from_slug

NOTHING = "none"
"""What is missing where every part keeps all that `subset` names."""
FIGURES = ("image_auroc", "aupro_030")
PRO_LIMIT = 0.30
DIGITS = 5
"""Of a kept bootstrap draw."""

CODE = [Path(module.__file__ or "") for module in (metrics, overlap, dataset)] + [Path(__file__)]
"""What a figure follows from, beside scores, maps and truth."""

Draws = tuple[float | None, ...]


@dataclass(frozen=True)
class Setting:
    """What a cell asks: every part seen by `subset`, or after the losses of `table`."""

    subset: Subset
    table: Assignment | None = None

    @property
    def missing(self) -> str:
        return NOTHING if self.table is None else self.table.case.missing

    @property
    def rate(self) -> float:
        return 0.0 if self.table is None else self.table.case.rate

    @property
    def splits(self) -> tuple[Split, ...]:
        return () if self.table is None else self.table.case.splits

    @property
    def slug(self) -> str:
        """Without the seed."""
        if self.table is None:
            return f"{NOTHING}-{self.subset.slug}"
        return self.table.case.slug.rpartition("-")[0]

    def left(self, key: str) -> Subset:
        """What is left of a part."""
        slug = None if self.table is None else self.table.left.get(key)
        return self.subset if slug is None else subset_from_slug(slug, self.subset.modalities)


class Cell(Config):
    """Figures of one method in one setting with one seed, and what the method's verdicts cost, by job."""

    schema_version: Literal[1] = 1
    digest: str
    method: str
    setting: str
    subset: str
    missing: str
    rate: float
    splits: tuple[Split, ...]
    seed: int
    parts: int
    defects: int
    groups: int
    image_auroc: float | None
    aupro_030: float | None
    drawn: dict[str, Draws] = Field(description="figure -> its value in each draw of groups")
    costs: dict[str, Cost]


@dataclass(frozen=True)
class Tested:
    """The complete test parts, and their masks, read once."""

    parts: tuple[Sample, ...]
    modalities: tuple[str, ...]

    @cached_property
    def bad(self) -> Flags:
        return np.array([not part.is_good for part in self.parts], bool)

    @cached_property
    def groups(self) -> list[str]:
        return [part.group for part in self.parts]

    @cached_property
    def truth(self) -> list[list[str]]:
        """What figures depend on beside scores and maps: each part's key, group and masks."""
        return [[p.key, p.group, *(files.sha256_file(path) for path in masks_of(p))] for p in self.parts]

    @cached_property
    def marked(self) -> npt.NDArray[np.intp]:
        """Places of the parts that are good or have a mask; none if no mask marks anything."""
        places = [i for i, part in enumerate(self.parts) if part.is_good or i in self._masks]
        return np.array(places if any(mask.any() for mask in self._masks.values()) else [], np.intp)

    @cached_property
    def _masks(self) -> dict[int, Flags]:
        masked = [i for i, part in enumerate(self.parts) if masks_of(part)]
        return {i: load_mask(self.parts[i], self.modalities, MASK_SIDE, MASK_SIDE) for i in masked}

    @cached_property
    def masks(self) -> list[Flags]:
        """Of the marked places."""
        nothing = np.zeros((MASK_SIDE, MASK_SIDE), bool)
        return [self._masks.get(int(i), nothing) for i in self.marked]


def masks_of(part: Sample) -> list[Path]:
    return [path for path in (part.mask, *(part.masks[name] for name in sorted(part.masks))) if path is not None]


def complete_settings(modalities: Sequence[str]) -> Iterator[Setting]:
    """Every part seen by all modalities, and by each smaller set of them alone."""
    yield from (Setting(subset) for subset in reversed(all_subsets(modalities)))


def cell_path(work: Path, method: str, setting: Setting, seed: int, digest: str) -> Path:
    return work / "cells" / f"{method}-{setting.slug}-{seed}-{digest[:SHORT]}.json"


def cell_digest(method: str, setting: Setting, task: Task, tested: Tested, verdicts: str) -> str:
    """Of all that a cell depends on; `verdicts` is that of the method's verdicts."""
    table = None if setting.table is None else setting.table.model_dump(mode="json")
    asked = [method, setting.subset.slug, table, task.condition, task.seed]
    return files.sha256_json([sources(*CODE), asked, verdicts, tested.truth])


def measure(method: str, setting: Setting, task: Task, tested: Tested, verdicts: Verdicts, digest: str) -> Cell:
    """The figures of a setting. AUPRO is null for a method without maps, and for parts without masks."""
    scores, maps = chosen(setting, tested, verdicts.by_subset)
    figures: dict[str, tuple[Figure, npt.NDArray[np.intp]]] = {
        "image_auroc": (auroc_figure(scores, tested.bad), np.arange(len(tested.parts)))
    }
    if maps is not None and len(tested.marked):
        table = overlap_table([maps[i] for i in tested.marked], tested.masks)
        figures["aupro_030"] = (aupro_figure(table, PRO_LIMIT), tested.marked)
    values = {name: once(figure, len(places)) for name, (figure, places) in figures.items()}
    drawn = {
        name: kept(resampled(figure, [tested.groups[i] for i in places])) for name, (figure, places) in figures.items()
    }
    return Cell(
        digest=digest,
        method=method,
        setting=setting.slug,
        subset=setting.subset.slug,
        missing=setting.missing,
        rate=setting.rate,
        splits=setting.splits,
        seed=task.seed,
        parts=len(tested.parts),
        defects=int(tested.bad.sum()),
        groups=len(set(tested.groups)),
        image_auroc=values["image_auroc"],
        aupro_030=values.get("aupro_030"),
        drawn=drawn,
        costs=dict(verdicts.costs),
    )


def chosen(
    setting: Setting, tested: Tested, by_subset: Mapping[Subset, Scored]
) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.float32]] | None]:
    """Score and map of each tested part, by what is left of it."""
    keys = [part.key for part in tested.parts]
    ordered = {subset: one.of(keys) for subset, one in by_subset.items()}
    seen = [ordered[setting.left(key)] for key in keys]
    maps = [one.maps[i] for i, one in enumerate(seen) if one.maps is not None]
    return np.array([one.scores[i] for i, one in enumerate(seen)]), maps if len(maps) == len(keys) else None


def kept(values: npt.NDArray[np.float64]) -> Draws:
    return tuple(None if np.isnan(value) else round(float(value), DIGITS) for value in values)


def read_cell(path: Path, digest: str) -> Cell | None:
    """None where there is none. Raises RunError if the file is not the cell that its name says."""
    if not path.is_file():
        return None
    try:
        cell = validate(Cell, json.loads(path.read_text(encoding="utf-8")), str(path))
        fault = None if cell.digest == digest else "the digest of another cell"
    except (OSError, ValueError, ConfigError) as error:
        fault = "; ".join(error.faults) if isinstance(error, ConfigError) else str(error)
    if fault is not None:
        raise RunError(f"{path} is damaged", found=fault, next_step="remove it: it is measured again, only this one")
    return cell


def write_cell(path: Path, cell: Cell) -> None:
    files.write_text(path, cell.model_dump_json() + "\n")
