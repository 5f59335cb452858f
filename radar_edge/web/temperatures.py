"""The machine's temperatures as Linux tells them. Knows no board."""

from __future__ import annotations

from pathlib import Path

ZONES = Path("/sys/class/thermal")


def temperatures_c(zones: Path = ZONES) -> dict[str, float]:
    """By the zone's own name; empty where there are none. A zone that does not answer is left out."""
    read = [reading(zone) for zone in sorted(zones.glob("thermal_zone*"))]
    return {name: temp_c for name, temp_c in read if temp_c is not None}


def reading(zone: Path) -> tuple[str, float | None]:
    try:
        return (zone / "type").read_text().strip(), int((zone / "temp").read_text()) / 1000
    except (OSError, ValueError):
        return zone.name, None
