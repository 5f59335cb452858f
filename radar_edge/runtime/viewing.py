"""A line's cameras looked at while they are set up: the runtime's own capture, numbers of each picture. No terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import Camera
from radar_edge.records import Frame, Image
from radar_edge.runtime.capture.seam import Heartbeat
from radar_edge.runtime.capture.supervisor import CameraProcesses
from radar_edge.runtime.picture_numbers import PictureNumbers, hints_of, numbers_of

LOOK_NS = 200 * NS_PER_MS
"""Each camera is asked for a picture so often."""
POLL_S = 0.02
RATE_BEATS = 50
LAST_ID = 65535


@dataclass
class View:
    """What one camera has shown."""

    camera: Camera
    frames: int = 0
    dropped: int = 0
    restarts: int = 0
    best_focus: float = 0.0
    numbers: PictureNumbers | None = None
    image: Image | None = None
    stamps_ns: deque[int] = field(default_factory=lambda: deque(maxlen=RATE_BEATS))

    @property
    def rate_hz(self) -> float | None:
        """Over the last frames; None before the second one."""
        if len(self.stamps_ns) < 2 or self.stamps_ns[-1] == self.stamps_ns[0]:
            return None
        return (len(self.stamps_ns) - 1) * NS_PER_S / (self.stamps_ns[-1] - self.stamps_ns[0])

    @property
    def hints(self) -> list[str]:
        if self.numbers is None:
            return ["no picture: look at the cable, the driver, and whether a running line has the camera"]
        slow = self.rate_hz is not None and self.rate_hz < 0.9 * self.camera.fps
        late = [f"slower than its {self.camera.fps:g} Hz"] if slow else []
        return [*hints_of(self.numbers, self.best_focus), *late]

    def show(self, image: Image) -> None:
        self.frames += 1
        self.image = image
        self.numbers = numbers_of(image)
        self.best_focus = max(self.best_focus, self.numbers.focus)


def look(
    cameras: CameraProcesses,
    configs: Sequence[Camera],
    frames: int | None,
    patience_s: float,
    clock: Clock,
    stopping: Callable[[], bool],
) -> Iterator[dict[str, View]]:
    """The views after each round of pictures, by camera id, until every camera gave `frames`.

    It ends without them once none has given one for `patience_s`, and when `stopping` says so.
    """
    views = {camera.camera_id: View(camera) for camera in configs}
    ask_ns = alive_ns = clock.now_ns()
    trigger_id = 0
    while not stopping():
        now_ns = clock.now_ns()
        if now_ns >= ask_ns:
            ask_ns = now_ns + LOOK_NS
            trigger_id = trigger_id % LAST_ID + 1
            cameras.trigger(trigger_id)
            yield views
        if take(views, cameras):
            alive_ns = clock.now_ns()
        done = frames is not None and all(view.frames >= frames for view in views.values())
        if done or clock.now_ns() - alive_ns > patience_s * NS_PER_S:
            break
        cameras.supervise(clock.now_ns())
    yield views


def take(views: dict[str, View], cameras: CameraProcesses) -> bool:
    """Put what arrived into the views; whether a picture did."""
    arrived = cameras.receive(POLL_S)
    for item in arrived:
        view = views[item.camera_id]
        if isinstance(item, Frame):
            view.show(item.image)
        elif isinstance(item, Heartbeat):
            view.stamps_ns.append(item.stamp_ns)
    for camera_id, counters in cameras.counters.items():
        views[camera_id].dropped = counters.dropped_frames + counters.corrupt_frames
        views[camera_id].restarts = counters.restarts
    return any(isinstance(item, Frame) for item in arrived)
