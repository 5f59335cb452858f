"""Do good parts still score as the held-out ones did? Pure; knows no clock, no journal and no defect.

    learning --evidence gone--> steady <--gone--> watch --evidence at its limit--> recalibrate (until a new start)

A good part's score falls into one of the gaps between the held-out scores; its rank there is its p-value. While the
line's parts are like the held-out ones, the chance of each gap is known exactly, however few were held out: its weight
among all parts so far, held-out and seen (Polya's urn). So the mean rank of a part's gap (its mid-p-value) can be bet
on at fair odds: a conformal test martingale. A linear bet has the same mean at the middle of a gap as over the gap, so
nothing is drawn at random, and what one part can win is bounded whatever its score.

Who bets on a rise (or a fall) and begins anew whenever broke has a CUSUM. Its false alarms are bounded for any
distribution of scores: at most (parts + HEAD_START) / LIMIT of all streams, each way (Doob's inequality).

Parts in the ng band are left out: defects are no drift, and one never recalibrates on them. The held-out parts are
cut at the same place, so the odds stay fair. If every part is ng, nothing is said here: the reject rate says it.

Sources: Vovk et al., Retrain or not retrain: conformal test martingales for change-point detection, COPA 2021; Shin,
Ramdas, Rinaldo, E-detectors, New England Journal of Statistics in Data Science 2 (2024), for the bound of such a
CUSUM; Lucas, Crosier, Fast initial response for CUSUM, Technometrics 24 (1982), for the head start.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from radar_edge.modality import Subset
from radar_edge.records import Verdict
from radar_edge.scoring import Calibration


@dataclass(frozen=True)
class Bet:
    """`share` of the capital at stake. Lots differ: a mean rank that is off by `slack` (of -1..1) wins nothing."""

    share: float
    slack: float

    def won(self, rank: float) -> float:
        """The logarithm by which the capital grows."""
        return math.log1p(self.share * (rank - self.slack))


BOLD, CAREFUL = Bet(share=0.8, slack=0.05), Bet(share=0.4, slack=0.12)
"""Bold while learning: the held-out parts can bear witness for some hundred parts only, then the line's outnumber
them. Careful afterwards: one odd lot is no drift. tools/bench_drift.py has what each costs."""
LIMIT = 2e7
"""Each way: 100,000 steady parts give a false alarm in at most 1 % of all streams."""
HEAD_START = 1e5
"""The first parts need only 200 times their stake, because they are what a wrong calibration shows in: 1 % again."""
WATCH_SHARE, GONE_SHARE = 0.7, 0.25
"""Of the limit's logarithm: where `watch` begins, and below what evidence counts as gone."""
LOT_PARTS = 1000
LOTS_KEPT = 8


class DriftState(str, Enum):
    LEARNING = "learning"
    STEADY = "steady"
    WATCH = "watch"
    RECALIBRATE = "recalibrate"


class _Bettor:
    """One who bets that parts now rank higher (or lower). `evidence` is the logarithm of the capital."""

    def __init__(self) -> None:
        self.evidence = math.log(HEAD_START)
        self.since_part = 1
        """Where the present run of winnings began: the likeliest first part of a change (Page 1954)."""

    def bet(self, bet: Bet, rank: float, part: int) -> None:
        if self.evidence <= 0:
            self.evidence, self.since_part = 0.0, part
        self.evidence += bet.won(rank)


