"""The mount from a target that both cameras see: a chessboard or a grid of circles. Pure.

A thermal camera sees a board whose fields differ in emissivity or warmth, as often as not with black and white
changed over, so each picture is also looked at inverted. A board that looks the same upside down is taken the way
round that turns the picture less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.errors import DatasetError, UsageError
from radar_edge.records import Image
from radar_edge.registration.estimate import Estimate, Points, corners, cover_of, fit, rms, transform
from radar_edge.registration.structure import grey

KINDS = ("chessboard", "circles")
TOLERANCE_PX = 3.0
ENLARGE_BELOW = 320
"""A thermal picture smaller than this is looked at twice as large: the detectors want a few pixels a field."""


@dataclass(frozen=True)
class Target:
    """`columns` x `rows` inner corners of a chessboard, or circles of a grid."""

    kind: str
    columns: int
    rows: int

    @classmethod
    def of(cls, text: str) -> Target:
        """From `chessboard:9x6` or `circles:7x5`. Raises UsageError."""
        found = re.fullmatch(r"(\w+):(\d+)x(\d+)", text)
        if found is None or found[1] not in KINDS or min(int(found[2]), int(found[3])) < 3:
            raise UsageError(
                "there is no such target",
                found=text,
                wanted="chessboard:COLUMNSxROWS (its inner corners) or circles:...",
            )
        return cls(found[1], int(found[2]), int(found[3]))

    def __str__(self) -> str:
        return f"{self.kind} of {self.columns} x {self.rows}"


def register_target(pairs: Sequence[tuple[Image, Image]], target: Target) -> Estimate:
    """From (reference, moving) pictures in which the target lies where parts lie. One is enough, several are better.

    Raises DatasetError where no pair shows it in both pictures.
    """
    seen = [found for pair in pairs if (found := in_both(*pair, target)) is not None]
    if not seen:
        one = [sum(find(pair[n], target) is not None for pair in pairs) for n in (0, 1)]
        raise DatasetError(
            f"no pair shows the {target} in both pictures",
            found=f"{one[0]} of {len(pairs)} reference and {one[1]} moving pictures show it",
            wanted="the whole target, flat, in focus, warm against its ground for a thermal camera",
            next_step="count its inner corners again; warm the board, or take one with fields of other emissivity",
        )
    height, width = pairs[0][0].shape[:2]
    source, aim = (np.concatenate([points[n] for points in seen]) for n in (1, 0))
    made = fit(source, aim, "homography", TOLERANCE_PX)
    if made is None:
        raise DatasetError(f"the points of the {target} determine no homography", found=f"{len(source)} points")
    matrix, inliers = made
    left_out, spread_px = held_out(source, aim, pairs[0][1].shape)
    return Estimate(
        homography=matrix,
        model="homography",
        method=str(target),
        pairs=len(seen),
        points=int(inliers.sum()),
        residual_px=left_out,
        spread_px=spread_px,
        cover=cover_of(aim, height, width),
    )


def held_out(source: Points, aim: Points, shape: tuple[int, ...]) -> tuple[float, float]:
    """(residual of points left out, how well the worst corner is known) from fits to every other point."""
    halves = [fit(source[n::2], aim[n::2], "homography", TOLERANCE_PX) for n in (0, 1)]
    one, other = halves
    if one is None or other is None:
        return float("inf"), float("inf")
    edge = corners(*shape[:2])
    apart = np.linalg.norm(transform(one[0], edge) - transform(other[0], edge), axis=1)
    residual_px = max(rms(one[0], source[1::2], aim[1::2]), rms(other[0], source[::2], aim[::2]))
    return residual_px, float(apart.max()) / 2


def in_both(reference: Image, moving: Image, target: Target) -> tuple[Points, Points] | None:
    """The target's points in both pictures, in one order."""
    a, b = find(reference, target), find(moving, target)
    if a is None or b is None:
        return None
    return a, min((b, b[::-1]), key=lambda points: turn_between(a, points))


def turn_between(a: Points, b: Points) -> float:
    """The angle between the first row's direction in both, 0 to pi."""
    one, other = a[-1] - a[0], b[-1] - b[0]
    cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9)
    return float(np.arccos(np.clip(cosine, -1, 1)))


def find(image: Image, target: Target) -> Points | None:
    """The target's points `[N, 2]` in raw pixels, or None."""
    plain = eight_bit(image)
    zoom = 2 if max(plain.shape) < ENLARGE_BELOW else 1
    if zoom == 2:
        plain = np.asarray(cv2.resize(plain, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    for picture in (plain, 255 - plain):
        points = detect(picture, target)
        if points is not None:
            return (points + 0.5) / zoom - 0.5
    return None


def detect(picture: npt.NDArray[np.uint8], target: Target) -> Points | None:
    size = (target.columns, target.rows)
    if target.kind == "chessboard":
        flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
        found, points = cv2.findChessboardCornersSB(picture, size, flags=flags)
    else:
        found, points = cv2.findCirclesGrid(picture, size, flags=cv2.CALIB_CB_SYMMETRIC_GRID)
    return np.asarray(points, np.float64).reshape(-1, 2) if found else None


def eight_bit(image: Image) -> npt.NDArray[np.uint8]:
    """The picture's own range on 0 to 255: for looking at, never for judging."""
    plane = grey(image)
    low, high = np.percentile(plane, [0.5, 99.5])
    seen: npt.NDArray[np.uint8] = np.clip((plane - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return seen
