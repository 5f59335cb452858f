"""Was the promised false-reject rate kept, as far as so few parts can say? Knows scores and groups."""

from __future__ import annotations

from collections.abc import Sequence

from radar_edge.evaluation.evaluate import Judged
from radar_edge.scoring import Calibration, chance_of_rejects


def frr_chance(calibration: Calibration, parts: Sequence[Judged]) -> float | None:
    """Chance of at least as many false rejects among the good ones of `parts` if they are like the held-out ones.

    A small value says that they are not, or that chance was unkind. None without good parts, and where several
    parts make a group on either side: counts of dependent parts have no such law.
    """
    goods = [part for part in parts if part.sample.is_good]
    alone = len({part.sample.group for part in goods}) == len(goods)
    if not goods or not alone or len(calibration.scores) != calibration.groups:
        return None
    rejected = sum(part.score > calibration.threshold for part in goods)
    return chance_of_rejects(calibration.groups, calibration.target_frr, rejected, len(goods))
