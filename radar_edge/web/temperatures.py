"""The machine's temperatures as Linux tells them. Knows no board."""

from __future__ import annotations

from pathlib import Path

ZONES = Path("/sys/class/thermal")


def temperatures_c(zones: Path = ZONES) -> dict[str, float]:
    """By the zone's own name; empty where there are none. A zone that does not answer is left out."""
    found: dict[str, float] = {}
    for zone in sorted(zones.glob("thermal_zone*")):
        try:
            name = (zone / "type").read_text().strip()
            found[name] = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):
            continue
    return found
