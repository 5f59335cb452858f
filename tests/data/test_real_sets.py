"""The real image sets: they must index in seconds, have no fault but those known, and give usable inputs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from radar_edge.data.check import check
from radar_edge.data.dataset import fit_preprocess, hold_out, load_inputs, load_mask
from radar_edge.data.layouts import Dataset, index

pytestmark = pytest.mark.data

SETS = {
    "crack_rgbt": (("rgb", "tir"), 735, 174, (275, 323)),
    "magnetic_tile": (("rgb",), 569, 108, (275, 295)),
    "mvtec_screw": (("rgb",), 320, 64, (41, 119)),
}
"""Modalities, good parts to fit, held-out good parts, and good and defective test parts, as published."""


@pytest.fixture(scope="module", params=SETS)
def name(request: pytest.FixtureRequest) -> str:
    if "RADAR_EDGE_DATA" not in os.environ:
        pytest.skip("RADAR_EDGE_DATA does not name the folder of the real image sets")
    return str(request.param)


@pytest.fixture(scope="module")
def dataset(name: str) -> Dataset:
    return index(Path(os.environ["RADAR_EDGE_DATA"]) / name)


def test_counts_are_the_published_ones(name: str, dataset: Dataset) -> None:
    fit, held_out = hold_out(dataset)
    modalities, fitted, held, test = SETS[name]
    assert dataset.modalities == modalities
    assert len(fit) + (len(held_out) if not dataset.select("validation") else 0) == fitted
    assert len(held_out) == held
    assert tuple(len(dataset.select("test", good)) for good in (True, False)) == test


def test_inputs_are_finite_and_in_range(dataset: Dataset) -> None:
    inputs, presence = load_inputs(dataset.select("train")[::40], fit_preprocess(dataset, 64))
    assert presence.all()
    for array in inputs.values():
        assert np.isfinite(array).all()
        assert 0.2 < array.std() < 5


def test_masks_mark_something(name: str, dataset: Dataset) -> None:
    masks = [load_mask(s, dataset.modalities, 64, 64) for s in dataset.select("test", good=False)[::20]]
    marked = sum(mask.any() for mask in masks)
    assert marked == (0 if name == "mvtec_screw" else len(masks))


def test_check_finds_no_fault(name: str, dataset: Dataset) -> None:
    report = check(dataset.root)
    assert report.faults == ()
    assert sum(count.parts for count in report.counts) == len(dataset.samples)
    assert any("sizes" in note for note in report.notes) is (name == "magnetic_tile")
