"""What a line is made of, as one value. Knows what each part is for, and none of their insides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from radar_edge.clock import Clock
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.runtime.capture.seam import CameraSet
from radar_edge.runtime.evidence import Evidence
from radar_edge.runtime.feed import Feed
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import PlcLink, Trigger
from radar_edge.runtime.watchdog import Watchdog
from radar_edge.scoring import Calibration


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
    preprocess: Preprocess
    calibrations: Mapping[Subset, Calibration]
    """Of every Subset that may judge."""
    open_engines: Callable[[ExitStack], Mapping[Subset, Runner]]
    """Called once by the thread that will use the engines; they are closed with the stack."""
    watchdog: Watchdog
    """Told of every round of the inspection, once the engines are warm."""
    evidence: Evidence | None = None
    """Keeps frames of parts; none where no frame is kept."""
    feed: Feed | None = None
    """Shows the line to people; none where nobody looks."""
