"""Paired comparison: figures, intervals over groups, and the parts that changed sides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_parts import BOTH
from report_parts import part as drawn

from radar_edge.data.layouts import Sample
from radar_edge.errors import UsageError
from radar_edge.evaluation.compare import common_subsets, compare, pairs_of
from radar_edge.evaluation.compare_report import write_comparison
from radar_edge.evaluation.evaluate import Judged
from radar_edge.modality import Subset

RGB, TIR = Subset(("rgb",)), Subset(("tir",))
HEAT = np.zeros((4, 4), np.float32)


def part(name: str, cls: str, score: float, **more: Any) -> Judged:
    return Judged(Sample("test", cls, name, {"rgb": Path(name)}, **{"group": name, **more}), score, HEAT, None)


def parts(noise: float, seed: int, shift: float = 0.0) -> list[Judged]:
    """40 good parts and 40 defects, hard or easy for every detector alike; `noise` is the detector's own."""
    rng, own = np.random.default_rng(0), np.random.default_rng(seed)
    hard = rng.normal(size=80) + np.repeat([0, 1.5], 40)
    scores = hard + noise * own.normal(size=80) + np.repeat([0, shift], 40)
    return [part(f"{i:02}", "good" if i < 40 else "hole", float(score)) for i, score in enumerate(scores)]


def of(a: list[Judged], b: list[Judged], limits: tuple[float, float] = (1.0, 1.0)) -> dict[str, Any]:
    result = compare({RGB: a}, {RGB: b}, {RGB: limits[0]}, {RGB: limits[1]})
    return dict(result["subsets"]["rgb"])


def test_a_detector_does_not_differ_from_itself() -> None:
    same = of(parts(0.3, 1), parts(0.3, 1))
    assert same["aupro_030"] == {"a": None, "b": None, "difference": None, "difference_ci": None, "better": None}
    for name in ("image_auroc", "image_auroc_any", "frr_at_threshold", "escape_at_threshold"):
        assert (same[name]["difference"], same[name]["difference_ci"], same[name]["better"]) == (0.0, (0.0, 0.0), None)
        assert same[name]["a"] == same[name]["b"]
    assert same["sides"] == {"won": [], "lost": []}
    assert (same["parts"], same["groups"], same["thresholds"]) == (80, 80, [1.0, 1.0])


def test_a_small_gain_on_the_same_parts_is_seen_that_two_intervals_would_hide() -> None:
    one = of(parts(0.05, 1), parts(0.05, 2, shift=0.4))["image_auroc"]
    low, high = one["difference_ci"]
    assert 0 < low < one["difference"] < high
    assert one["better"] == "b"
    turned = of(parts(0.05, 2, shift=0.4), parts(0.05, 1))["image_auroc"]
    assert (turned["better"], turned["difference"]) == ("a", pytest.approx(-one["difference"]))


def test_fewer_false_rejects_are_better() -> None:
    result = of(parts(0.05, 1), parts(0.05, 1), (0.5, 2.0))
    assert result["frr_at_threshold"]["difference"] < 0
    assert result["frr_at_threshold"]["better"] == "b"
    assert result["escape_at_threshold"]["better"] == "a"


def test_pictures_of_one_part_are_drawn_together() -> None:
    def photographed(times: int, seed: int) -> list[Judged]:
        return [
            part(f"{j.sample.name}-{k}", j.sample.cls, j.score, group=j.sample.group)
            for j in parts(0.5, seed)
            for k in range(times)
        ]

    once, thrice = (of(photographed(n, 1), photographed(n, 2))["image_auroc"] for n in (1, 3))
    assert thrice["difference_ci"] == pytest.approx(once["difference_ci"])


def test_the_parts_that_changed_sides_at_their_own_thresholds() -> None:
    a = [part("g", "good", 3.0), part("h", "good", 0.0), part("x", "hole", 0.5), part("y", "hole", 5.0)]
    b = [part("g", "good", 0.0), part("h", "good", 0.0), part("x", "hole", 0.9), part("y", "hole", 0.1)]
    sides = of(a, b, (1.0, 0.5))["sides"]
    assert [one["part"] for one in sides["won"]] == ["test/good/g", "test/hole/x"]
    assert [one["part"] for one in sides["lost"]] == ["test/hole/y"]
    assert sides["lost"][0] == {"part": "test/hole/y", "good": False, "visible_in": None, "scores": [5.0, 0.1]}


def test_a_defect_that_the_subset_cannot_see_changes_no_sides() -> None:
    hidden = [part("v", "void", score, visible_in=TIR) for score in (5.0, 0.0)]
    rest = [part("g", "good", 0.0), part("x", "hole", 2.0)]
    result = of([hidden[0], *rest], [hidden[1], *rest])
    assert result["sides"] == {"won": [], "lost": []}
    assert result["image_auroc"]["difference"] == 0
    assert result["image_auroc_any"]["difference"] < 0


def test_only_parts_that_both_judged_count() -> None:
    a, b = parts(0.1, 1)[:50], parts(0.1, 2)[30:]
    assert [pair.a.sample.name for pair in pairs_of(a, b)] == [f"{i:02}" for i in range(30, 50)]
    assert of(a, b)["parts"] == 20


def test_figures_that_the_parts_do_not_define_are_none() -> None:
    goods = parts(0.1, 1)[:40]
    result = of(goods, goods)
    assert result["image_auroc"] == {"a": None, "b": None, "difference": None, "difference_ci": None, "better": None}
    assert result["frr_at_threshold"]["difference"] == 0


def test_nothing_in_common_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="no subset of modalities in common"):
        common_subsets((RGB,), (TIR,))


def test_the_page_shows_each_part_that_changed_sides_as_both_saw_it(tmp_path: Path) -> None:
    a = [drawn(tmp_path, "good", "g", 3.0), drawn(tmp_path, "good", "h", 0.0), drawn(tmp_path, "hole", "x", 2.0)]
    b = [drawn(tmp_path, "good", "g", 0.0), drawn(tmp_path, "good", "h", 0.0), drawn(tmp_path, "hole", "x", 0.2)]
    found = compare({BOTH: a}, {BOTH: b}, {BOTH: 1.0}, {BOTH: 0.5})
    write_comparison(tmp_path / "page.html", {**found, "a": "<i>", "b": "new", "data": "set"}, {BOTH: a}, {BOTH: b})
    page = (tmp_path / "page.html").read_text()
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert captions[2:4] == ["A rejects: +2.00", "B passes: -0.50"], "the good part that B won"
    lost = captions.index("ground truth")
    assert captions[lost : lost + 3] == ["ground truth", "A rejects: +1.00", "B passes: -0.30"], (
        "the defect that B lost"
    )
    gaps = [abs(part["scores"][1] - 0.5 - part["scores"][0] + 1) for part in found["subsets"]["rgb_tir"]["furthest"]]
    assert gaps == sorted(gaps, reverse=True)
    assert page.count("Furthest apart") == 1
    assert "&lt;i&gt;" in page
    assert "<script" not in page
