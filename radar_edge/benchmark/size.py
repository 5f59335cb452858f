"""How large the network is, counted on its exported graphs, and the bars that it must stay under."""

from __future__ import annotations

from typing import Any

from radar_edge.benchmark.counting import Cost, cost_of
from radar_edge.benchmark.untrained import Untrained

MOST_PARAMETERS, MOST_MACS = 2_000_000, 3_500_000_000
"""Of the engine of all modalities, at 256 px."""
MOST_SHARE = 0.55
"""Of an engine of one modality, in parameters and in multiply-accumulates, of the engine of all."""


def sizes(network: Untrained) -> dict[str, Any]:
    """`subsets` by slug: `parameters`, `gmac`, and of both the share of the engine of all; `faults`: bars missed."""
    costs = {subset: cost_of(network.fp32(subset)) for subset in network.subsets}
    whole = max(costs.values(), key=lambda cost: cost.macs)
    return {
        "input_px": [network.config.height, network.config.width],
        "subsets": {
            subset.slug: {
                "parameters": cost.parameters,
                "gmac": cost.macs / 1e9,
                "parameters_share": round(cost.parameters / whole.parameters, 4),
                "gmac_share": round(cost.macs / whole.macs, 4),
            }
            for subset, cost in costs.items()
        },
        "bars": {"parameters": MOST_PARAMETERS, "gmac": MOST_MACS / 1e9, "share_of_one_modality": MOST_SHARE},
        "faults": faults({subset.slug: cost for subset, cost in costs.items() if len(subset) == 1}, whole),
    }


def faults(single: dict[str, Cost], whole: Cost) -> list[str]:
    wrong = []
    if whole.parameters > MOST_PARAMETERS:
        wrong.append(f"{whole.parameters} parameters, wanted at most {MOST_PARAMETERS}")
    if whole.macs > MOST_MACS:
        wrong.append(f"{whole.macs / 1e9:.2f} GMAC, wanted at most {MOST_MACS / 1e9}")
    for slug, cost in single.items():
        shares = {"parameters": cost.parameters / whole.parameters, "GMAC": cost.macs / whole.macs}
        wrong += [
            f"{slug} has {share:.1%} of the {what} of all, wanted at most {MOST_SHARE:.0%}"
            for what, share in shares.items()
            if share > MOST_SHARE
        ]
    return wrong
