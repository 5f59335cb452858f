from __future__ import annotations

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from radar_edge.evaluation.metrics import auroc, auroc_figure, bootstrap, once, rate_figure, rate_interval, reject_rate
from radar_edge.evaluation.overlap import aupro, aupro_figure, overlap_table, pixel_auroc_figure


def scored(seed: int = 0, parts: int = 300, apart: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and which part is defective."""
    rng = np.random.default_rng(seed)
    anomalous = rng.random(parts) < 0.4
    return np.round(rng.normal(size=parts) + apart * anomalous, 1), anomalous


def test_auroc_is_scikit_learns() -> None:
    scores, anomalous = scored()
    assert auroc(scores, anomalous) == pytest.approx(roc_auc_score(anomalous, scores), abs=1e-12)


def test_auroc_by_hand() -> None:
    anomalous = np.array([False, False, True, True])
    assert auroc(np.array([1.0, 2, 3, 4]), anomalous) == 1
    assert auroc(np.array([4.0, 3, 2, 1]), anomalous) == 0
    assert auroc(np.array([1.0, 3, 2, 4]), anomalous) == 0.75
    assert auroc(np.zeros(4), anomalous) == 0.5


def test_swapped_labels_turn_auroc_round() -> None:
    scores, anomalous = scored()
    value = auroc(scores, anomalous)
    assert value is not None
    assert auroc(scores, ~anomalous) == pytest.approx(1 - value)
    assert value > 0.6


def test_auroc_needs_both_classes() -> None:
    assert auroc(np.arange(3.0), np.zeros(3, bool)) is None
    assert auroc(np.arange(3.0), np.ones(3, bool)) is None
    assert auroc(np.zeros(0), np.zeros(0, bool)) is None


def test_a_weight_is_a_repeated_part() -> None:
    scores, anomalous = scored(parts=40)
    weights = np.random.default_rng(1).integers(0, 4, (5, 40))
    drawn = [auroc(np.repeat(scores, w), np.repeat(anomalous, w)) for w in weights]
    assert auroc_figure(scores, anomalous)(weights.astype(float)) == pytest.approx(np.array(drawn, float))


def test_reject_rate() -> None:
    scores = np.array([0.0, 1, 2, 3])
    assert reject_rate(scores, 1.0) == 0.5
    assert reject_rate(scores, 9.0) == 0
    assert reject_rate(np.zeros(0), 0.0) is None


def test_the_interval_holds_the_value_and_shrinks_with_more_parts() -> None:
    widths = []
    for parts in (60, 600):
        scores, anomalous = scored(parts=parts)
        interval = bootstrap(auroc_figure(scores, anomalous), [str(i) for i in range(parts)])
        assert interval is not None
        assert interval[0] < auroc(scores, anomalous) < interval[1]  # type: ignore[operator]
        widths.append(interval[1] - interval[0])
    assert widths[1] < widths[0] / 2


def test_parts_of_one_group_tell_less_than_independent_ones() -> None:
    scores, anomalous = (np.repeat(column, 6) for column in scored(parts=40))
    figure = auroc_figure(scores, anomalous)
    grouped = bootstrap(figure, [str(i // 6) for i in range(240)])
    single = bootstrap(figure, [str(i) for i in range(240)])
    assert grouped is not None
    assert single is not None
    assert grouped[1] - grouped[0] > 1.8 * (single[1] - single[0])


def test_a_bootstrap_is_the_same_each_time() -> None:
    scores, anomalous = scored()
    names = [str(i) for i in range(300)]
    figure = auroc_figure(scores, anomalous)
    assert bootstrap(figure, names) == bootstrap(figure, names)
    assert bootstrap(figure, names, seed=1) != bootstrap(figure, names)


def test_no_interval_where_most_draws_have_one_class() -> None:
    scores, one_group = np.arange(20.0), ["a"] * 19 + ["b"]
    assert bootstrap(auroc_figure(scores, np.arange(20) % 2 == 0), one_group) is not None
    assert bootstrap(auroc_figure(scores, np.ones(20, bool)), one_group) is None


def test_the_interval_of_a_rate() -> None:
    names = [str(i) for i in range(50)]
    some = rate_interval(np.arange(50) < 10, names)
    assert some is not None
    assert some == pytest.approx((0.2 - 0.11, 0.2 + 0.11), abs=0.03)
    assert rate_interval(np.zeros(0, bool), []) is None


def test_a_rate_of_nothing_still_has_a_width() -> None:
    """The rule of three, nearly: none of 50 is not never."""
    names = [str(i) for i in range(50)]
    assert bootstrap(rate_figure(np.zeros(50, bool)), names) == (0, 0)
    assert rate_interval(np.zeros(50, bool), names) == pytest.approx((0, 0.0711), abs=1e-4)
    assert rate_interval(np.ones(50, bool), names) == pytest.approx((1 - 0.0711, 1), abs=1e-4)
    in_five_groups = rate_interval(np.zeros(50, bool), [str(i % 5) for i in range(50)])
    assert in_five_groups == pytest.approx((0, 0.5218), abs=1e-4)


def exact_aupro(maps: list[np.ndarray], masks: list[np.ndarray], limit: float) -> float:
    """From the definition, by scikit-learn's weighted ROC curve; masks as large as the maps."""
    normal = np.concatenate([one[~mask] for one, mask in zip(maps, masks, strict=True)])
    regions = []
    for one, mask in zip(maps, masks, strict=True):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8))
        regions += [one[labels == region] for region in range(1, count)]
    values = np.concatenate([normal, *regions])
    weights = np.concatenate([np.ones(len(normal)), *(np.full(len(r), 1 / len(r)) for r in regions)])
    fpr, pro, _ = roc_curve(np.arange(len(values)) >= len(normal), values, sample_weight=weights)
    inside = fpr < limit
    x, y = np.append(fpr[inside], limit), np.append(pro[inside], np.interp(limit, fpr, pro))
    return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum() / limit)


