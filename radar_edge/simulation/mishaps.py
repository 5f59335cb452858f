"""What goes wrong in a simulated world, when and how long: drawn from a seed. Pure; knows nothing of what it hits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from radar_edge.clock import NS_PER_MS


@dataclass(frozen=True)
class Kind:
    """A mishap that begins with `share` of the parts and lasts between two times."""

    name: str
    share: float
    least_ms: float
    most_ms: float


CAMERA = (
    Kind("dead", 0.004, 30, 3000),
    Kind("frozen", 0.004, 30, 1500),
    Kind("black", 0.003, 20, 500),
    Kind("saturated", 0.002, 20, 500),
    Kind("corrupt", 0.003, 20, 300),
    Kind("drop", 0.02, 5, 60),
    Kind("shutter", 0.002, 200, 800),
    Kind("wrong_kind", 0.002, 20, 300),
    Kind("clock_jump", 0.002, 20, 100),
    Kind("stall", 0.01, 20, 400),
    Kind("delay", 0.01, 20, 400),
    Kind("echo", 0.05, 20, 200),
)
"""`stall`: the request is heard late. `delay`: frames arrive late. `echo`: an old frame of the same id comes again."""
LINE = (
    Kind("capture_lag", 0.002, 50, 1500),
    Kind("desk_lag", 0.002, 20, 300),
    Kind("engine_slow", 0.02, 20, 300),
    Kind("engine_hang", 0.002, 300, 1500),
    Kind("engine_raises", 0.002, 20, 20),
    Kind("engine_nan", 0.002, 20, 100),
    Kind("plc_silent", 0.002, 100, 3000),
    Kind("plc_restart", 0.0005, 5, 5),
    Kind("request_lost", 0.02, 10, 60),
    Kind("request_damaged", 0.02, 10, 60),
    Kind("reply_lost", 0.02, 10, 60),
    Kind("reply_damaged", 0.02, 10, 60),
    Kind("stale_acknowledge", 0.005, 100, 1000),
    Kind("disk", 0.0002, 300, 12000),
)


def kinds(modalities: Sequence[str]) -> tuple[Kind, ...]:
    """All of them; a camera's carry its modality, as in `rgb:dead`."""
    cameras = [
        Kind(f"{modality}:{kind.name}", kind.share, kind.least_ms, kind.most_ms)
        for modality in modalities
        for kind in CAMERA
    ]
    return (*cameras, *LINE)


class Mishaps:
    """Those under way. `counts`: how often each began."""

    def __init__(self, seed: int, all_kinds: Sequence[Kind]) -> None:
        self._random = random.Random(seed)
        self._kinds = all_kinds
        self._until_ns = {kind.name: 0 for kind in all_kinds}
        self.counts: Counter[str] = Counter()

    def roll(self, now_ns: int) -> None:
        """Called once a part."""
        for kind in self._kinds:
            if self._random.random() < kind.share:
                lasts_ms = self._random.uniform(kind.least_ms, kind.most_ms)
                self._until_ns[kind.name] = now_ns + round(lasts_ms * NS_PER_MS)
                self.counts[kind.name] += 1

    def on(self, name: str, now_ns: int) -> bool:
        return now_ns < self._until_ns[name]
