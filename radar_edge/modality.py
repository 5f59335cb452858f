"""Modalities and Subsets of them. Knows names and order, nothing of pixels.

A modality is a named view of the part (`rgb`, `tir`, ...). A Subset is a non-empty set of them
in the model's order, with one slug everywhere: `rgb`, `tir`, `rgb_tir`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from radar_edge.errors import UsageError

# No underscore: it separates the names in a slug.
_NAME = re.compile(r"[a-z][a-z0-9]*\Z")


def check_modalities(names: Iterable[str]) -> tuple[str, ...]:
    """The names as a tuple. Raises UsageError on an empty list, a bad name or a repeated one."""
    modalities = tuple(names)
    bad = [name for name in modalities if not _NAME.match(name)]
    if not modalities or bad or len(set(modalities)) != len(modalities):
        raise UsageError(
            "the modalities' names cannot be used",
            found=", ".join(modalities) or "none",
            wanted="one or more different names of lower-case letters and digits, starting with a letter",
        )
    return modalities


@dataclass(frozen=True, slots=True)
class Subset:
    """A non-empty set of modalities, in the model's order."""

    modalities: tuple[str, ...]

    def __post_init__(self) -> None:
        check_modalities(self.modalities)

    @property
    def slug(self) -> str:
        return "_".join(self.modalities)

    def mask(self, modalities: Iterable[str]) -> tuple[bool, ...]:
        """Presence of each of the model's `modalities` in this Subset."""
        return tuple(name in self.modalities for name in modalities)

    def bits(self, modalities: Iterable[str]) -> int:
        """Presence as an integer, bit 0 = the model's first modality (register 5 of the PLC map)."""
        return sum(present << i for i, present in enumerate(self.mask(modalities)))

    def __contains__(self, name: object) -> bool:
        return name in self.modalities

    def __iter__(self) -> Iterator[str]:
        return iter(self.modalities)

    def __len__(self) -> int:
        return len(self.modalities)

    def __str__(self) -> str:
        return self.slug


def subset_of(present: Iterable[str], modalities: Iterable[str]) -> Subset | None:
    """The Subset of those of `modalities` that are `present`, in order; None if none is."""
    names = set(present)
    chosen = tuple(name for name in modalities if name in names)
    return Subset(chosen) if chosen else None


def subset_from_slug(slug: str, modalities: Iterable[str]) -> Subset:
    """Read a slug. Raises UsageError unless it is the slug of a Subset of `modalities`."""
    known = tuple(modalities)
    subset = subset_of(slug.split("_"), known)
    if subset is None or subset.slug != slug:
        wanted = ", ".join(s.slug for s in all_subsets(known))
        raise UsageError("this is not a subset of the model's modalities", found=slug, wanted=wanted)
    return subset


def all_subsets(modalities: Iterable[str]) -> tuple[Subset, ...]:
    """Every non-empty Subset, small ones first, each in the model's order."""
    names = check_modalities(modalities)
    return tuple(Subset(c) for size in range(1, len(names) + 1) for c in combinations(names, size))
