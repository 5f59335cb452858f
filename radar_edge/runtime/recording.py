"""Training images from the line's own cameras: the same capture and pairing as an inspection. Knows no engine.

    <out>/<split>/<cls>/<modality>/<name>.png     as the cameras gave them
    <out>/samples.csv                             split, cls, name, group, lot, recorded_at

A part counts when every camera delivered. Nothing that is there is ever written over: names go on where they ended.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from radar_edge.clock import NS_PER_MS, Clock
from radar_edge.errors import CameraError, UsageError
from radar_edge.files import write_text
from radar_edge.preprocess import write_png
from radar_edge.records import Frame, Image
from radar_edge.runtime.capture.seam import CameraSet
from radar_edge.runtime.journal_file import wall_time
from radar_edge.runtime.pairing import Pairing, together

COLUMNS = ("split", "cls", "name", "group", "lot", "recorded_at")
POLL_S = 0.01
MOST_MISSED = 20
"""Parts in a row that not every camera delivered, then it ends: images of half the cameras are no training set."""
LAST_ID = 65535


@dataclass(frozen=True)
class Target:
    """Where a recording goes. `lot` names the batch of parts; each part is a group of its own."""

    out: Path
    split: str
    cls: str
    lot: str


class Sink(Protocol):
    """Where recorded parts go."""

    def add(self, frames: Mapping[str, Frame]) -> str:
        """Take the frames of a part; its name."""


class Kept:
    """Parts kept in memory: a few, to look at."""

    def __init__(self) -> None:
        self.images: list[dict[str, Image]] = []

    def add(self, frames: Mapping[str, Frame]) -> str:
        self.images.append({name: frame.image for name, frame in frames.items()})
        return str(len(self.images))


class Folder:
    """The image folder that grows. Raises UsageError if its samples.csv has other columns."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._table = target.out / "samples.csv"
        self._rows = self._read()
        taken = [row[2] for row in self._rows if row[2].isdigit()]
        self._next = max(map(int, taken), default=0) + 1

    def _read(self) -> list[list[str]]:
        if not self._table.exists():
            return []
        with self._table.open(newline="", encoding="utf-8") as stream:
            header, *rows = list(csv.reader(stream)) or [[]]
        if tuple(header) != COLUMNS:
            raise UsageError(
                f"{self._table} was not made by a recording",
                found=", ".join(header) or "an empty file",
                wanted=", ".join(COLUMNS),
                next_step="record into another folder",
            )
        return rows

    def add(self, frames: Mapping[str, Frame]) -> str:
        """Write the images of a part, then its row: a row without images is never there. Its name."""
        name = f"{self._next:06d}"
        self._next += 1
        target = self._target
        for modality, frame in frames.items():
            write_png(target.out / target.split / target.cls / modality / f"{name}.png", frame.image)
        self._rows.append([target.split, target.cls, name, name, target.lot, wall_time()])
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *self._rows])
        write_text(self._table, text.getvalue())
        return name


@dataclass(frozen=True)
class Timing:
    """`every_ns` from part to part; frames of a part come within `wait_ns`, grabbed within `skew_ns` of each other."""

    every_ns: int
    wait_ns: int
    skew_ns: int


def record(
    cameras: CameraSet,
    modalities: tuple[str, ...],
    sink: Sink,
    count: int,
    timing: Timing,
    clock: Clock,
    told: Callable[[int, int, str], None] = lambda *_: None,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[int, int]:
    """(parts written, parts missed). `told` hears of each: written, missed, the name or what was missing.

    Raises CameraError when MOST_MISSED parts in a row were missed.
    """
    pairing = Pairing(timing.wait_ns)
    written = missed = in_row = trigger_id = 0
    due_ns = clock.now_ns()
    while written < count and not stopping():
        if clock.now_ns() < due_ns:
            cameras.receive(POLL_S)
            cameras.supervise(clock.now_ns())
            continue
        due_ns = max(due_ns + timing.every_ns, clock.now_ns())
        trigger_id = trigger_id % LAST_ID + 1
        frames = together(one_part(cameras, pairing, trigger_id, modalities, clock), timing.skew_ns)
        absent = [name for name in modalities if name not in frames]
        if absent:
            missed, in_row = missed + 1, in_row + 1
            told(written, missed, f"no frame of {', '.join(absent)}")
            if in_row >= MOST_MISSED:
                raise CameraError(
                    f"{in_row} parts in a row without a frame of {', '.join(absent)}",
                    next_step="look at the camera; what was recorded is kept",
                )
            continue
        in_row = 0
        name = sink.add(frames)
        written += 1
        told(written, missed, name)
    return written, missed


def one_part(
    cameras: CameraSet, pairing: Pairing, trigger_id: int, modalities: tuple[str, ...], clock: Clock
) -> dict[str, Frame]:
    pairing.open(trigger_id, clock.now_ns())
    cameras.trigger(trigger_id)
    while not pairing.complete(trigger_id, modalities, clock.now_ns()):
        for item in cameras.receive(POLL_S):
            if isinstance(item, Frame):
                pairing.add(item)
        cameras.supervise(clock.now_ns())
    return pairing.take(trigger_id)


def timing_of(every_ms: float, pair_wait_ms: float, max_skew_ms: float) -> Timing:
    return Timing(*(round(ms * NS_PER_MS) for ms in (every_ms, pair_wait_ms, max_skew_ms)))
