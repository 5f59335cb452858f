"""What methods share: scores on one scale, images of 8 bit, costs, the ablations' networks, and means over seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bench_set import write_bench_set

from radar_edge.benchmark import scored
from radar_edge.benchmark.ablations import VARIANTS, ConcatFusion, substituted
from radar_edge.benchmark.cells import Cell
from radar_edge.benchmark.peer_method import fused, standardised
from radar_edge.benchmark.plain_images import PlainImages
from radar_edge.benchmark.radar_method import CODE, PACKAGE
from radar_edge.benchmark.results import costs_of, rows_of
from radar_edge.benchmark.run import QUICK_FIT_PARTS, QUICK_PEER_STEPS, QUICK_STEPS
from radar_edge.benchmark.scored import Cost, Digests, Meter, Scored, sources
from radar_edge.benchmark.second_modality import BLUR_SHARE, MIDDLE
from radar_edge.data.adapters.plan import Options
from radar_edge.data.layouts import index
from radar_edge.models import mrf, radar
from radar_edge.models.radar import Radar, RadarConfig
from radar_edge.preprocess import read_image
from radar_edge.training import losses, step

SIDE = scored.MAP_SIDE


def said(scores: list[float], maps: bool = True) -> Scored:
    keys = tuple(f"p{i}" for i in range(len(scores)))
    planes = np.stack([np.full((SIDE, SIDE), score, np.float32) for score in scores]) if maps else None
    return Scored(keys, np.array(scores, np.float64), planes)


def test_scores_are_in_standard_deviations_of_held_out_parts() -> None:
    found = standardised(said([1.0, 3.0, 2.0, 6.0]), ["p0", "p1"], ["p3", "p2"])
    assert found.keys == ("p3", "p2")
    assert found.scores.tolist() == [4.0, 0.0]
    assert found.maps is not None
    assert found.maps[:, 0, 0].tolist() == [4.0, 0.0]


def test_held_out_parts_that_all_score_alike_do_not_divide_by_zero() -> None:
    found = standardised(said([1.0, 1.0, 2.0]), ["p0", "p1"], ["p2"])
    assert np.isfinite(found.scores).all()
    assert found.scores[0] > 0


def test_fusion_is_the_mean_of_what_is_there() -> None:
    both = fused([said([0.0, 4.0]), said([2.0, 0.0])])
    assert both.scores.tolist() == [1.0, 2.0]
    assert both.maps is not None
    assert both.maps[:, 3, 3].tolist() == [1.0, 2.0]
    assert fused([said([0.0, 4.0])]).scores.tolist() == [0.0, 4.0]
    assert fused([said([0.0]), said([1.0], maps=False)]).maps is None


def test_verdicts_come_back_as_they_were(tmp_path: Path) -> None:
    cost = Cost(cpu_seconds=1.5, fit_seconds=1, score_seconds=2, parameters=3, versions={"a": "1"})
    scored.save(tmp_path / "v.npz", {"rgb": said([1.0, 2.0]), "rgb_tir": said([3.0], maps=False)}, cost)
    found, kept = scored.load(tmp_path / "v.npz")
    assert kept == cost
    assert found["rgb"].keys == ("p0", "p1")
    assert np.array_equal(found["rgb"].maps, said([1.0, 2.0]).maps)
    assert found["rgb_tir"].maps is None


def test_cpu_time_of_earlier_starts_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scored, "KEEP_EVERY_S", -1.0)
    clock = iter([10.0, 14.0, 100.0, 101.0])
    monkeypatch.setattr(scored.time, "process_time", lambda: next(clock))
    Meter(tmp_path / "cpu.json").tick()
    assert json.loads((tmp_path / "cpu.json").read_text()) == {"cpu_seconds": 4.0}
    assert Meter(tmp_path / "cpu.json").cpu_seconds == 5.0


def test_other_code_is_another_digest(tmp_path: Path) -> None:
    for name in ("one.py", "more/two.py", "more/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    first = sources(tmp_path / "one.py", tmp_path / "more")
    assert len(first) == 2
    (tmp_path / "more/notes.txt").write_text("other")
    assert sources(tmp_path / "one.py", tmp_path / "more") == first
    (tmp_path / "more/two.py").write_text("other")
    assert sources(tmp_path / "one.py", tmp_path / "more") != first


def test_the_code_of_radar_is_where_it_is_looked_for() -> None:
    named = sources(*(PACKAGE / place for place in CODE))
    assert {"models/radar.py", "training/train.py", "training/anomalies.py", "data/dataset.py"} <= set(named)


def test_16_bit_images_become_8_bit_through_one_window(tmp_path: Path) -> None:
    dataset = index(write_bench_set(tmp_path / "set"))
    images = PlainImages(dataset, 32, tmp_path / "work", Digests())
    parts = dataset.select("test")
    paths = images.of(parts, "tir", lambda *_: None)
    assert [path.name[:4] for path in paths] == [f"{sample.name}-" for sample in parts]
    raw = np.stack([read_image(sample.paths["tir"]) for sample in parts]).astype(float).ravel()
    plain = np.stack([read_image(path) for path in paths])
    assert plain.dtype == np.uint8
    order = np.argsort(raw)
    assert (np.diff(plain.ravel()[order].astype(int)) >= 0).all()
    # The scaling is learned from smoothed images, so white noise reaches beyond the window.
    assert 0.7 < np.mean((plain > 0) & (plain < 255)) < 1
    stamps = [path.stat().st_mtime_ns for path in paths]
    assert images.of(parts, "tir", lambda *_: None) == paths
    assert [path.stat().st_mtime_ns for path in paths] == stamps


def test_8_bit_images_are_read_where_they_are(tmp_path: Path) -> None:
    dataset = index(write_bench_set(tmp_path / "set"))
    images = PlainImages(dataset, 32, tmp_path / "work", Digests())
    parts = dataset.select("test")
    assert images.of(parts, "rgb", lambda *_: None) == [sample.paths["rgb"] for sample in parts]


SHAPE = RadarConfig(channels={"rgb": 3, "tir": 2}, height=32, width=32, features=8, shared=8)


def outputs(model: Radar, mask: list[float], tir: float = 0.0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    inputs = {"rgb": torch.rand(1, 3, 32, 32, generator=rng), "tir": torch.full((1, 2, 32, 32), tir)}
    with torch.inference_mode():
        return model.eval()(inputs, torch.tensor([mask])).anomaly_map


def test_concatenation_ignores_what_is_absent_and_not_what_is_there() -> None:
    with VARIANTS["radar-concat"]():
        model = Radar(SHAPE)
        assert isinstance(model.fusion, ConcatFusion)
        assert torch.equal(outputs(model, [1.0, 0.0], tir=0.0), outputs(model, [1.0, 0.0], tir=9.0))
        assert not torch.equal(outputs(model, [1.0, 1.0], tir=0.0), outputs(model, [1.0, 1.0], tir=9.0))
    assert isinstance(Radar(SHAPE).fusion, mrf.Fusion)


def test_concatenation_of_one_modality_is_that_modality() -> None:
    features = {"rgb": torch.rand(2, 8, 4, 4)}
    fused_, alpha = ConcatFusion(("rgb",), 8)(features, torch.ones(2, 1))
    assert torch.equal(fused_, features["rgb"])
    assert torch.equal(alpha, torch.ones(2, 1, 4, 4))


def test_the_mean_weighs_everything_alike() -> None:
    with VARIANTS["radar-mean"]():
        _, alpha = Radar(SHAPE).fusion({n: torch.rand(1, 8, 4, 4) for n in ("rgb", "tir")}, torch.ones(1, 2))
    assert torch.allclose(alpha, torch.full_like(alpha, 0.5))


def test_without_maa_the_discrepancy_is_nothing_and_the_loss_too() -> None:
    with VARIANTS["radar-no-maa"]():
        layer = Radar(SHAPE).discrepancy["rgb"]["tir"]
        assert not layer(torch.rand(1, 16, 4, 4)).any()
        assert losses.alignment(None, {}, {}, {}) == 0  # type: ignore[arg-type]


def test_without_dropout_only_the_whole_set_is_trained() -> None:
    with VARIANTS["radar-no-dropout"]():
        assert [subset.slug for subset in step.all_subsets(("rgb", "tir"))] == ["rgb_tir"]
    assert len(step.all_subsets(("rgb", "tir"))) == 3


def test_a_substitution_ends_also_with_an_error() -> None:
    before = radar.both_maps
    with pytest.raises(KeyError), substituted(radar, both_maps=None):
        raise KeyError
    assert before is radar.both_maps


def cell(method: str, seed: int, auroc: float, drawn: list[float | None], job: str) -> Cell:
    cost = Cost(cpu_seconds=1800, fit_seconds=1, score_seconds=1, parameters=7, versions={})
    return Cell(
        digest="", method=method, setting="none-rgb", subset="rgb", missing="none", rate=0.0, splits=(), seed=seed,
        parts=4, defects=2, groups=4, image_auroc=auroc, aupro_030=None,
        drawn={"image_auroc": tuple(drawn)}, costs={job: cost},
    )  # fmt: skip


def test_a_row_is_the_mean_over_seeds_and_compares_draw_by_draw() -> None:
    cells = [
        cell("radar", 0, 0.8, [0.8] * 10, "a"),
        cell("radar", 1, 0.6, [0.6] * 10, "b"),
        cell("padim", 0, 0.9, [0.9, *[None] * 2, *[0.7] * 7], "c"),
        cell("padim", 1, 0.5, [0.5] * 10, "c"),
    ]
    radar_row, padim_row = rows_of(cells, ["tir"])
    assert radar_row["image_auroc"] == pytest.approx(0.7)
    assert radar_row["image_auroc_ci"] == pytest.approx((0.7, 0.7))
    assert radar_row["derived"] == ["tir"]
    assert padim_row["image_auroc_by_seed"] == [0.9, 0.5]
    assert padim_row["minus_radar"] == pytest.approx(0.0)
    low, high = padim_row["minus_radar_ci"]
    assert low == pytest.approx(-0.1, abs=0.01)
    assert -0.1 < high <= 0.0
    costs = costs_of(cells)
    assert (costs["radar"]["jobs"], costs["radar"]["cpu_hours"]) == (2, 1.0)
    assert (costs["padim"]["jobs"], costs["padim"]["cpu_hours"]) == (1, 0.5)


def test_methods_of_other_seeds_are_not_compared() -> None:
    cells = [cell("radar", 0, 0.8, [0.8] * 10, "a"), cell("padim", 1, 0.9, [0.9] * 10, "b")]
    assert "minus_radar" not in rows_of(cells, [])[1]
    assert "minus_radar" in rows_of([cells[0], replace_seed(cells[1])], [])[1]


def replace_seed(one: Cell) -> Cell:
    return one.model_copy(update={"seed": 0})


def test_the_page_says_what_quick_means() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs/benchmark-command.md").read_text().split())
    said_there = f"{QUICK_STEPS} steps of RADAR, {QUICK_PEER_STEPS} of external detectors that train, these on at most "
    assert said_there + f"{QUICK_FIT_PARTS} good parts" in page
    assert f"blur of 1/{round(1 / BLUR_SHARE)} of the shorter side, around {MIDDLE}" in page
    assert f"at most {Options().max_shift_px:g} px" in page
