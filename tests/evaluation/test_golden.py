"""The same maps and masks as anomalib's metrics had (golden/make.py), the same figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from radar_edge.evaluation.metrics import auroc_figure, once
from radar_edge.evaluation.operating import aupr_figure, f1_max_figure
from radar_edge.evaluation.overlap import aupro_figure, overlap_table, pixel_auroc_figure

GOLDEN = Path(__file__).with_name("golden")
WANTED = json.loads((GOLDEN / "golden.json").read_text())


@pytest.fixture(scope="module")
def found() -> dict[str, float | None]:
    with np.load(GOLDEN / "golden.npz") as arrays:
        maps, scores = arrays["maps"].astype(np.float32), arrays["scores"].astype(np.float64)
        masks = np.unpackbits(arrays["masks"]).reshape(maps.shape).astype(bool)
    bad = masks.any(axis=(1, 2))
    table = overlap_table(list(maps), list(masks))
    figures = {
        "image_auroc": auroc_figure(scores, bad),
        "image_aupr": aupr_figure(scores, bad),
        "image_f1_max": f1_max_figure(scores, bad),
        "pixel_auroc": pixel_auroc_figure(table),
        "aupro_030": aupro_figure(table, 0.30),
        "aupro_005": aupro_figure(table, 0.05),
    }
    return {name: once(figure, len(maps)) for name, figure in figures.items()}


@pytest.mark.parametrize("name", [name for name in WANTED if name != "anomalib"])
def test_the_figure_is_anomalibs(found: dict[str, float | None], name: str) -> None:
    assert found[name] == pytest.approx(WANTED[name], abs=1e-3)


def test_the_golden_values_are_not_all_at_an_end() -> None:
    assert all(0.1 < WANTED[name] < 0.99 for name in WANTED if name != "anomalib")