class ScoreDrift:
    """One engine's good parts against its own calibration."""

    def __init__(self, calibration: Calibration) -> None:
        self._ng_threshold = calibration.ng_threshold
        self._held_out, weights = _steps(calibration)
        gaps = bisect_left(self._held_out, calibration.ng_threshold) + 1
        self._urn = np.array([*weights, 1.0])[:gaps]
        self._total = float(self._urn.sum())
        self._up, self._down = _Bettor(), _Bettor()
        self._parts = 0
        self._lots = _Lots()
        self.state = DriftState.LEARNING

    def add(self, score: float, product: int = 0) -> bool:
        """Take the score of a judged part; whether the state changed."""
        if score > self._ng_threshold:
            return False
        self._parts += 1
        self._lots.add(score, product)
        if self.state is DriftState.RECALIBRATE:
            return False
        rank = self._rank(score)
        bet = BOLD if self.state is DriftState.LEARNING else CAREFUL
        self._up.bet(bet, rank, self._parts)
        self._down.bet(bet, -rank, self._parts)
        return self._move()

    def _rank(self, score: float) -> float:
        """1 - 2 (mid-p): from -1, below all parts so far, to 1, above all. The part then joins them."""
        gap = bisect_left(self._held_out, score)
        weight, above = float(self._urn[gap]), float(self._urn[gap + 1 :].sum())
        rank = 1 - 2 * (above + weight / 2) / self._total
        self._urn[gap] += 1
        self._total += 1
        return rank

    @property
    def _stronger(self) -> _Bettor:
        return max(self._up, self._down, key=lambda bettor: bettor.evidence)

    def _move(self) -> bool:
        before, share = self.state, self._stronger.evidence / math.log(LIMIT)
        if share >= 1:
            self.state = DriftState.RECALIBRATE
        elif share < GONE_SHARE:
            self.state = DriftState.STEADY
        elif share >= WATCH_SHARE and before is DriftState.STEADY:
            self.state = DriftState.WATCH
        return self.state is not before

    def document(self) -> dict[str, Any]:
        """{state, direction, evidence, limit, parts, since_part, lots: [{parts, q50, q90, q99}]}.

        `evidence` and `limit` are natural logarithms; `direction` (up, down) and `since_part`, the likeliest first part
        of the change, are None unless the state is watch or recalibrate. `lots` are those that ended, oldest first.
        """
        told = self.state in (DriftState.WATCH, DriftState.RECALIBRATE)
        stronger = self._stronger
        return {
            "state": self.state.value,
            "direction": ("up" if stronger is self._up else "down") if told else None,
            "evidence": round(max(stronger.evidence, 0.0), 3),
            "limit": round(math.log(LIMIT), 3),
            "parts": self._parts,
            "since_part": stronger.since_part if told else None,
            "lots": self._lots.documents(),
        }


class _Lots:
    """Quantiles of good scores, a lot each: parts of one product in a row, LOT_PARTS at most."""

    def __init__(self) -> None:
        self._product: int | None = None
        self._scores: list[float] = []
        self._ended: deque[dict[str, float]] = deque(maxlen=LOTS_KEPT)

    def add(self, score: float, product: int) -> None:
        if self._scores and (product != self._product or len(self._scores) == LOT_PARTS):
            q50, q90, q99 = np.quantile(self._scores, (0.5, 0.9, 0.99)).tolist()
            self._ended.append({"parts": len(self._scores), "q50": q50, "q90": q90, "q99": q99})
            self._scores = []
        self._product = product
        self._scores.append(score)

    def documents(self) -> list[dict[str, float]]:
        return list(self._ended)


def _steps(calibration: Calibration) -> tuple[list[float], list[float]]:
    """The different held-out scores, ascending, and the weight of each."""
    weights: dict[float, float] = {}
    for score, weight in zip(calibration.scores, calibration.weights, strict=True):
        weights[score] = weights.get(score, 0.0) + weight
    return list(weights), list(weights.values())


class DriftWatch:
    """Every engine of a line. May be used from any thread."""

    def __init__(self, calibrations: Mapping[Subset, Calibration]) -> None:
        self._lock = threading.Lock()
        self._drifts = {subset.slug: ScoreDrift(calibration) for subset, calibration in calibrations.items()}

    def judged(self, verdict: Verdict, product: int = 0) -> dict[str, Any] | None:
        """Take a verdict; the document of its engine's drift if the state changed."""
        if verdict.subset is None or verdict.score is None:
            return None
        with self._lock:
            drift = self._drifts[verdict.subset.slug]
            return drift.document() if drift.add(verdict.score, product) else None

    def document(self) -> dict[str, Any]:
        """Slug -> ScoreDrift.document()."""
        with self._lock:
            return {slug: drift.document() for slug, drift in self._drifts.items()}
