"""Scores and figures of a set whose defects are bright spots, by the fake Runner, which sees brightness."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_set import halve_file, rgb, square, tir, write_set

from radar_edge.data.dataset import fit_preprocess
from radar_edge.data.layouts import Dataset, Sample, index
from radar_edge.errors import DatasetError
from radar_edge.evaluation.evaluate import Judged, can_judge, judge, sees
from radar_edge.evaluation.measure import metrics_of
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.inference.runner import Runner, open_runner
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import Preprocess, write_png

SIZE = 64
RGB, TIR, BOTH = all_subsets(("rgb", "tir"))
FIGURES = ("image_auroc", "image_auroc_any", "aupro_030", "aupro_005", "frr_at_threshold", "escape_at_threshold")


def write_spots(root: Path, parts: int = 12) -> Path:
    """Good parts, and in turn defects that only RGB shows, only TIR shows, or both show."""
    write_set(root)
    rows = ["split,cls,name,group,visible_in"]
    rows += [f"train,good,{i:03},," for i in range(6)] + [f"test,good,{i:03},," for i in range(3)]
    rows += [f"test,hole,{i:03},,rgb_tir" for i in range(3)]
    for i in range(parts):
        seen = ("rgb", "tir", "rgb_tir")[i % 3]
        rows += [f"test,good,g{i:02},p{i // 2},", f"test,spot,s{i:02},q{i // 2},{seen}"]
        for cls, name, spot in (("good", f"g{i:02}", ""), ("spot", f"s{i:02}", seen)):
            colour, heat = rgb(1000 + 2 * i + bool(spot)), tir(1000 + 2 * i + bool(spot))
            if "rgb" in spot:
                colour[square() > 0] = 250
            if "tir" in spot:
                heat[square(16) > 0] += 600
            write_png(root / "test" / cls / "rgb" / f"{name}.png", colour)
            write_png(root / "test" / cls / "tir" / f"{name}.png", heat)
        write_png(root / "test" / "spot" / "gt" / f"s{i:02}.png", square())
    for i in range(3):
        for name, image in (("rgb", rgb(i)), ("tir", tir(i))):
            image[square(image.shape[0]) > 0] += np.asarray(130 if name == "rgb" else 600, image.dtype)
            write_png(root / "test" / "hole" / name / f"{i:03}.png", image)
    (root / "samples.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return index(write_spots(tmp_path_factory.mktemp("spots")))


@pytest.fixture(scope="module")
def preprocess(dataset: Dataset) -> Preprocess:
    return fit_preprocess(dataset, SIZE)


@pytest.fixture(scope="module")
def runners(preprocess: Preprocess, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Subset, Runner]:
    folder = tmp_path_factory.mktemp("engines")
    opened = {}
    for subset in (RGB, TIR, BOTH):
        shapes = {name: [1, preprocess.modalities[name].input_channels, SIZE, SIZE] for name in subset}
        (folder / f"{subset}.json").write_text(json.dumps({"inputs": shapes}))
        opened[subset] = open_runner("fake", folder / f"{subset}.json", subset, "fp32")
    return opened


@pytest.fixture(scope="module")
def judged(dataset: Dataset, preprocess: Preprocess, runners: Mapping[Subset, Runner]) -> dict[Subset, list[Judged]]:
    return judge(runners, dataset.select("test"), preprocess)


@pytest.fixture(scope="module")
def figures(judged: dict[Subset, list[Judged]]) -> dict[str, Any]:
    thresholds = {subset: highest_good(parts) for subset, parts in judged.items()}
    return dict(metrics_of(judged, thresholds)["subsets"])


def highest_good(parts: list[Judged]) -> float:
    return max(part.score for part in parts if part.sample.is_good)


def test_every_engine_judges_every_part(judged: dict[Subset, list[Judged]], dataset: Dataset) -> None:
    keys = [sample.key for sample in dataset.select("test")]
    for subset, parts in judged.items():
        assert [part.sample.key for part in parts] == keys
        assert all(part.heat.shape == (MAP_SIDE, MAP_SIDE) for part in parts)
        shape = None if len(subset) == 1 else (2, SIZE, SIZE)
        assert {None if p.contribution is None else p.contribution.shape for p in parts} == {shape}


def test_a_part_without_a_modality_is_left_to_the_others(
    preprocess: Preprocess, runners: Mapping[Subset, Runner], tmp_path: Path
) -> None:
    write_spots(tmp_path, parts=3)
    (tmp_path / "test" / "spot" / "rgb" / "s01.png").unlink()
    samples = index(tmp_path).select("test", good=False)
    steps: list[tuple[str, int, int]] = []
    parts = judge(runners, samples, preprocess, lambda *step: steps.append(step))
    assert {subset: len(found) for subset, found in parts.items()} == {RGB: 5, TIR: 6, BOTH: 5}
    assert [can_judge(subset, samples[4]) for subset in (RGB, TIR, BOTH)] == [False, True, False]
    assert steps[-1][1:] == (6, 6)


def test_a_subset_is_asked_for_what_its_cameras_can_see(figures: dict[str, Any]) -> None:
    """The spots are plain where they show at all: whatever the figure lacks is what it must not be asked for."""
    for slug in ("rgb", "tir"):
        assert figures[slug]["image_auroc"] == 1
        assert figures[slug]["escape_at_threshold"] == 0
        assert figures[slug]["image_auroc_any"] < 0.95
        assert (figures[slug]["good"], figures[slug]["defects"], figures[slug]["defects_any"]) == (15, 11, 15)
    assert figures["rgb_tir"]["defects"] == figures["rgb_tir"]["defects_any"] == 15
    assert figures["rgb_tir"]["image_auroc"] == figures["rgb_tir"]["image_auroc_any"]


def test_every_figure_has_its_interval(figures: dict[str, Any]) -> None:
    for slug in ("rgb", "tir", "rgb_tir"):
        for name in FIGURES:
            low, high = figures[slug][f"{name}_ci"]
            assert 0 <= low <= figures[slug][name] <= high <= 1, (slug, name)
    json.dumps(figures, allow_nan=False)


def test_rates_are_those_at_the_threshold(judged: dict[Subset, list[Judged]]) -> None:
    scores = sorted(part.score for part in judged[BOTH] if part.sample.is_good)
    thresholds = {RGB: 1e6, TIR: -1e6, BOTH: scores[9]}
    found = metrics_of(judged, thresholds)["subsets"]
    assert [found[slug]["frr_at_threshold"] for slug in ("rgb", "tir", "rgb_tir")] == [0, 1, 5 / 15]
    assert [found[slug]["escape_at_threshold"] for slug in ("rgb", "tir")] == [1, 0]
    assert found["rgb"]["frr_at_threshold_ci"][1] > 0.1


def test_the_maps_find_the_spots(figures: dict[str, Any], judged: dict[Subset, list[Judged]]) -> None:
    assert figures["rgb"]["aupro_030"] > 0.9
    blind = [Judged(p.sample, p.score, np.zeros_like(p.heat), None) for p in judged[RGB]]
    assert metrics_of({RGB: blind}, {RGB: 0.0})["subsets"]["rgb"]["aupro_030"] == pytest.approx(0.15)


def test_sets_without_masks_have_no_overlap(judged: dict[Subset, list[Judged]]) -> None:
    bare = [part for part in judged[RGB] if part.sample.is_good]
    bare += [Judged(unmasked(part), part.score, part.heat, None) for part in judged[RGB] if not part.sample.is_good]
    found = metrics_of({RGB: bare}, {RGB: 0.0})["subsets"]["rgb"]
    assert [found[name] for name in ("aupro_030", "aupro_030_ci", "aupro_005", "aupro_005_ci")] == [None] * 4
    assert found["image_auroc"] == 1


def unmasked(part: Judged) -> Sample:
    return replace(part.sample, mask=None)


@pytest.mark.parametrize("good", [True, False])
def test_one_class_alone_measures_nothing(judged: dict[Subset, list[Judged]], good: bool) -> None:
    parts = [part for part in judged[RGB] if part.sample.is_good is good]
    with pytest.raises(DatasetError, match="cannot measure rgb"):
        metrics_of({RGB: parts}, {RGB: 0.0})


def test_a_subset_that_sees_no_defect_has_no_figure_for_them(judged: dict[Subset, list[Judged]]) -> None:
    parts = [p for p in judged[TIR] if p.sample.is_good or not sees(TIR, p.sample)]
    found = metrics_of({TIR: parts}, {TIR: 0.0})["subsets"]["tir"]
    assert (found["defects"], found["defects_any"]) == (0, 4)
    assert [found[name] for name in ("image_auroc", "escape_at_threshold", "aupro_030")] == [None] * 3
    assert 0 < found["image_auroc_any"] < 1


def test_where_a_defect_shows_is_taken_as_everywhere_if_unknown(dataset: Dataset, tmp_path: Path) -> None:
    by_name = {sample.name: sample for sample in dataset.select("test", good=False)}
    assert [sees(subset, by_name["s00"]) for subset in (RGB, TIR, BOTH)] == [True, False, True]
    unknown = index(write_set(tmp_path)).select("test", good=False)[0]
    assert [sees(subset, unknown) for subset in (RGB, TIR, BOTH)] == [True, True, True]


def test_an_image_that_cannot_be_used_is_named(
    preprocess: Preprocess, runners: Mapping[Subset, Runner], tmp_path: Path
) -> None:
    dataset = index(write_set(tmp_path))
    wrong = tmp_path / "test" / "good" / "tir" / "001.png"
    write_png(wrong, np.zeros((16, 16), np.uint8))
    with pytest.raises(DatasetError, match=r"test/good/tir/001\.png.*not of the kind") as caught:
        judge(runners, dataset.select("test"), preprocess)
    assert caught.value.wanted == "1 channel(s) of 16 bit"
    write_png(wrong, tir(0))
    halve_file(tmp_path / "test" / "good" / "rgb" / "000.png")
    with pytest.raises(DatasetError, match=r"rgb/000\.png is not a complete image"):
        judge(runners, dataset.select("test"), preprocess)
