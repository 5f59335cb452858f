"""Figures along the curves, against scikit-learn and against the definition by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from radar_edge.evaluation.metrics import Figure, once
from radar_edge.evaluation.operating import aupr_figure, escape_at_frr_figure, f1_max_figure, frr_at_escape_figure


def scored(seed: int = 0, parts: int = 200, apart: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and which part is defective."""
    rng = np.random.default_rng(seed)
    anomalous = rng.random(parts) < 0.4
    return np.round(rng.normal(size=parts) + apart * anomalous, 1), anomalous


def thresholds(scores: np.ndarray) -> list[float]:
    return [-np.inf, *np.unique(scores)]


@pytest.mark.parametrize("seed", range(4))
def test_aupr_is_scikit_learns(seed: int) -> None:
    scores, anomalous = scored(seed)
    exact = average_precision_score(anomalous, scores)
    assert once(aupr_figure(scores, anomalous), len(scores)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_f1_max_is_the_best_over_all_thresholds(seed: int) -> None:
    scores, anomalous = scored(seed)
    best = 0.0
    for threshold in thresholds(scores):
        rejected = scores > threshold
        best = max(best, 2 * (rejected & anomalous).sum() / (rejected.sum() + anomalous.sum()))
    assert once(f1_max_figure(scores, anomalous), len(scores)) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.05, 0.3, 1.0])
def test_the_oracles_are_the_best_that_any_threshold_does(seed: int, share: float) -> None:
    scores, anomalous = scored(seed)
    rates = [((scores[~anomalous] > t).mean(), (scores[anomalous] <= t).mean()) for t in thresholds(scores)]
    frr = min(frr for frr, escape in rates if escape <= share)
    escape = min(escape for frr, escape in rates if frr <= share)
    assert once(frr_at_escape_figure(scores, anomalous, share), len(scores)) == pytest.approx(frr)
    assert once(escape_at_frr_figure(scores, anomalous, share), len(scores)) == pytest.approx(escape)


def test_by_hand() -> None:
    """One defect below two of four good parts."""
    scores, anomalous = np.array([1.0, 2, 4, 5, 3, 6]), np.array([False] * 4 + [True] * 2)
    assert once(frr_at_escape_figure(scores, anomalous, 0.0), 6) == 0.5
    assert once(frr_at_escape_figure(scores, anomalous, 0.5), 6) == 0
    assert once(escape_at_frr_figure(scores, anomalous, 0.0), 6) == 0.5
    assert once(escape_at_frr_figure(scores, anomalous, 0.5), 6) == 0


def test_five_per_cent_of_twenty_is_one() -> None:
    scores, anomalous = np.arange(40.0), np.arange(40) >= 20
    scores[20] = -1
    assert once(frr_at_escape_figure(scores, anomalous, 0.05), 40) == 0
    assert once(frr_at_escape_figure(scores, anomalous, 0.049), 40) == 1


FIGURES = [
    aupr_figure,
    f1_max_figure,
    lambda s, a: frr_at_escape_figure(s, a, 0.05),
    lambda s, a: escape_at_frr_figure(s, a, 0.01),
]


@pytest.mark.parametrize("make", FIGURES)
def test_a_weight_is_a_repeated_part(make: object) -> None:
    scores, anomalous = scored(parts=40)
    weights = np.random.default_rng(1).integers(0, 4, (5, 40))
    figure: Figure = make(scores, anomalous)  # type: ignore[operator]
    again = [
        once(make(np.repeat(scores, w), np.repeat(anomalous, w)), int(w.sum()))  # type: ignore[operator]
        for w in weights
    ]
    assert figure(weights.astype(float)) == pytest.approx(np.array(again, float))


@pytest.mark.parametrize("make", FIGURES)
def test_one_class_alone_has_no_figure(make: object) -> None:
    for anomalous in (np.zeros(5, bool), np.ones(5, bool)):
        assert once(make(np.arange(5.0), anomalous), 5) is None  # type: ignore[operator]
    assert once(make(np.zeros(0), np.zeros(0, bool)), 0) is None  # type: ignore[operator]


@pytest.mark.parametrize("make", FIGURES)
def test_swapped_labels_show(make: object) -> None:
    scores, anomalous = scored(apart=3)
    right, wrong = (once(make(scores, labels), len(scores)) for labels in (anomalous, ~anomalous))  # type: ignore[operator]
    assert abs(right - wrong) > 0.1
