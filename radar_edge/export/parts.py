"""Which good parts decide about engines: held out by the training, in order, and enough of them. Reads no pixels."""

from __future__ import annotations

from collections.abc import Sequence

from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError, UsageError
from radar_edge.export.judged import spread
from radar_edge.modality import Subset
from radar_edge.scoring import calibrate

REFERENCE_PARTS = 100
"""With these a unit tests itself and sets its own plans' thresholds; at 256 px they take about 120 MB."""


def held_out_parts(samples: Sequence[Sample], keys: Sequence[str]) -> tuple[Sample, ...]:
    """The samples that a run held out, in its order. Raises DatasetError if any is not in the data set."""
    by_key = {sample.key: sample for sample in samples}
    missing = [key for key in keys if key not in by_key]
    if missing or not keys:
        raise DatasetError(
            "the good parts that the training held out are not all in this image folder",
            found=f"{len(missing)} of {len(keys)} missing: {', '.join(missing[:5])}",
            next_step="give the folder that the run was trained on",
        )
    return tuple(by_key[key] for key in keys)


def can_judge(subset: Subset, sample: Sample) -> bool:
    return all(name in sample.paths for name in subset)


def reference_parts(parts: Sequence[Sample], modalities: Sequence[str]) -> tuple[Sample, ...]:
    """Up to REFERENCE_PARTS parts with every modality, evenly spread. Raises DatasetError if there is none."""
    whole = [part for part in parts if all(name in part.paths for name in modalities)]
    if not whole:
        raise DatasetError(
            "no good part that the training held out has all modalities",
            wanted="at least one, to compare the engines with the trained network",
            next_step="add complete good parts to validation/good and train again",
        )
    return tuple(whole[i] for i in spread(len(whole), REFERENCE_PARTS))


def check_enough(parts: Sequence[Sample], subsets: Sequence[Subset], target_frr: float) -> None:
    """Raises UsageError before any long work if a threshold for some Subset could not be guaranteed."""
    for subset in subsets:
        groups = [part.group for part in parts if can_judge(subset, part)]
        try:
            calibrate([0.0] * len(groups), target_frr, groups)
        except UsageError as error:
            raise UsageError(
                f"{error.problem} with the engine {subset}",
                found=error.found,
                wanted=error.wanted,
                next_step=error.next_step,
            ) from error
