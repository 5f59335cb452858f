"""The newest of everything that the line sent, for whoever shows it. Knows no socket and no page.

A message is a header of JSON, a line feed, and bytes: see runtime.feed. What cannot be read is counted and forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radar_edge.clock import NS_PER_S

STALE_NS = 3 * NS_PER_S // 2
"""A state comes five times a second; an older one may be of a line that has ended."""


@dataclass(frozen=True)
class Picture:
    version: int
    data: bytes
    facts: Mapping[str, Any]
    """Of an image: part, code, camera. Of a heat map: part, code, subset, modalities."""


class Scene:
    """`take` what arrived; ask for `document`. Used from one thread."""

    def __init__(self, first_version: int = 0) -> None:
        """Versions of pictures count from `first_version`: those of a former process must not come again."""
        self.state: dict[str, Any] | None = None
        self.images: dict[str, Picture] = {}
        self.heat: Picture | None = None
        self.unreadable = 0
        self._versions = first_version

    def take(self, message: bytes) -> None:
        head, _, data = message.partition(b"\n")
        try:
            header = json.loads(head)
            kind = header["kind"]
            if kind == "state":
                self.state = dict(header["state"])
                int(self.state["at_ns"])
            elif kind == "image":
                self.images[str(header["modality"])] = self._picture(header, data)
            elif kind == "heat":
                self.heat = self._picture(header, data)
        except (ValueError, KeyError, TypeError):
            self.unreadable += 1

    def _picture(self, header: dict[str, Any], data: bytes) -> Picture:
        self._versions += 1
        facts = {name: value for name, value in header.items() if name not in ("kind", "modality")}
        return Picture(self._versions, data, facts)

    def fresh(self, now_ns: int) -> bool:
        """Whether the line told of itself a moment ago."""
        return self.state is not None and now_ns - int(self.state["at_ns"]) <= STALE_NS

    def document(self, now_ns: int) -> dict[str, Any]:
        """What a page shows: {fresh, state, images: {modality: facts}, heat: facts or null}."""
        return {
            "fresh": self.fresh(now_ns),
            "state": self.state,
            "images": {name: {"version": p.version, **p.facts} for name, p in self.images.items()},
            "heat": None if self.heat is None else {"version": self.heat.version, **self.heat.facts},
        }
