"""Refuses to measure what would flatter: test images that were trained on, thresholds set on test parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from radar_edge.data.layouts import Dataset
from radar_edge.errors import DatasetError, UsageError
from radar_edge.evaluation.evaluate import Judged
from radar_edge.modality import Subset
from radar_edge.scoring import Calibration

MOST_SHARED = 0.5
"""Share of a calibration's scores that may also be scores of good test parts: equal floats are the same images."""


def check_unseen(dataset: Dataset) -> None:
    """Raises DatasetError naming every test image whose file is also one of the train or validation split.

    Files are compared byte for byte; `radar-edge dataset check` compares pixels.
    """
    earlier = {digest(path): path for split in ("train", "validation") for path in images(dataset, split)}
    faults = [
        f"{path.relative_to(dataset.root)} is the file {earlier[found].relative_to(dataset.root)}"
        for path in images(dataset, "test")
        if (found := digest(path)) in earlier
    ]
    if faults:
        raise DatasetError(
            "test images were seen before: their figures would be worth nothing",
            faults=faults[:10],
            found=f"{len(faults)} image(s)",
            next_step="take them out of test/, or out of train/ and train again",
        )


def images(dataset: Dataset, split: str) -> list[Path]:
    return [path for sample in dataset.select(split) for path in sample.paths.values()]


def digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes()).digest()


def check_thresholds(calibrations: Mapping[Subset, Calibration], judged: Mapping[Subset, Sequence[Judged]]) -> None:
    """Raises UsageError if a threshold was set on the test parts themselves."""
    for subset, calibration in calibrations.items():
        tested = {part.score for part in judged[subset] if part.sample.is_good}
        shared = sum(score in tested for score in calibration.scores) / len(calibration.scores)
        if shared > MOST_SHARED:
            raise UsageError(
                f"the threshold of {subset} was set on the test parts",
                found=f"{shared:.0%} of its calibration scores are scores of good test parts",
                wanted="held-out good parts that are not in test/",
                next_step="set it on other parts: `radar-edge calibrate-threshold`, or train with other held-out parts",
            )
