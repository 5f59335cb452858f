"""The values that travel along the line: Frame, HealthReport, Verdict. No behaviour, no I/O.

Stamps are monotonic nanoseconds taken at the grab; trigger ids are the PLC's (1..65535, 0 = none).
The integers of Code, Reason and Ne107 are on the wire (register map 1): never renumber them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

import numpy as np
import numpy.typing as npt

from radar_edge.modality import Subset

Image = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""[H, W] or [H, W, C] (colour in RGB order), as the camera gave it."""


class Code(IntEnum):
    """The verdict as the PLC reads it (register 3). Only PASS ever lets a part through."""

    NONE = 0
    PASS = 1
    REJECT = 2
    NO_DECISION = 3


class Reason(IntEnum):
    """Why (register 4). 0-9 belong to a judged part, 10 and up to NO_DECISION."""

    NONE = 0
    GOOD = 1
    ANOMALY = 2
    REVIEW = 3
    DEGRADED = 4
    DEADLINE = 10
    NO_FRAME = 11
    NO_ENGINE = 12
    ENGINE_FAULT = 13
    JOURNAL = 14
    RESTART = 15
    STOPPED = 16
    BUSY = 17
    CHANGEOVER = 18


class HealthState(str, Enum):
    OK = "ok"
    SUSPECT = "suspect"
    FAILED = "failed"
    RECOVERING = "recovering"


class Ne107(IntEnum):
    """NAMUR NE 107 class, four bits a camera in registers 8 and 9. 0 is never sent for a fitted camera."""

    NOT_FITTED = 0
    GOOD = 1
    FUNCTION_CHECK = 2
    OUT_OF_SPEC = 3
    MAINTENANCE = 4
    FAILURE = 5


class Cause(str, Enum):
    """What is wrong with a camera; NONE while it is well."""

    NONE = "none"
    STARTING = "starting"
    LATE = "late"
    DEAD = "dead"
    FROZEN = "frozen"
    BLACK = "black"
    SATURATED = "saturated"
    CORRUPT = "corrupt"
    OUT_OF_RANGE = "out_of_range"
    CALIBRATING = "calibrating"
    WRONG_KIND = "wrong_kind"
    CLOCK_JUMP = "clock_jump"
    RATE_LOW = "rate_low"
    FOULED = "fouled"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of one part by one camera."""

    modality: str
    image: Image
    camera_id: str
    frame_id: int
    stamp_ns: int
    trigger_id: int


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The state of one camera. `usable` says whether its frames may be judged."""

    camera_id: str
    modality: str
    state: HealthState
    cause: Cause
    ne107: Ne107
    since_ns: int

    @property
    def usable(self) -> bool:
        return self.state in (HealthState.OK, HealthState.SUSPECT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one answer to one trigger. `score` and `threshold` are those of the engine that judged."""

    trigger_id: int
    code: Code
    reason: Reason
    subset: Subset | None = None
    degraded: bool = False
    score: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    contributions: Mapping[str, float] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)
