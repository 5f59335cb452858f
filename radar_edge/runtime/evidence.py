"""Images of parts that did not pass, in a folder of bounded size. Knows no verdict's meaning and no journal.

    <folder>/<run>/<part>/<modality>.png        as the camera gave them, lossless, so that they can be judged again

A thread of its own encodes and writes. Nothing waits for it: with a full queue or disk an image is not kept, and that
is counted.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from radar_edge.config import EvidenceConfig
from radar_edge.errors import StorageError
from radar_edge.preprocess import write_png
from radar_edge.records import Frame, Image
from radar_edge.runtime.crew import Crew

QUEUE = 8
"""Parts that wait to be written; 20 MB of a 1920 x 1200 and a 640 x 512 camera."""
CLOSE_S = 2.0
MB = 1_000_000


class Evidence:
    """The ring of one run. `offer` may be called from any thread and never blocks."""

    def __init__(self, config: EvidenceConfig, run: int) -> None:
        self._folder = config.folder
        self._keep = config.keep
        self._max_bytes = round(config.max_mb * MB)
        self._run = run
        self._queue: queue.Queue[tuple[int, dict[str, Image]]] = queue.Queue(QUEUE)
        self._sizes = {part: size_of(part) for part in parts_of(self._folder)}
        self.written = 0
        self.not_kept = 0
        self._crew = Crew()
        self._crew.start("evidence", self._write_loop)

    def offer(self, part: int, frames: Mapping[str, Frame], *, passed: bool) -> None:
        """Keep the frames of a part, if they are wanted and there is room in the queue."""
        if not frames or (passed and self._keep == "rejects"):
            return
        try:
            self._queue.put_nowait((part, {name: frame.image for name, frame in frames.items()}))
        except queue.Full:
            self.not_kept += 1

    def _write_loop(self) -> None:
        while not (self._crew.stopping.is_set() and self._queue.empty()):
            try:
                part, images = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            try:
                self._write(part, images)
            except (StorageError, OSError):  # a full disk costs evidence, never a verdict
                self.not_kept += 1

    def _write(self, part: int, images: Mapping[str, Image]) -> None:
        folder = self._folder / str(self._run) / str(part)
        for name, image in images.items():
            write_png(folder / f"{name}.png", image)
        self._sizes[folder] = size_of(folder)
        self.written += 1
        while sum(self._sizes.values()) > self._max_bytes and len(self._sizes) > 1:
            oldest = next(iter(self._sizes))
            shutil.rmtree(oldest, ignore_errors=True)
            del self._sizes[oldest]
            with contextlib.suppress(OSError):
                oldest.parent.rmdir()

    def close(self) -> None:
        """Write what is queued, as far as that takes no longer than CLOSE_S."""
        self._crew.stop(CLOSE_S)

    def __enter__(self) -> Evidence:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def parts_of(folder: Path) -> Iterator[Path]:
    """The folders of all parts, oldest first."""
    runs = sorted(numbered(folder), key=lambda run: int(run.name))
    return (part for run in runs for part in sorted(numbered(run), key=lambda part: int(part.name)))


def numbered(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.name.isdigit()] if folder.is_dir() else []


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
