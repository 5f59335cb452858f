"""Which layers INT8 hurts, and which of them must stay FP16 for the gate to pass. Knows no file and no limit.

Source of the method: one layer at a time is rounded and the error measured (Wu et al., Integer Quantization for Deep
Learning Inference, 2020, section 6.1); the worst go back to floating point until the engine passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from radar_edge.bundle import Gate
from radar_edge.export.judged import Images, Progress, spread
from radar_edge.export.quantize import layers_of, quantisable, quantize
from radar_edge.inference.onnxruntime_runner import OUTPUT_MAP, open_session
from radar_edge.scoring import image_score

Scores = npt.NDArray[np.float64]

PROBES = 16
"""Images on which each layer's error is measured, at most."""
MOST_KEPT = 0.5
"""Share of the layers that may stay FP16 before the whole engine does."""

Try = Callable[[Sequence[str]], Gate]
"""Builds the INT8 engine without the named layers, and puts it through the gate."""


@dataclass(frozen=True)
class Settled:
    """How the search ended: the layers kept FP16, the gate of that engine, and every layer's error if it was needed."""

    kept: tuple[str, ...]
    gate: Gate
    errors: Mapping[str, float]


def settle(attempt: Try, rank: Callable[[], Mapping[str, float]]) -> Settled:
    """Keep the 0, 1, 2, 3, 4, 6, 9 ... worst layers until the gate passes or half of them are kept.

    `rank` is called only if the plain engine fails: layer -> error.
    """
    gate = attempt(())
    if gate.passed:
        return Settled((), gate, {})
    errors = rank()
    worst = sorted(errors, key=lambda name: -errors[name])
    most = max(1, int(MOST_KEPT * len(worst)))
    count = 0
    while count < most and not gate.passed:
        count = min(max(count + 1, round(1.5 * count)), most)
        gate = attempt(tuple(worst[:count]))
    return Settled(tuple(worst[:count]), gate, errors)


def layer_errors(
    model: onnx.ModelProto, amax: Mapping[str, float], probes: Images, progress: Progress = lambda *_: None
) -> dict[str, float]:
    """Layer -> largest change of a probe's score when that layer alone is rounded; logits.

    Scores and not maps, because scores are what is decided on: a layer whose range clips the one outlier among the
    good parts hardly changes the mean map, and moves the threshold.
    """
    wanted = scores_of(model, probes)
    names = [layer.name for layer in layers_of(model) if quantisable(layer)]
    errors = {}
    for done, name in enumerate(names, 1):
        found = scores_of(quantize(model, amax, [other for other in names if other != name]), probes)
        errors[name] = float(np.abs(found - wanted).max())
        progress("find sensitive layers", done, len(names))
    return errors


def probe_places(good_scores: Scores, images: int) -> list[int]:
    """Which images of the gate probe layers: the highest-scoring good parts, which set thresholds, and a spread.

    `good_scores` are of the first images.
    """
    highest = np.argsort(-good_scores, kind="stable")[: PROBES // 2]
    return sorted({*highest.tolist(), *spread(images, PROBES - len(highest))})


def scores_of(model: onnx.ModelProto, images: Images) -> Scores:
    session = open_session(model.SerializeToString())
    return np.array([image_score(session.run([OUTPUT_MAP], images.one(n))[0]) for n in range(len(images))])
