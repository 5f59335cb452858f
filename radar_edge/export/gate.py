"""The accuracy gate: does an engine judge like the FP32 engine of its Subset? Pure: results in, figures out.

The first half of the images are held-out good parts, the rest corrupted copies. Whoever lowers a precision pays at
most these figures; an engine that costs more does not ship.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from radar_edge.bundle import Gate, GateLimits
from radar_edge.evaluation.metrics import auroc
from radar_edge.evaluation.overlap import aupro
from radar_edge.export.judged import Images, Judged
from radar_edge.scoring import Calibration

AUPRO_LIMIT: Final = 0.3
LIMITS: Mapping[str, GateLimits] = {
    "int8": GateLimits(auroc_loss=0.005, aupro_loss=0.01, map_correlation=0.98, flipped=0.02),
    "fp16": GateLimits(auroc_loss=0.001, aupro_loss=0.001, map_correlation=0.999, flipped=0.005),
}


def gate(
    reference: Judged,
    found: Judged,
    images: Images,
    calibrations: tuple[Calibration, Calibration],
    precision: str,
) -> Gate:
    """`found` against the FP32 engine's `reference` on the same images; each decides by its own calibration."""
    return Gate(
        images=len(images),
        anomalous=int(images.anomalous.sum()),
        auroc_fp32=auroc_of(reference, images),
        auroc=auroc_of(found, images),
        aupro_fp32=aupro_of(reference, images),
        aupro=aupro_of(found, images),
        map_correlation=map_correlation(reference, found),
        score_error=score_error(reference, found, calibrations[0]),
        flipped=flipped(reference, found, calibrations),
        limits=LIMITS[precision],
    )


def auroc_of(judged: Judged, images: Images) -> float:
    value = auroc(judged.scores, images.anomalous)
    if value is None:
        raise ValueError("the gate needs good and anomalous images")
    return value


def aupro_of(judged: Judged, images: Images) -> float:
    value = aupro(list(judged.heats), list(images.masks), AUPRO_LIMIT)
    if value is None:
        raise ValueError("the gate needs anomalous regions")
    return value


def map_correlation(reference: Judged, found: Judged) -> float:
    """Mean over images of the maps' Pearson correlation; a map without any contrast counts 0 unless both have none."""
    return float(np.mean([correlation(a, b) for a, b in zip(reference.heats, found.heats, strict=True)]))


def correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    x, y = (m.astype(np.float64).ravel() - m.mean() for m in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if scale > 0:
        return float(x @ y) / scale
    return float(np.array_equal(x, y))


def score_error(reference: Judged, found: Judged, calibration: Calibration) -> float:
    """Largest difference of scores, in units of the distance from the median good part to the threshold."""
    return float(np.abs(found.scores - reference.scores).max()) / calibration.spread


def flipped(reference: Judged, found: Judged, calibrations: tuple[Calibration, Calibration]) -> float:
    """Share of images that the two engines decide differently, each by its own threshold."""
    decided = [j.scores > c.threshold for j, c in zip((reference, found), calibrations, strict=True)]
    return float(np.mean(decided[0] != decided[1]))
