"""Are good test parts like the held-out ones that set the threshold, and what differs if not? Pure.

A conformal threshold promises its false-reject rate for parts from the same source alone. Two things deny that here:
the interval of the realised rate lies above the target, or the two sets of scores differ (Kolmogorov and Smirnov, with
groups counted as in the calibration). Scores that lie lower are as telling: the threshold then lets defects pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kstwobign

from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.metrics import Interval
from radar_edge.modality import Subset
from radar_edge.scoring import Calibration

LEAST_P = 0.01
LEAST_SHIFT = 0.5
"""Standard deviations of the held-out parts by which a number of the images must differ to be named."""
NAMED = 5

Floats = npt.NDArray[np.float64]
Rows = Sequence[Mapping[str, float]]
"""`{"<modality>.<name>": number}` of each good part."""


def exchangeability(
    subset: Subset,
    calibration: Calibration,
    goods: Sequence[Judged],
    frr_ci: Interval | None,
    held_out: Rows | None,
    tested: Rows,
) -> dict[str, Any]:
    """`goods`: the good test parts; `held_out` and `tested`: numbers of the images on either side, if at hand."""
    scores = np.array([part.score for part in goods])
    sizes = Counter(part.sample.group for part in goods)
    weights = np.array([1 / sizes[part.sample.group] for part in goods])
    known, known_weights = np.array(calibration.scores), np.array(calibration.weights)
    p = ks_p(known, known_weights, calibration.groups, scores, weights, len(sizes))
    doubtful = p < LEAST_P or (frr_ci is not None and frr_ci[0] > calibration.target_frr)
    differs = [score_shift(known, scores), *image_shifts(subset, held_out, tested)] if doubtful else []
    return {
        "held_out_good": len(known),
        "test_good": len(goods),
        "ks_p": p,
        "verdict": "not exchangeable" if doubtful else "exchangeable",
        "differs": differs,
    }


def ks_p(a: Floats, a_weights: Floats, a_groups: int, b: Floats, b_weights: Floats, b_groups: int) -> float:
    """Chance of so large a gap between two weighted distributions if they are one; asymptotic, in groups."""
    at = np.concatenate([a, b])
    gap = float(np.abs(share_up_to(at, a, a_weights) - share_up_to(at, b, b_weights)).max())
    return float(kstwobign.sf(gap * np.sqrt(a_groups * b_groups / (a_groups + b_groups))))


def share_up_to(at: Floats, values: Floats, weights: Floats) -> Floats:
    order = np.argsort(values)
    reached = np.concatenate([[0.0], np.cumsum(weights[order])])
    shares: Floats = reached[np.searchsorted(values[order], at, side="right")] / reached[-1]
    return shares


def score_shift(held_out: Floats, tested: Floats) -> str:
    gap = float(np.median(tested) - np.median(held_out))
    return f"scores: the median good test part lies {abs(gap):.2f} {'higher' if gap > 0 else 'lower'}"


def image_shifts(subset: Subset, held_out: Rows | None, tested: Rows) -> Iterator[str]:
    """The numbers of the images that differ most, in standard deviations of the held-out parts."""
    if not held_out or not tested:
        return
    shifts = {}
    for name in (name for name in held_out[0] if name.partition(".")[0] in subset):
        known, new = (np.array([row[name] for row in rows if name in row]) for rows in (held_out, tested))
        if len(known) > 1 and len(new):
            shifts[name] = float((new.mean() - known.mean()) / max(known.std(), 1e-9))
    for name, shift in sorted(shifts.items(), key=lambda item: -abs(item[1]))[:NAMED]:
        if abs(shift) >= LEAST_SHIFT:
            yield f"{name}: {abs(shift):.1f} standard deviations {'higher' if shift > 0 else 'lower'}"