def drawn_maps(count: int = 30, side: int = 64, strength: float = 1.5) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Noise that rises over up to three regions of very different sizes in every other map."""
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(side, side)).astype(np.float32) for _ in range(count)]
    masks = [np.zeros((side, side), bool) for _ in range(count)]
    for mask in masks[::2]:
        for size in (2, 8, 20):
            y, x = rng.integers(0, side - size, 2)
            mask[y : y + size, x : x + size] = True
    return [one + np.float32(strength) * mask for one, mask in zip(maps, masks, strict=True)], masks


@pytest.mark.parametrize("limit", [0.30, 0.05])
def test_aupro_is_that_of_the_definition(limit: float) -> None:
    maps, masks = drawn_maps()
    assert aupro(maps, masks, limit) == pytest.approx(exact_aupro(maps, masks, limit), abs=1e-3)


def test_aupro_by_hand() -> None:
    """Two regions of 1 and 4 pixels count alike: the small one found, the large one missed, is a half."""
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = mask[4:6, 4:6] = True
    found = np.zeros((8, 8), np.float32)
    found[0, 0] = 5
    found[4:6, 4:6] = -5
    assert aupro([found], [mask], 0.3) == pytest.approx(0.5)
    both = np.where(mask, 5, np.arange(64).reshape(8, 8) / 100).astype(np.float32)
    assert aupro([both], [mask], 0.3) == pytest.approx(1)
    assert aupro([-both], [mask], 0.3) == pytest.approx(0)


def test_a_map_of_one_value_is_a_guess() -> None:
    _, masks = drawn_maps(4)
    assert aupro([np.zeros((64, 64), np.float32)] * 4, masks, 0.3) == pytest.approx(0.15)


def test_aupro_needs_a_region() -> None:
    maps, masks = drawn_maps(4)
    assert aupro(maps, [np.zeros_like(mask) for mask in masks], 0.3) is None
    assert aupro([], [], 0.3) is None


def test_a_shifted_mask_lowers_aupro() -> None:
    maps, masks = drawn_maps(strength=4)
    values = [aupro(maps, [np.roll(mask, shift, axis=1) for mask in masks], 0.3) for shift in (0, 1, 8)]
    assert values[0] > values[1] > values[2]  # type: ignore[operator]
    assert values[0] == pytest.approx(1, abs=0.02)


def test_a_finer_mask_says_the_same() -> None:
    maps, masks = drawn_maps()
    fine = [np.kron(mask, np.ones((4, 4), bool)) for mask in masks]
    assert aupro(maps, fine, 0.3) == pytest.approx(aupro(maps, masks, 0.3))


def test_a_hairline_in_a_fine_mask_keeps_its_weight() -> None:
    """One of 256 columns: a quarter of a column of the map."""
    line = np.zeros((256, 256), bool)
    line[:, 101] = True
    spot = np.zeros((256, 256), bool)
    spot[:40, 200:240] = True
    heat = np.zeros((64, 64), np.float32)
    heat[:, 25] = 2
    table = overlap_table([heat, heat], [line, spot])
    assert table.regions.tolist() == [1, 1]
    assert table.normal.sum(axis=1).tolist() == [64 * 64 - 16, 64 * 64 - 100]
    assert table.overlap.sum(axis=1) == pytest.approx([1, 1])
    assert aupro([heat], [line], 0.3) == pytest.approx(1, abs=0.03)


def test_a_weight_is_a_repeated_map() -> None:
    maps, masks = drawn_maps(8)
    weights = np.array([[2, 1, 0, 0, 1, 3, 0, 1], [0, 1, 0, 1, 0, 1, 0, 1], [1, 1, 1, 1, 1, 1, 1, 1]])
    values = aupro_figure(overlap_table(maps, masks), 0.3)(weights.astype(float))
    twice = [i for i, weight in enumerate(weights[0]) for _ in range(weight)]
    assert values[0] == pytest.approx(aupro([maps[i] for i in twice], [masks[i] for i in twice], 0.3), abs=1e-3)
    assert np.isnan(values[1])
    assert values[2] == pytest.approx(once(aupro_figure(overlap_table(maps, masks), 0.3), 8))


def test_pixel_auroc_is_scikit_learns() -> None:
    maps, masks = drawn_maps()
    exact = roc_auc_score(np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps]))
    assert once(pixel_auroc_figure(overlap_table(maps, masks)), len(maps)) == pytest.approx(exact, abs=1e-3)


def test_pixel_auroc_needs_a_defective_pixel() -> None:
    maps, masks = drawn_maps(4)
    table = overlap_table(maps, [np.zeros_like(mask) for mask in masks])
    assert once(pixel_auroc_figure(table), 4) is None


def test_a_mask_that_lies_8_px_off_lowers_pixel_auroc() -> None:
    maps, masks = drawn_maps(strength=4)
    values = [
        once(pixel_auroc_figure(overlap_table(maps, [np.roll(m, shift, axis=1) for m in masks])), len(maps))
        for shift in (0, 8)
    ]
    assert values[0] - values[1] > 0.1  # type: ignore[operator]


def test_less_confidence_is_a_narrower_interval() -> None:
    scores, anomalous = scored()
    groups = [str(n) for n in range(len(scores))]
    wide, narrow = (bootstrap(auroc_figure(scores, anomalous), groups, confidence=c) for c in (0.95, 0.90))
    assert wide is not None
    assert narrow is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
