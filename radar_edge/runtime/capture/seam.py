"""The capture seam: what the pipeline sees of all cameras. Knows no driver, no process and no health rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType

from radar_edge.records import Frame


@dataclass(frozen=True, slots=True)
class FrameKind:
    """Height and width in px, samples a pixel, bits a sample."""

    height: int
    width: int
    channels: int
    bit_depth: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One frame period of one camera, also when the frame itself was not asked for.

    `content_hash` is of the pixels, None from a source that repeats itself by nature (replayed files), where
    equal pixels say nothing; `mean`, `clipped` (share of pixels at full scale), `low` and `high` (1 % and 99 %
    quantile) are of a subsample, as fractions of full scale; `ok` is the driver's own status, `shutter` its word that
    a thermal camera looks at its shutter. `sharpness`, now and then, is of a quarter of the resolution.
    `device_ns` is the camera's own clock, where it has one.
    """

    camera_id: str
    frame_id: int
    stamp_ns: int
    content_hash: int | None
    mean: float
    clipped: float
    ok: bool
    low: float = 0.0
    high: float = 1.0
    kind: FrameKind | None = None
    sharpness: float | None = None
    device_ns: int | None = None
    shutter: bool = False


class CameraSet(ABC):
    """All cameras of the line. Called from one thread, except `trigger`; nothing blocks longer than asked."""

    @abstractmethod
    def trigger(self, trigger_id: int) -> None:
        """Ask every living camera for its next frame, to be tagged with `trigger_id`. Never blocks."""

    @abstractmethod
    def receive(self, timeout_s: float) -> list[Heartbeat | Frame]:
        """Everything that arrived, in order of arrival; waits up to `timeout_s` for the first. A frame follows
        its heartbeat; its pixels are the caller's own copy and were whole (checksum) when copied."""

    @abstractmethod
    def supervise(self, now_ns: int) -> None:
        """Restart children that died or are stuck, with capped back-off. Never blocks."""

    @property
    @abstractmethod
    def restarts(self) -> dict[str, int]:
        """How often each camera's child was restarted."""

    @property
    @abstractmethod
    def pids(self) -> dict[str, int]:
        """Process ids of the cameras that have a process now."""

    @abstractmethod
    def close(self) -> None:
        """Kill the children and free the shared memory. May be called twice."""

    def __enter__(self) -> CameraSet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
