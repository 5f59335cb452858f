"""What report.html says and shows. How a browser takes it: test_report_page.py."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from report_parts import BOTH, RGB, figures, full_metrics, part, parts
from small_set import rgb, square, tir

from radar_edge.errors import MissingPackageError
from radar_edge.evaluation.figures import ORACLE, SEPARATION, cell, missing_rows, rival_rows, stratum_tables
from radar_edge.evaluation.gallery import worth_a_look
from radar_edge.evaluation.histogram import histogram
from radar_edge.evaluation.missing_plot import missing_plot
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.evaluation.pages import PACKAGES
from radar_edge.evaluation.pictures import SIDE, dimmed, outlined, range_of, show_heat, show_image, show_share
from radar_edge.evaluation.report import report_html, warnings, write_report
from radar_edge.evaluation.roc import CORNER, clipped, roc
from radar_edge.evaluation.svg import ticks


def page(folder: Path, **more: Any) -> str:
    metrics = {"subsets": {"rgb": figures(), "rgb_tir": figures()}, "source": "run", "data": "set", **more}
    return report_html(metrics, {RGB: parts(folder, RGB), BOTH: parts(folder)})


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("full")
    return report_html(full_metrics(), {RGB: parts(folder, RGB), BOTH: parts(folder)})


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)))


def test_the_page_asks_for_nothing_but_itself(full: str) -> None:
    assert set(re.findall(r'(?:src|href)="([^"#:]*)[:#]', full)) == {"data", ""}
    assert "<script" not in full
    assert "default-src 'none'" in full
    assert not re.search(r"https?://|url\(|@import", full)


def test_figures_stand_beside_their_intervals(tmp_path: Path) -> None:
    text = words(page(tmp_path))
    for expected in ("0.800 0.700 – 0.900", "86.0 % 70.0 % – 90.0 %", "8 + 8 1 hidden from it"):
        assert text.count(expected) >= 2, expected


def test_a_page_of_few_figures_leaves_out_what_it_does_not_know(tmp_path: Path) -> None:
    text = words(page(tmp_path))
    for absent in ("Oracle", "Baselines", "Missing cameras", "Exchangeability", "AUPRO 0.05", "By lamp", "review 0.7"):
        assert absent not in text


def test_every_figure_of_a_full_evaluation_is_there_and_oracles_are_named_so(full: str) -> None:
    text = words(full)
    for named in (*SEPARATION, *ORACLE):
        assert f"{named.name} {named.meaning}" in text
    assert text.index("Oracle figures") < text.index("F1, best threshold") < text.index("One-line baselines")
    assert "promise nothing by them" in text
    for expected in (
        "< 8.4 % least 1.1 %, 90 parts",
        "By lamp",
        "30 % of tir",
        "tir.highpass_std",
        "background_brightness.rgb",
        "Every threshold aims at",
    ):
        assert expected in text


def test_a_leak_and_other_doubts_stand_before_any_figure(full: str) -> None:
    text = words(full)
    assert "Leak in rgb The control background_brightness.rgb separates the test parts with AUROC 1.000." in text
    assert "rgb_tir: not exchangeable" in text
    assert "what differs: brightness of rgb" in text
    assert "rgb is beaten by less No worse than the detector on the same parts: rgb.std" in text
    assert text.index("Leak in rgb") < text.index("not exchangeable") < text.index("AUROC, visible defects")
    assert warnings({"subsets": {"rgb": figures()}, "leak": None, "exchangeable": None}) == []


def test_a_rival_that_is_as_good_is_marked() -> None:
    subsets = {"rgb": {"image_auroc": 0.9, "baselines": {"a": {"image_auroc": 0.9}, "b": {"image_auroc": 0.89}}}}
    assert [row.cells[0].mark for row in rival_rows("baselines", subsets)] == ["bad", ""]
    assert rival_rows("controls", subsets) == []


def test_a_figure_that_is_not_defined_is_a_dash() -> None:
    assert cell({"x": None, "x_ci": None}, "x", "share").text == "–"
    assert cell({}, "x", "percent").text == "–"
    assert cell({"x": 0.5}, "x", "percent").interval == ""


def test_many_strata_are_cut_short() -> None:
    values = {f"lot-{i:02}": {"good": 1, "defects": 2, "image_auroc": 0.9} for i in range(40)}
    ((column, rows, more),) = stratum_tables({"strata": {"lot": values}}, most=16)
    assert (column, len(rows), more) == ("lot", 16, 24)
    assert [one.text for one in rows[0].cells] == ["1 + 2", "0.900", "–", "–"]


def test_the_best_way_to_score_lost_images_is_marked() -> None:
    (row,) = missing_rows([{"rate": 0.3, "missing": "tir", "calibrated": 0.9, "raw": 0.8, "placeholder": None}])
    assert (row.name, [one.mark for one in row.cells]) == ("30\N{NO-BREAK SPACE}% of tir", ["best", "", ""])
    assert missing_plot([{"rate": 0.3, "missing": "tir", "calibrated": None}]) == ""


def test_names_of_the_user_are_text_and_not_markup(tmp_path: Path) -> None:
    text = page(tmp_path, source="<b>run</b>")
    assert "<title>&lt;b&gt;run&lt;/b&gt; on set</title>" in text
    assert "<b>run" not in text
    named = part(tmp_path, "hole", "x", 0.1, strata={"lamp": "<old>"})
    metrics = {"subsets": {"rgb_tir": figures()}, "source": "run", "data": "set"}
    text = report_html(metrics, {BOTH: [named, *parts(tmp_path)]})
    assert "lamp &lt;old&gt;" in text
    assert "<old>" not in text


def test_what_is_worth_a_look(tmp_path: Path) -> None:
    chosen = {title: (meaning, found) for title, meaning, found in worth_a_look(RGB, parts(tmp_path, RGB), 0.55)}
    assert {title: [one.sample.name for one in found] for title, (_, found) in chosen.items()} == {
        "Worst misses": ["h0", "h1", "h2"],
        "Worst false alarms": ["g7", "g6"],
        "Usual hits": ["h3", "h4", "h5", "h6", "h7"],
    }
    assert chosen["Worst misses"][0].startswith("3 of 8 visible defects escaped")
    assert chosen["Worst false alarms"][0].startswith("2 of 8 good parts rejected")
    none = [found for *_, found in worth_a_look(RGB, parts(tmp_path, RGB), 5.0)]
    assert [len(found) for found in none] == [6, 0, 0]


def test_each_part_shows_its_images_the_truth_its_heat_and_its_weights(tmp_path: Path) -> None:
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page(tmp_path))
    assert set(captions[:20]) == {"rgb", "ground truth", "heat"}
    shown = [re.sub(r" [\d,]+–[\d,]+", "", caption) for caption in captions[-6:]]
    assert shown == ["rgb", "tir", "ground truth", "heat", "weight of rgb 25%", "weight of tir 75%"]


def test_a_defect_without_a_mask_says_so(tmp_path: Path) -> None:
    bare = part(tmp_path, "hole", "x", 0.1, masked=False)
    metrics = {"subsets": {"rgb_tir": figures()}, "source": "run", "data": "set"}
    assert "no mask is given" in report_html(metrics, {BOTH: [bare, *parts(tmp_path)[1:9]]})


def test_the_page_is_written(tmp_path: Path) -> None:
    metrics = {"subsets": {"rgb_tir": figures()}, "source": "run", "data": "set"}
    write_report(tmp_path / "report.html", metrics, {BOTH: parts(tmp_path)})
    text = (tmp_path / "report.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")


@pytest.mark.parametrize("package", PACKAGES)
def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setattr("radar_edge.evaluation.pages.find_spec", lambda name: None if name == package else object())
    with pytest.raises(MissingPackageError, match=rf"{package}(.|\n)*radar-edge\[report\]"):
        page(tmp_path)


def test_every_score_is_in_the_histogram() -> None:
    svg = histogram({"good": [0.0, 0.1, 0.1], "bad": [1.0, 2.0], "hidden": []}, 0.5, 1.5)
    assert "good parts (3)" in svg
    assert "defects it can see (2)" in svg
    assert "cannot see" not in svg
    heights = {kind: [] for kind in ("good", "bad")}
    for height, kind in re.findall(r'height="([\d.]+)" fill="var\(--(\w+)\)"/>', svg):
        heights[kind].append(float(height))
    assert len(heights["good"]) == 2
    assert max(heights["good"]) == pytest.approx(2 * min(heights["good"]), rel=0.01)
    assert heights["bad"] == pytest.approx([min(heights["good"])] * 2, rel=0.01)


def test_the_histogram_shows_the_bands() -> None:
    scores = {"good": [0.0, 1.0], "bad": [2.0, 3.0], "hidden": []}
    assert re.findall(r'class="name (\w+)">', histogram(scores, 1.0, 2.0)) == ["ok", "review", "ng"]
    assert re.findall(r'class="name (\w+)">', histogram(scores, 1.0)) == ["ok", "ng"]
    assert histogram(scores, 1.0, 1.0).count("stroke-dasharray") == 1


def test_equal_scores_have_a_histogram() -> None:
    assert "nan" not in histogram({"good": [1.0], "bad": [1.0], "hidden": []}, 1.0)


def test_the_roc_marks_thresholds_where_they_lie_on_the_curve() -> None:
    good, bad = [i / 100 for i in range(100)], [0.5 + i / 100 for i in range(100)]
    svg = roc(good, bad, {"ok": 0.945, "ng": 0.995}, 0.05)
    titles = re.findall(r"<title>(.*?)</title>", svg)
    assert titles.count("ok: 5.0% of good parts rejected, 55.0% of defects found") == 2, "in both drawings"
    assert titles.count("ng: 0.0% of good parts rejected, 50.0% of defects found") == 2
    assert "Up to 10% false rejects, magnified" in svg
    assert roc([], bad, {}, None) == ""
    assert "nan" not in roc([1.0], [1.0], {"ok": 1.0}, None)


def test_the_magnified_corner_ends_where_the_curve_is() -> None:
    xs, ys = clipped((np.array([0, 0.05, 0.15, 1.0]), np.array([0.2, 0.6, 0.8, 1.0])))
    assert (xs[-1], ys[-1]) == (CORNER, pytest.approx(0.7))


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (-7.3, 17.1, [-5, 0, 5, 10, 15]),
        (0.0, 0.1, [0, 0.02, 0.04, 0.06, 0.08, 0.1]),
        (0.71, 0.99, [0.75, 0.8, 0.85, 0.9, 0.95]),
    ],
)
def test_axes_have_round_numbers(low: float, high: float, wanted: list[float]) -> None:
    assert ticks(low, high, 6) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "image",
    [
        rgb(0),
        rgb(0)[..., 0],
        tir(0),
        rgb(0)[:, :10],
        np.dstack([rgb(0), rgb(0)[..., 0]]),
        np.dstack([tir(0)] * 3),
        rgb(0)[..., :2],
        np.full((9, 9), 30000, np.uint16),
    ],
)
def test_any_image_can_be_shown(image: np.ndarray) -> None:
    shown = show_image(image)
    assert (shown.dtype, shown.ndim, shown.shape[2]) == (np.uint8, 3, 3)
    assert max(shown.shape[:2]) == SIDE
    assert shown.shape[1] / shown.shape[0] == pytest.approx(image.shape[1] / image.shape[0], rel=0.02)


def test_a_thermal_picture_shows_small_contrast_and_says_its_range() -> None:
    image = np.full((16, 16), 30000, np.uint16)
    image[4:12, 4:12] = 30040
    shown = show_image(image)
    assert shown[SIDE // 2, SIDE // 2].mean() > 150 > 60 > shown[5, 5].mean()
    assert range_of(image) == (30000, 30040)


def test_heat_is_clear_when_quiet_and_coloured_at_the_threshold() -> None:
    grey = np.full((SIDE, SIDE, 3), 120, np.uint8)
    heat = np.full((MAP_SIDE, MAP_SIDE), -3.0, np.float32)
    assert np.array_equal(show_heat(grey, heat, -3.0, 1.0), grey)
    heat[16:48, 16:48] = 1.0
    shown = show_heat(grey, heat, -3.0, 1.0).astype(int)
    assert np.array_equal(shown[5, 5], [120, 120, 120])
    assert np.ptp(shown[SIDE // 2, SIDE // 2]) > 60
    assert np.argmax(shown[SIDE // 2, SIDE // 2]) == 1, "green"
    heat[:] = 5.0
    assert np.argmax(show_heat(grey, heat, -3.0, 1.0)[SIDE // 2, SIDE // 2]) == 0, "red"


def test_the_outline_is_where_the_mask_ends() -> None:
    mask = cv2.resize(square(), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
    drawn = outlined(dimmed(np.full((SIDE, SIDE, 3), 100, np.uint8)), mask)
    quarter = SIDE // 4
    assert drawn[quarter, quarter].tolist() == [0, 255, 255]
    assert drawn[quarter * 3 // 2, quarter * 3 // 2].tolist() == [50, 50, 50]
    assert (drawn[..., 1] == 255).sum() == 4 * (quarter - 1)


def test_a_weight_is_black_for_nothing_and_white_for_all() -> None:
    share = np.array([[0, 1]], np.float32).repeat(2, axis=0)
    shown = show_share(share, (SIDE, SIDE, 3))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[0, -1].tolist() == [255, 255, 255]
