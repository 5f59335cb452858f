"""Results of the stages by the digest of what went into them, so that a second build does only what changed.

    <work>/<stage>-<16 digits of the inputs' digest>-<16 of the result's>.<ending>

Knows bytes, nothing of graphs. A file that is not what its name says is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from radar_edge import files

DIGITS = 16


class StageCache:
    """Not thread-safe. `made` and `reused` name the stages in the order in which they were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        self.reused: list[str] = []
        self._held: dict[str, bytes] = {}

    def get(self, stage: str, ending: str, inputs: Mapping[str, object], make: Callable[[], bytes]) -> bytes:
        """What `make` gives for these `inputs` (JSON values: digests, versions, options). `stage` is a file name."""
        key = files.sha256_json({"stage": stage, **inputs})[:DIGITS]
        if key not in self._held:
            self._held[key] = self._fetch(stage, ending, key, make)
        return self._held[key]

    def _fetch(self, stage: str, ending: str, key: str, make: Callable[[], bytes]) -> bytes:
        for path in sorted(self.folder.glob(f"{stage}-{key}-*.{ending}")):
            data = path.read_bytes()
            if path.name == name(stage, key, data, ending):
                self.reused.append(stage)
                return data
        data = make()
        files.write_bytes(self.folder / name(stage, key, data, ending), data)
        self.made.append(stage)
        return data


def name(stage: str, key: str, data: bytes, ending: str) -> str:
    return f"{stage}-{key}-{sha256(data).hexdigest()[:DIGITS]}.{ending}"
