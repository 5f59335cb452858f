from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from small_set import rgb, square, tir

from radar_edge.data.layouts import Sample
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.histogram import histogram
from radar_edge.evaluation.metrics import MAP_SIDE
from radar_edge.evaluation.pictures import SIDE, outlined, range_of, show_heat, show_image, show_share
from radar_edge.evaluation.report import FIGURES, report_html, worth_a_look, write_report
from radar_edge.modality import Subset
from radar_edge.preprocess import write_png

RGB, BOTH = Subset(("rgb",)), Subset(("rgb", "tir"))


def part(folder: Path, cls: str, name: str, score: float, subset: Subset = BOTH, **more: Any) -> Judged:
    paths = {"rgb": folder / f"{cls}_{name}_rgb.png", "tir": folder / f"{cls}_{name}_tir.png"}
    write_png(paths["rgb"], rgb(int(100 * score) % 997))
    write_png(paths["tir"], tir(int(100 * score) % 991))
    mask = None
    if cls != "good":
        mask = folder / f"{cls}_{name}_gt.png"
        write_png(mask, square())
    heat = np.full((MAP_SIDE, MAP_SIDE), score, np.float32)
    shares = np.stack([np.full((8, 8), share, np.float32) for share in (0.25, 0.75)]) if len(subset) == 2 else None
    return Judged(Sample("test", cls, name, paths, mask=mask, **more), score, heat, shares)


def parts(folder: Path, subset: Subset = BOTH) -> list[Judged]:
    hidden = part(folder, "void", "v0", 0.1, subset, visible_in=Subset(("tir",)), strata={"lamp": "<old>"})
    goods = [part(folder, "good", f"g{i}", i / 10, subset) for i in range(8)]
    return [hidden, *goods, *(part(folder, "hole", f"h{i}", 0.3 + i / 10, subset) for i in range(8))]


def figures(threshold: float = 0.55) -> dict[str, Any]:
    values: dict[str, Any] = {"threshold": threshold, "good": 8, "defects": 8, "defects_any": 9}
    for i, name in enumerate(FIGURES):
        values |= {name: 0.8 + i / 100, f"{name}_ci": (0.7, 0.9)}
    return values | {"aupro_005": None, "aupro_005_ci": None}


def page(folder: Path, **more: Any) -> str:
    metrics = {"subsets": {"rgb": figures(), "rgb_tir": figures()}, "source": "run", "data": "set", **more}
    return report_html(metrics, {RGB: parts(folder, RGB), BOTH: parts(folder)})


def test_the_page_asks_for_nothing_but_itself(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert set(re.findall(r'(?:src|href)="([^:"]*):', text)) == {"data"}
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import", text)


def test_figures_stand_beside_their_intervals(tmp_path: Path) -> None:
    text = page(tmp_path)
    for expected in ("0.800<small>[0.700, 0.900]", "84.0%<small>[70.0%, 90.0%]", "<td>–</td>", "and 1 hidden from it"):
        assert text.count(expected) == 2, expected


def test_names_of_the_user_are_text_and_not_markup(tmp_path: Path) -> None:
    text = page(tmp_path, source="<b>run</b>")
    assert "&lt;b&gt;run&lt;/b&gt; on set" in text
    assert "<b>run" not in text
    named = part(tmp_path, "hole", "x", 0.1, strata={"lamp": "<old>"})
    metrics = {"subsets": {"rgb_tir": figures()}, "source": "run", "data": "set"}
    text = report_html(metrics, {BOTH: [named, *parts(tmp_path)]})
    assert "lamp: &lt;old&gt;" in text
    assert "<old>" not in text


def test_what_is_worth_a_look(tmp_path: Path) -> None:
    chosen = dict(worth_a_look(RGB, parts(tmp_path, RGB), 0.55))
    assert {heading: [one.sample.name for one in found] for heading, found in chosen.items()} == {
        "Worst misses (3 of 8 defects escaped)": ["h0", "h1", "h2"],
        "Worst false alarms (2 good parts rejected)": ["g7", "g6"],
        "Usual hits (5 of 8 defects found)": ["h3", "h4", "h5", "h6", "h7"],
    }
    none = dict(worth_a_look(RGB, parts(tmp_path, RGB), 5.0))
    assert [len(found) for found in none.values()] == [6, 0, 0]


def test_each_part_shows_its_images_its_heat_and_its_weights(tmp_path: Path) -> None:
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page(tmp_path))
    assert set(captions[:20]) == {"rgb", "heat"}
    shown = [re.sub(r" \(.*", "", caption) for caption in captions[-5:]]
    assert shown == ["rgb", "tir", "heat", "weight of rgb: 25%", "weight of tir: 75%"]


def test_the_page_is_written(tmp_path: Path) -> None:
    metrics = {"subsets": {"rgb_tir": figures()}, "source": "run", "data": "set"}
    write_report(tmp_path / "report.html", metrics, {BOTH: parts(tmp_path)})
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")


def test_every_score_is_in_the_histogram() -> None:
    svg = histogram({"good": [0.0, 0.1, 0.1], "bad": [1.0, 2.0], "hidden": []}, 0.5)
    assert "good parts (3)" in svg
    assert "defects it can see (2)" in svg
    assert "cannot see" not in svg
    assert "threshold 0.50" in svg
    bars = re.findall(r'height="([\d.]+)" fill="var\(--(\w+)\)"/>', svg)
    heights = [float(height) for height, kind in bars if kind == "good" and height != "11"]
    assert len(heights) == 2
    assert max(heights) == pytest.approx(2 * min(heights))


def test_equal_scores_have_a_histogram() -> None:
    assert "nan" not in histogram({"good": [1.0], "bad": [1.0], "hidden": []}, 1.0)


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
    assert shown[80, 80].mean() > 150 > 60 > shown[5, 5].mean()
    assert range_of(image) == (30000, 30040)


def test_heat_is_clear_when_quiet_and_coloured_at_the_threshold() -> None:
    grey = np.full((SIDE, SIDE, 3), 120, np.uint8)
    heat = np.full((MAP_SIDE, MAP_SIDE), -3.0, np.float32)
    assert np.array_equal(show_heat(grey, heat, -3.0, 1.0), grey)
    heat[16:48, 16:48] = 1.0
    shown = show_heat(grey, heat, -3.0, 1.0).astype(int)
    assert np.array_equal(shown[5, 5], [120, 120, 120])
    assert np.ptp(shown[80, 80]) > 60
    assert np.argmax(shown[80, 80]) == 1, "green"
    heat[:] = 5.0
    assert np.argmax(show_heat(grey, heat, -3.0, 1.0)[80, 80]) == 0, "red"


def test_the_outline_is_where_the_mask_ends() -> None:
    mask = cv2.resize(square(), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
    drawn = outlined(np.zeros((SIDE, SIDE, 3), np.uint8), mask).any(axis=2)
    assert drawn[40, 40]
    assert not drawn[60, 60]
    assert not drawn[20, 20]
    assert drawn.sum() == 4 * 39


def test_a_weight_is_black_for_nothing_and_white_for_all() -> None:
    share = np.array([[0, 1]], np.float32).repeat(2, axis=0)
    shown = show_share(share, (SIDE, SIDE, 3))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[0, -1].tolist() == [255, 255, 255]
