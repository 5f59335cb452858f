"""A camera made of image files: trigger n shows file (n - 1) mod the number of files. Knows no process.

Between triggers the file of the next part is in view, or the one before it while that is still being
decoded or cannot be: a bad file is one bad frame, at its own trigger.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from radar_edge.config import ReplayCamera
from radar_edge.errors import ConfigError, DatasetError
from radar_edge.preprocess import read_image
from radar_edge.records import Image
from radar_edge.runtime.capture.backend import Backend

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


class Replay(Backend):
    repeats = True

    def __init__(self, camera: ReplayCamera) -> None:
        self._files = files_of(camera)
        self._decoder = ThreadPoolExecutor(1)
        self._cache: dict[int, Future[Image | None]] = {}
        self._ahead = 0
        self._in_view = self._decoded(0).result()

    @classmethod
    def check(cls, camera: ReplayCamera) -> None:
        files_of(camera)

    def grab(self, trigger_id: int) -> Image | None:
        if trigger_id:
            return self._show((trigger_id - 1) % len(self._files))
        ahead = self._decoded(self._ahead)
        if ahead.done():
            self._in_view = _first(ahead.result(), self._in_view)
        return self._in_view

    def _show(self, index: int) -> Image | None:
        image = self._decoded(index).result()
        self._in_view = _first(image, self._in_view)
        self._ahead = (index + 1) % len(self._files)
        self._cache = {i: future for i, future in self._cache.items() if i in (index, self._ahead)}
        self._decoded(self._ahead)
        return image

    def _decoded(self, index: int) -> Future[Image | None]:
        """The image of a file to come, None if it cannot be read: decoding a large one lasts several periods."""
        if index not in self._cache:
            self._cache[index] = self._decoder.submit(_read, self._files[index])
        return self._cache[index]


def files_of(camera: ReplayCamera) -> tuple[Path, ...]:
    """The camera's files in order of their triggers. Raises ConfigError if there is none or one does not exist."""
    if camera.files is not None:
        files = camera.files
    elif camera.folder is not None and camera.folder.is_dir():
        files = tuple(sorted(path for path in camera.folder.iterdir() if path.suffix.lower() in SUFFIXES))
    else:
        raise ConfigError(f"camera {camera.camera_id}: there is no folder {camera.folder}")
    missing = [str(path) for path in files if not path.is_file()]
    if missing or not files:
        raise ConfigError(
            f"camera {camera.camera_id} has {'files that do not exist' if missing else 'no files'} to replay",
            faults=missing[:10],
            wanted=f"image files ({', '.join(SUFFIXES)})",
        )
    return files


def _first(image: Image | None, other: Image | None) -> Image | None:
    return other if image is None else image


def _read(path: Path) -> Image | None:
    try:
        return read_image(path)
    except DatasetError:
        return None
