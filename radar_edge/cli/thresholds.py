"""What a person is told of an engine's thresholds: the bands, and what so few held-out parts can promise at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from radar_edge.bundle import EngineEntry
    from radar_edge.scoring import Calibration

NOTE = (
    "FRR: share of good parts rejected. target: kept on average; up to: 95 % bound for these very parts; "
    "least: 1 / (n + 1), the least that n parts can guarantee. review is rejected like NG, and worth a look"
)


def thresholds_table(engines: Sequence[EngineEntry]) -> Table:
    table = Table(title="Thresholds, from held-out good parts", title_justify="left", caption=NOTE)
    table.caption_justify = "left"
    for title in ("subset", "precision"):
        table.add_column(title)
    for title in ("n", "OK up to", "NG above", "FRR target", "up to", "NG target", "least"):
        table.add_column(title, justify="right")
    for engine in engines:
        about = facts(engine.calibration)
        scores = (f"{about[name]:.3f}" for name in ("threshold", "ng_threshold"))
        rates = (f"{about[name]:.2%}" for name in ("target_frr", "frr_bound", "ng_frr", "smallest_frr"))
        table.add_row(engine.subset, engine.precision, str(about["calibration_groups"]), *scores, *rates)
    return table


def promises(metrics: Mapping[str, Any]) -> str:
    """One line for evaluate: what the thresholds that were measured can promise."""
    each = (
        f"{slug} up to {one['frr_bound']:.1%}, least {one['smallest_frr']:.2%} ({one['calibration_groups']} parts)"
        for slug, one in metrics["subsets"].items()
    )
    return f"false rejects, target {metrics['target_frr']:.1%}, with 95 % confidence: {'; '.join(each)}"


def facts(calibration: Calibration) -> dict[str, Any]:
    """For the JSON document: thresholds and what they promise."""
    from radar_edge.scoring import smallest_frr

    return {
        "calibration_groups": calibration.groups,
        "threshold": calibration.threshold,
        "ng_threshold": calibration.ng_threshold,
        "target_frr": calibration.target_frr,
        "ng_frr": calibration.ng_frr,
        "frr_bound": calibration.frr_bound,
        "smallest_frr": smallest_frr(calibration.groups),
    }
