"""A detector on the test parts of an image folder: everything that `radar-edge evaluate` says, in one document.

Gathers what the other modules of this package find; computes nothing itself. Engines arrive opened.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radar_edge.data.layouts import Dataset, Sample
from radar_edge.evaluation.evaluate import Judged, Progress, judge
from radar_edge.evaluation.exchange import exchangeability
from radar_edge.evaluation.measure import metrics_of
from radar_edge.evaluation.metrics import BOOTSTRAP_DRAWS
from radar_edge.evaluation.missing import judge_filled, protocol
from radar_edge.evaluation.rivals import leaks, numbers_of, rivals_of
from radar_edge.evaluation.trust import check_thresholds, check_unseen
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import Calibration

AllJudged = Mapping[Subset, Sequence[Judged]]


@dataclass(frozen=True)
class Detector:
    """An engine and its thresholds for every Subset, how to feed them, and what they are compared with."""

    runners: Mapping[Subset, Runner]
    calibrations: Mapping[Subset, Calibration]
    preprocess: Preprocess
    untrained: Mapping[Subset, Runner] | None
    """The same network before its training; None where it cannot be built."""
    held_out: Sequence[Sample]
    """The good parts that set the thresholds; none where a bundle's are not in the folder."""

    @property
    def thresholds(self) -> dict[Subset, float]:
        return {subset: calibration.threshold for subset, calibration in self.calibrations.items()}


def evaluation_of(detector: Detector, dataset: Dataset, progress: Progress) -> tuple[dict[str, Any], AllJudged]:
    """The metrics document and the judged test parts.

    Raises DatasetError if the test parts cannot be judged or measured, or were seen in training; UsageError if
    they set the thresholds.
    """
    started = time.monotonic()
    check_unseen(dataset)
    tested = dataset.select("test")
    judged = judge(detector.runners, tested, detector.preprocess, progress)
    metrics = metrics_of(judged, detector.thresholds, progress)
    check_thresholds(detector.calibrations, judged)
    numbers = numbers_of(tested, progress)
    held_out = list(numbers_of(detector.held_out, progress, "held-out parts").values())
    untrained = untrained_judged(detector, tested, progress)
    metrics["exchangeable"] = {}
    for subset, parts in judged.items():
        figures = metrics["subsets"][subset.slug]
        figures |= rivals_of(subset, parts, figures, numbers, None if untrained is None else untrained[subset])
        goods = [part for part in parts if part.sample.is_good]
        rows = [numbers[part.sample.key] for part in goods]
        calibration, interval = detector.calibrations[subset], figures["frr_at_threshold_ci"]
        metrics["exchangeable"][subset.slug] = exchangeability(subset, calibration, goods, interval, held_out, rows)
    metrics["leak"] = leaks(tested, numbers)
    metrics["missing"] = missing_of(detector, judged, progress)
    metrics["n_bootstrap"] = BOOTSTRAP_DRAWS
    metrics["target_frr"] = next(iter(detector.calibrations.values())).target_frr
    metrics["seconds"] = round(time.monotonic() - started, 1)
    return metrics, judged


def untrained_judged(detector: Detector, tested: Sequence[Sample], progress: Progress) -> AllJudged | None:
    if detector.untrained is None:
        return None
    return judge(detector.untrained, tested, detector.preprocess, progress, "judge untrained")


def missing_of(detector: Detector, judged: AllJudged, progress: Progress) -> dict[str, Any] | None:
    """The missing-modality protocol on the parts that have every modality; None with one modality.

    Also None where a bundle lacks the engine of some Subset, which is then said.
    """
    complete = max(judged, key=len)
    if len(complete) == 1 or len(judged) != 2 ** len(complete) - 1:
        return None
    parts = [part.sample for part in judged[complete]]
    filled = judge_filled(detector.runners[complete], parts, detector.preprocess, progress)
    return protocol(judged, filled, detector.calibrations)
