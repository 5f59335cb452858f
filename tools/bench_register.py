#!/usr/bin/env python
"""How well `radar-edge register` finds a mount from the scene of a set of real pairs, without a target.

    tools/bench_register.py --data DIR [--pairs 30 60 120] [--repeats 6] [--limit-percent 2]

The true mount of a real set is not known. So each repeat draws two groups of different pairs, moves the moving
pictures of the second by a homography drawn at random (shift up to 6 %, corners up to 2 % of the side), estimates
both mounts, and compares the second with the first after the same move. The error is thus of two estimates, and each
alone errs less by about the square root of two. Prints one JSON document: for every number of pairs the errors in
pixels of the reference (`corner`: the worst of four, `middle`: of the points 20 % further in), all repeats and those
that the command would have accepted.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from radar_edge.data.pairs import find_pairs
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image
from radar_edge.registration.estimate import Estimate, corners, transform
from radar_edge.registration.scene import register_scene

Pairs = list[tuple[np.ndarray, np.ndarray]]
SHIFT, BEND = 0.06, 0.02


@dataclass(frozen=True)
class Trial:
    corner_px: float
    middle_px: float
    accepted: bool


def drawn_mount(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    edge, side = corners(*shape[:2]), max(shape[:2])
    moved = edge + rng.uniform(-SHIFT, SHIFT, 2) * side + rng.uniform(-BEND, BEND, (4, 2)) * side
    return cv2.getPerspectiveTransform(edge.astype(np.float32), moved.astype(np.float32)).astype(np.float64)


def estimate(pairs: Pairs) -> Estimate | None:
    try:
        return register_scene(pairs)
    except DatasetError:
        return None


def trial(one: Pairs, other: Pairs, limit_percent: float, rng: np.random.Generator) -> Trial | None:
    """None if one of the two was refused outright."""
    (height, width), view = one[0][1].shape[:2], one[0][0].shape[:2]
    mount = drawn_mount((height, width), rng)
    back = np.linalg.inv(mount)
    moved = [(a, cv2.warpPerspective(b, back, (width, height), borderMode=cv2.BORDER_REPLICATE)) for a, b in other]
    first, second = estimate(one), estimate(moved)
    if first is None or second is None:
        return None
    edge = corners(height, width)
    inner = edge.mean(axis=0) + 0.6 * (edge - edge.mean(axis=0))
    corner_px, middle_px = (
        float(np.linalg.norm(transform(second.homography, at) - transform(first.homography @ mount, at), axis=1).max())
        for at in (edge, inner)
    )
    limit_px = limit_percent / 100 * max(view)
    return Trial(corner_px, middle_px, accepted=not (first.faults(limit_px) or second.faults(limit_px)))


def summary(trials: list[Trial | None]) -> dict[str, object]:
    def of(chosen: list[Trial]) -> dict[str, object]:
        if not chosen:
            return {"trials": 0}
        corner, middle = ([getattr(t, name) for t in chosen] for name in ("corner_px", "middle_px"))
        return {
            "trials": len(chosen),
            "corner_median_px": float(np.median(corner)),
            "corner_max_px": max(corner),
            "middle_median_px": float(np.median(middle)),
            "middle_max_px": max(middle),
        }

    estimated = [one for one in trials if one is not None]
    accepted = [one for one in estimated if one.accepted]
    return {"repeats": len(trials), "estimated": of(estimated), "accepted": of(accepted)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reference", default="rgb")
    parser.add_argument("--moving", default="tir")
    parser.add_argument("--pairs", type=int, nargs="+", default=[30, 60, 120])
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--limit-percent", type=float, default=2.0)
    given = parser.parse_args()
    files = find_pairs(given.data, given.reference, given.moving)
    found = {}
    for count in given.pairs:
        rng = np.random.default_rng(count)
        trials = []
        for _ in range(given.repeats):
            order = rng.permutation(len(files))[: 2 * count]
            images = [(read_image(files[n][0]), read_image(files[n][1])) for n in order]
            trials.append(trial(images[:count], images[count:], given.limit_percent, rng))
        found[str(count)] = summary(trials)
    view = list(read_image(files[0][0]).shape[:2])
    print(json.dumps({"machine": platform.machine(), "view": view, "of_pairs": len(files), "pairs": found}))


if __name__ == "__main__":
    main()
