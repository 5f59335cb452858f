"""NVIDIA's Linux releases, the JetPacks that they belong to, and the TensorRT in them. Data; unknown is not wrong.

Sources: jetson_stats, jtop/core/jetson_variables.py (releases); NVIDIA's JetPack and TensorRT pages (versions).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

JETPACKS = {
    "35.6.4": "5.1.6",
    "36.3.0": "6.0",
    "36.4.0": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.4.7": "6.2.1",
    "36.5.0": "6.2.2",
    "38.2.0": "7.0",
    "38.2.1": "7.0",
    "38.4.0": "7.1",
    "39.2.0": "7.2",
    "39.2.1": "7.2.1",
    "39.2.2": "7.2.2",
}
TENSORRT = {"5.1": "8.5.2", "6.0": "8.6.2", "6.1": "10.3.0", "6.2": "10.3.0", "7.0": "10.13.3", "7.1": "10.13.3",
            "7.2": "10.16.2"}  # fmt: skip
"""Of each JetPack's first two numbers."""
OLDEST = "6.1"
"""The first JetPack with TensorRT 10, which the runner needs."""


@dataclass(frozen=True)
class Release:
    """`jetpack` is None for a release that this version does not know."""

    l4t: str
    jetpack: str | None

    @property
    def tensorrt(self) -> str | None:
        return None if self.jetpack is None else TENSORRT.get(".".join(self.jetpack.split(".")[:2]))

    @property
    def newer_than_known(self) -> bool:
        return self.jetpack is None and numbers(self.l4t) > max(map(numbers, JETPACKS))

    @property
    def too_old(self) -> bool:
        oldest = next(l4t for l4t, jetpack in JETPACKS.items() if jetpack == OLDEST)
        return numbers(self.l4t) < numbers(oldest)


def parse_release(text: str) -> Release | None:
    """Of /etc/nv_tegra_release, such as `# R36 (release), REVISION: 4.3, GCID: ...`."""
    found = re.search(r"R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", text)
    if found is None:
        return None
    l4t = f"{found[1]}.{found[2]}"
    return Release(l4t, JETPACKS.get(l4t))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
