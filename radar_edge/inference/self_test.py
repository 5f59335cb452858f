"""Does an engine here say of the bundle's reference parts what its maker's engine said? Knows no camera and no plan.

The same test serves `radar-edge verify` on a workstation and a unit's own plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from radar_edge.bundle import Bundle, EngineEntry, reference_file
from radar_edge.errors import BundleError
from radar_edge.inference.runner import Runner
from radar_edge.scoring import image_score

INPUTS = "reference/inputs.npz"
LIMITS: Mapping[str, float] = {"fp32": 0.02, "fp16": 0.1, "int8": 0.5}
"""Largest difference of a score, in units of median good part to threshold. Another library or processor rounds
otherwise: INT8 by a step here and there. A wrong engine is off by many units."""


@dataclass(frozen=True)
class SelfTest:
    """What came of it."""

    subset: str
    precision: str
    parts: int
    max_abs_map: float
    """Largest difference of a map's logits."""
    score_gap: float
    """Largest difference of a score, in units of median good part to threshold."""
    flipped: int
    """Parts that are now on the other side of the threshold."""

    @property
    def passed(self) -> bool:
        return self.score_gap <= LIMITS[self.precision]

    @property
    def text(self) -> str:
        return (
            f"{self.subset} {self.precision}: scores of reference parts differ by up to {self.score_gap:.3g} of the "
            f"way from a median good part to the threshold, at most {LIMITS[self.precision]:g} is allowed"
        )


def self_test(bundle: Bundle, entry: EngineEntry, runner: Runner) -> SelfTest:
    """Every reference part through `runner`. Raises BundleError if the references do not fit the engine, or lack."""
    for file in (INPUTS, reference_file(entry.subset, entry.precision)):
        if not bundle.path(file).is_file():
            raise BundleError(
                f"{bundle.folder} has no {file} to test {entry.subset} {entry.precision} against",
                next_step="build the bundle again with `radar-edge build-engines`",
            )
    with np.load(bundle.path(INPUTS), allow_pickle=False) as stored:
        inputs = {name: stored[name] for name in runner.subset if name in stored.files}
    with np.load(bundle.path(reference_file(entry.subset, entry.precision)), allow_pickle=False) as stored:
        scores, maps, whole = stored["score"], stored["anomaly_map"], stored["whole"].tolist()
    if set(inputs) != set(runner.subset) or any(len(batch) != len(scores) for batch in inputs.values()):
        raise BundleError(f"the references of {entry.subset} {entry.precision} do not fit the engine")
    found, gaps = np.zeros(len(scores)), [0.0]
    for n in range(len(scores)):
        anomaly_map = runner.infer({name: batch[n : n + 1] for name, batch in inputs.items()}).anomaly_map
        found[n] = image_score(anomaly_map)
        if n in whole:
            gaps.append(float(np.abs(anomaly_map[0] - maps[whole.index(n)]).max()))
    limit = entry.calibration.threshold
    return SelfTest(
        subset=entry.subset,
        precision=entry.precision,
        parts=len(scores),
        max_abs_map=max(gaps),
        score_gap=float(np.abs(found - scores).max()) / entry.calibration.spread,
        flipped=int(((found > limit) != (scores > limit)).sum()),
    )
