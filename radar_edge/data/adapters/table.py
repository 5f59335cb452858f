"""The adapters by name. Knows nothing of what they do."""

from __future__ import annotations

from radar_edge.data.adapters import eyecandies, listed, magnetic_tile, mulsen_ad, mvtec_3d_ad, mvtec_ad, toyadmos
from radar_edge.data.adapters.plan import Adapter
from radar_edge.errors import UsageError

ADAPTERS = {
    "mvtec-ad": mvtec_ad.ADAPTER,
    "mvtec-3d-ad": mvtec_3d_ad.ADAPTER,
    "mulsen-ad": mulsen_ad.ADAPTER,
    "eyecandies": eyecandies.ADAPTER,
    "magnetic-tile": magnetic_tile.ADAPTER,
    "toyadmos": toyadmos.ADAPTER,
    "csv": listed.ADAPTER,
}


def adapter(kind: str) -> Adapter:
    """Raises UsageError that lists the kinds."""
    if kind not in ADAPTERS:
        raise UsageError("there is no such kind of data set", found=kind, wanted=", ".join(ADAPTERS))
    return ADAPTERS[kind]
