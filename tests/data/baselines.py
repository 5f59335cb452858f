"""One number an image: what needs no learning at all. A set that one of them solves proves nothing."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

BASELINES = ("mean", "std", "high-pass std", "p99.9 - p99", "distance to the mean good image")


def numbers(image: np.ndarray, mean_good: np.ndarray) -> list[float]:
    """The baselines of `[H, W]` or `[H, W, 3]`, in their order."""
    pixels = image.astype(np.float32)
    high_passed = pixels - cv2.GaussianBlur(pixels, (0, 0), 2.0)
    high, higher = np.percentile(pixels, (99, 99.9))
    distance = np.sqrt(np.mean((pixels - mean_good) ** 2))
    return [float(v) for v in (pixels.mean(), pixels.std(), high_passed.std(), higher - high, distance)]


def z_scores(test: list[np.ndarray], train: list[np.ndarray]) -> np.ndarray:
    """`[images, baselines]` in deviations of the good training images."""
    mean_good = np.mean(np.stack(train).astype(np.float32), axis=0)
    known = np.array([numbers(image, mean_good) for image in train])
    return (np.array([numbers(image, mean_good) for image in test]) - known.mean(axis=0)) / known.std(axis=0)


def auroc(bad: np.ndarray, scores: np.ndarray) -> float:
    """By ranks (Mann-Whitney), in whichever direction is better."""
    above = (scores[bad][:, None] > scores[~bad][None, :]).mean()
    level = (scores[bad][:, None] == scores[~bad][None, :]).mean()
    value = float(above + level / 2)
    return max(value, 1 - value)


def best_auroc(bad: np.ndarray, per_modality: list[np.ndarray]) -> dict[str, float]:
    """Best AUROC of each baseline over the modalities: alone, summed, and as the larger deviation of them."""
    result = {}
    for column, name in enumerate(BASELINES):
        columns = [scores[:, column] for scores in per_modality]
        signs = itertools.product((1, -1), repeat=len(columns))
        summed = [sum(sign * c for sign, c in zip(row, columns, strict=True)) for row in signs]
        larger = np.max(np.abs(columns), axis=0)
        result[name] = max(auroc(bad, scores) for scores in [*columns, *summed, larger])
    return result
