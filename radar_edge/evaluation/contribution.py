"""Does the fusion listen to the modality that shows the defect? Knows attention weights and masks, no network.

Asked only where the answer is known: of defects that one modality alone shows. There its mean weight inside the
defect's mask should be the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import beta

from radar_edge.data.dataset import load_mask
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.metrics import CONFIDENCE, Interval
from radar_edge.modality import Subset


def detected_alone(parts: Sequence[Judged], threshold: float) -> list[Judged]:
    """The defective parts above the threshold whose defect one modality alone shows, as samples.csv says."""
    return [p for p in parts if not p.sample.is_good and shown_by(p) is not None and p.score > threshold]


def shown_by(part: Judged) -> str | None:
    """The one modality that shows the defect; None where it is not known or there are several."""
    visible = part.sample.visible_in
    return visible.modalities[0] if visible is not None and len(visible) == 1 else None


def contribution_of(subset: Subset, parts: Sequence[Judged]) -> dict[str, Any]:
    """`{modality or "all": {defects, largest, share, share_ci}}`: in how many `largest` holds.

    `parts`: judged by the engine of `subset`, each shown by one modality of it. Those without a mask do not count; a
    modality without any counted defect has no entry, and `all` is absent without one at all.
    """
    flags: dict[str, list[bool]] = {}
    for part in parts:
        name, weights = shown_by(part), part.contribution
        if name is None or name not in subset or weights is None:
            continue
        mask = load_mask(part.sample, (name,), *weights.shape[1:])
        if mask.any():
            means = dict(zip(subset, weights[:, mask].mean(axis=1), strict=True))
            flags.setdefault(name, []).append(all(means[name] > means[other] for other in subset if other != name))
    every = [flag for found in flags.values() for flag in found]
    return {name: share_of(found) for name, found in [*sorted(flags.items()), ("all", every)] if found}


def share_of(flags: Sequence[bool]) -> dict[str, Any]:
    count, of = sum(flags), len(flags)
    return {"defects": of, "largest": count, "share": count / of, "share_ci": exact_interval(count, of)}


def exact_interval(count: int, of: int) -> Interval:
    """95 % interval of a share of independent parts (Clopper and Pearson, Biometrika 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, of - count + 1))
    high = 1.0 if count == of else float(beta.ppf(1 - tail, count + 1, of - count))
    return low, high
