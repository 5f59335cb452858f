"""What a line is made of, as one value. Knows what each part is for, and none of their insides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from radar_edge.clock import Clock
from radar_edge.runtime.capture.seam import CameraSet
from radar_edge.runtime.evidence import Evidence
from radar_edge.runtime.feed import Feed
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import PlcLink, Trigger
from radar_edge.runtime.products import Product
from radar_edge.runtime.watchdog import Watchdog


@dataclass(frozen=True)
class LineParts:
    """What a line is made of. The line uses them and closes none but the engines, which it also opens."""

    link: PlcLink
    wait_trigger: Callable[[float], Trigger | None]
    """The link's own, or another source of triggers; None after so many seconds without one."""
    cameras: CameraSet
    journal: Journal
    clock: Clock
    modalities: tuple[str, ...]
    """The model's, in its order."""
    products: Mapping[int, Product]
    """By the PLC's number for it; of a line with one bundle products.OWN alone. Their cameras are the same."""
    watchdog: Watchdog
    """Told of every round of the inspection, once the engines are warm."""
    evidence: Evidence | None = None
    """Keeps frames of parts; none where no frame is kept."""
    feed: Feed | None = None
    """Shows the line to people; none where nobody looks."""
