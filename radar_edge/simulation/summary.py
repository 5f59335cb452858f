"""What a scripted line run amounts to: counts, escapes by phase, which engine judged. Pure.

The truth is the PLC's: `rows` are what the simulated PLC saw and did with each part. A defect that the PLC let pass
is an escape; a good part that it rejected is a false reject.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from radar_edge.modality import Subset, all_subsets

PHASES = ("before", "during", "after")


@dataclass(frozen=True)
class Part:
    """What one part really is. `visible_in` is a slug, or empty where it is not known; None for a good part."""

    cls: str
    visible_in: str | None


@dataclass
class Tally:
    """Counts of one phase of the run."""

    parts: int = 0
    good: int = 0
    false_rejects: int = 0
    defects: Counter[str] = field(default_factory=Counter)
    escapes: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        counted = {name: dict(getattr(self, name)) for name in ("defects", "escapes", "engines")}
        return {"parts": self.parts, "good": self.good, "false_rejects": self.false_rejects, **counted}


def phase_of(announced_ns: int, pulled_ns: int, restored_ns: int) -> str:
    if not pulled_ns or announced_ns < pulled_ns:
        return "before"
    return "during" if not restored_ns or announced_ns < restored_ns else "after"


def tally(
    rows: Sequence[Mapping[str, Any]],
    truth: Mapping[int, Part],
    modalities: Sequence[str],
    pulled_ns: int,
    restored_ns: int,
) -> dict[str, Tally]:
    """Counts by phase. `truth` by trigger id; a row without a verdict was rejected by the PLC."""
    slugs = {subset.bits(modalities): subset.slug for subset in all_subsets(modalities)}
    phases = {name: Tally() for name in PHASES}
    for row in rows:
        part = truth[row["trigger_id"]]
        counts = phases[phase_of(row["announced_ns"], pulled_ns, restored_ns)]
        counts.parts += 1
        counts.engines[slugs.get(row["subset_bits"] or 0, "none")] += 1
        if part.visible_in is None:
            counts.good += 1
            counts.false_rejects += not row["accepted"]
        else:
            counts.defects[part.visible_in] += 1
            counts.escapes[part.visible_in] += bool(row["accepted"])
    return phases


def bits(name: str, modalities: Sequence[str]) -> int:
    """Register 5 of the engine that is left when modality `name` is gone."""
    left = tuple(m for m in modalities if m != name)
    return Subset(left).bits(modalities) if left else 0
