"""What each engine says of held-out good parts: scores for its threshold, and its distance to the trained network.

Knows Runners and samples, nothing of bundles or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from radar_edge.bundle import Parity
from radar_edge.data.dataset import load_inputs
from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import image_score

Tensor = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]
"""Called with a stage's name, steps done, and steps in all."""

REFERENCE_PARTS = 16
CHUNK = 16


@dataclass
class Measured:
    """One engine on the held-out good parts that have all modalities of its Subset."""

    scores: list[float] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    reference_maps: list[Tensor] = field(default_factory=list)
    """`[1, 1, H, W]` of each reference part."""
    map_gaps: list[float] = field(default_factory=list)
    score_gaps: list[float] = field(default_factory=list)

    @property
    def parity(self) -> Parity:
        return Parity(parts=len(self.map_gaps), max_abs_map=max(self.map_gaps), max_abs_score=max(self.score_gaps))


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
    """Up to 16 parts with every modality, evenly spread. Raises DatasetError if there is none."""
    whole = [part for part in parts if all(name in part.paths for name in modalities)]
    if not whole:
        raise DatasetError(
            "no good part that the training held out has all modalities",
            wanted="at least one, to compare the engines with the trained network",
            next_step="add complete good parts to validation/good and train again",
        )
    places = np.linspace(0, len(whole) - 1, min(REFERENCE_PARTS, len(whole))).round().astype(int)
    return tuple(whole[i] for i in places)


def measure(
    engines: Mapping[Subset, Runner],
    originals: Mapping[Subset, Runner],
    parts: Sequence[Sample],
    references: Sequence[Sample],
    preprocess: Preprocess,
    progress: Progress,
) -> dict[Subset, Measured]:
    """Run every engine on every part that it can judge, and on the references the original as well."""
    measured = {subset: Measured() for subset in engines}
    compared = {part.key for part in references}
    for done, (part, inputs) in enumerate(each_part(parts, preprocess)):
        progress("judge held-out parts", done, len(parts))
        for subset, runner in engines.items():
            if can_judge(subset, part):
                chosen = {name: inputs[name] for name in subset}
                original = originals[subset] if part.key in compared else None
                judge(measured[subset], part.group, chosen, runner, original)
    progress("judge held-out parts", len(parts), len(parts))
    return measured


def judge(into: Measured, group: str, inputs: Mapping[str, Tensor], runner: Runner, original: Runner | None) -> None:
    anomaly_map = runner.infer(inputs).anomaly_map
    into.scores.append(image_score(anomaly_map))
    into.groups.append(group)
    if original is not None:
        wanted = original.infer(inputs).anomaly_map
        into.reference_maps.append(anomaly_map)
        into.map_gaps.append(float(np.abs(anomaly_map - wanted).max()))
        into.score_gaps.append(abs(into.scores[-1] - image_score(wanted)))


def each_part(parts: Sequence[Sample], preprocess: Preprocess) -> Iterator[tuple[Sample, dict[str, Tensor]]]:
    """Each part with its network inputs `[1, C, H, W]`; a few are in memory at a time."""
    for start in range(0, len(parts), CHUNK):
        chunk = parts[start : start + CHUNK]
        inputs, _ = load_inputs(chunk, preprocess)
        for i, part in enumerate(chunk):
            yield part, {name: batch[i : i + 1] for name, batch in inputs.items()}
