"""Which engine judges a part, and what the policy says of it. Pure; knows no camera, engine or wire.

delivered and usable  -> the largest allowed Subset within them -> judged
less than the best allowed Subset = degraded -> may_pass: judged, with the degraded bit, up to
                                                          max_degraded_parts in a row, then as stop
                                                reject_all: judged for the journal, REJECT whatever it says
                                                stop: not judged, NO_DECISION
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from radar_edge.config import RoutingConfig
from radar_edge.errors import ConfigError
from radar_edge.modality import Subset
from radar_edge.records import Code, HealthReport, Reason


@dataclass(frozen=True, slots=True)
class Route:
    """The engine to run (None: none) and the verdict that is settled already (None: the engine's own)."""

    subset: Subset | None
    degraded: bool
    code: Code | None = None
    reason: Reason | None = None


class DegradedRun:
    """How many parts in a row were degraded. A run ends with `full_parts` complete ones."""

    def __init__(self, policy: RoutingConfig) -> None:
        self._policy = policy
        self._degraded = self._full = 0

    @property
    def over(self) -> bool:
        """Whether the policy lets no more degraded part be judged."""
        most = self._policy.max_degraded_parts
        return most is not None and self._degraded >= most

    def take(self, way: Route) -> Route:
        """Count a part, and settle it as NO_DECISION where the run is over."""
        if not way.degraded:
            self._full += 1
            if self._full >= self._policy.full_parts:
                self._degraded = 0
            return way
        stopped = self.over
        self._full = 0
        self._degraded += 1
        if stopped and way.subset is not None:
            return Route(None, degraded=True, code=Code.NO_DECISION, reason=Reason.STOPPED)
        return way


def allowed_subsets(policy: RoutingConfig, subsets: Sequence[Subset]) -> tuple[Subset, ...]:
    """The bundle's `subsets` that the policy lets judge. Raises ConfigError if it names one that is not there."""
    if policy.subsets is None:
        return tuple(subsets)
    slugs = [subset.slug for subset in subsets]
    unknown = [slug for slug in policy.subsets if slug not in slugs]
    if unknown or not policy.subsets:
        raise ConfigError(
            "routing.subsets must name engines of the bundle",
            found=", ".join(unknown) or "an empty list",
            wanted=", ".join(slugs),
        )
    return tuple(subset for subset in subsets if subset.slug in policy.subsets)


def best_subset(present: Iterable[str], allowed: Iterable[Subset], modalities: Sequence[str]) -> Subset | None:
    """The largest allowed Subset within `present`; of equal ones that with the model's earlier modalities."""
    names = set(present)
    within = [subset for subset in allowed if names.issuperset(subset)]
    return max(within, key=lambda subset: (len(subset), subset.mask(modalities)), default=None)


def route(
    delivered: Iterable[str],
    health: Mapping[str, HealthReport],
    policy: RoutingConfig,
    subsets: Sequence[Subset],
    modalities: Sequence[str],
) -> Route:
    """Where a part goes whose frames of the `delivered` modalities arrived.

    `health` by modality; a frame of a camera that is not usable, or has no report, is not judged.
    `subsets` are those with an engine, `modalities` the model's in its order. Degraded means that a
    better allowed engine exists than the one that can judge. Raises ConfigError like allowed_subsets.
    """
    allowed = allowed_subsets(policy, subsets)
    present = [name for name in delivered if name in health and health[name].usable]
    subset = best_subset(present, allowed, modalities)
    if subset is None:
        reason = Reason.NO_ENGINE if present else Reason.NO_FRAME
        return Route(None, degraded=True, code=Code.NO_DECISION, reason=reason)
    if subset == best_subset(modalities, allowed, modalities):
        return Route(subset, degraded=False)
    if policy.degraded == "stop":
        return Route(None, degraded=True, code=Code.NO_DECISION, reason=Reason.STOPPED)
    if policy.degraded == "reject_all":
        return Route(subset, degraded=True, code=Code.REJECT, reason=Reason.DEGRADED)
    return Route(subset, degraded=True)
