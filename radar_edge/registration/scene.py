"""The mount from the parts themselves: many pairs of pictures, no target. Pure.

    coarse   each scale and turn that a mount may have, with its best shift over the whole picture
    fine     the picture in overlapping cells, the shift of each; a model through the shifts; again, finer
    honest   the same with each half of the pairs: what the halves disagree by is what is not known

Every correlation is summed over the pairs, see structure. An affine model is taken unless a homography is known
better: eight numbers from weak evidence are worse than six.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from radar_edge.errors import DatasetError
from radar_edge.records import Image
from radar_edge.registration.coarse import Stack, coarse
from radar_edge.registration.estimate import Estimate, Points, corners, cover_of, fit, rms, transform
from radar_edge.registration.structure import Matrix, correlation, covered, grey, moved, peak, structure, window

WORK_SIDE = 320
"""The view is looked at with so many pixels on its longer side, at most."""
LEVELS = ((0.5, 2.5), (0.5, 2.0), (0.4, 1.5))
FINEST = (0.35, 1.5)
"""(side of a cell as a share of the longer side, scale of the gradient in px) of each round."""
LEAST_PEAK = 4.0
"""Standard deviations; the highest of a cell's some hundred independent points of noise comes to about three."""
LEAST_CELLS = 10
LEAST_PAIRS = 8
TOLERANCE = 0.0125
"""Of the longer side: a cell whose shift is further from the model than this is an outlier."""

CLEARLY = 0.95
"""A homography is taken where its held-out residual is below so much of the affine model's."""
DRAWS = 60
OVERLAP = 2.0
"""Cells overlap by three quarters, so some four of them say one thing: their mean errs twice as much."""

Progress = Callable[[str], None]
Shift = tuple[float, float, float, float]
"""A cell's middle (x, y), and half of its shift."""


@dataclass(frozen=True)
class Cells:
    """Shifts found: what lies at `source` in the moved picture belongs at `target`."""

    source: Points
    target: Points
    side_px: int

    def __len__(self) -> int:
        return len(self.source)


def register_scene(pairs: Sequence[tuple[Image, Image]], told: Progress = lambda _: None) -> Estimate:
    """From (reference, moving) pictures of the same parts through one mount.

    Raises DatasetError where there are too few pairs, sizes differ, or nothing is found that both pictures show.
    """
    check_pairs(pairs)
    height, width = pairs[0][0].shape[:2]
    zoom = min(1.0, WORK_SIDE / max(height, width))
    size = round(width * zoom), round(height * zoom)
    stack = Stack(
        [np.asarray(cv2.resize(grey(a), size, interpolation=cv2.INTER_AREA)) for a, _ in pairs],
        [grey(b) for _, b in pairs],
    )
    homography = coarse(stack)
    told("rough position found")
    for share, sigma_px in LEVELS:
        homography = refine(stack, homography, share, sigma_px, "affine")
    estimate = choose(stack, homography, told)
    return scaled(estimate, size, (width, height))


def check_pairs(pairs: Sequence[tuple[Image, Image]]) -> None:
    if len(pairs) < LEAST_PAIRS:
        raise DatasetError(
            "too few pairs of pictures to find a mount from the scene",
            found=len(pairs),
            wanted=f"{LEAST_PAIRS}, better 60, of different parts",
            next_step="record more, or use a target",
        )
    for index, name in enumerate(("reference", "moving")):
        sizes = {pair[index].shape[:2] for pair in pairs}
        if len(sizes) > 1:
            raise DatasetError(
                f"the {name} pictures are of different sizes, so not from one camera",
                found=", ".join(f"{w} x {h}" for h, w in sorted(sizes)),
            )


def cells_of(stack: Stack, homography: Matrix, share: float, sigma_px: float) -> tuple[Cells, Cells, Cells]:
    """The shift of each cell whose peak stands out: from all pairs, from every other one, from the rest."""
    width, height = stack.size
    side = min(round(max(width, height) * share), width, height) // 2 * 2
    inside = covered(stack.moving[0].shape, homography, stack.size, 4)
    a_maps = [structure(a, sigma_px) for a in stack.reference]
    b_maps = [structure(moved(b, homography, stack.size), sigma_px) * inside for b in stack.moving]
    taper, step = window(side, side), max(4, side // 4)
    found: tuple[list[Shift], ...] = ([], [], [])
    for top in range(0, height - side + 1, step):
        for left in range(0, width - side + 1, step):
            at = np.s_[top : top + side, left : left + side]
            if inside[at].mean() < 0.9:
                continue
            a, b = ([np.fft.fft2(z[at] * taper) for z in maps] for maps in (a_maps, b_maps))
            halves = [correlation(a[n::2], b[n::2]) for n in (0, 1)]
            for shifts, surface in zip(found, (halves[0] + halves[1], *halves), strict=True):
                dx, dy, z = peak(surface, (side // 4, side // 4))
                if z > LEAST_PEAK:
                    shifts.append((left + (side - 1) / 2, top + (side - 1) / 2, dx / 2, dy / 2))
    whole, one, other = (cells_from(shifts, side) for shifts in found)
    return whole, one, other


def cells_from(shifts: Sequence[Shift], side_px: int) -> Cells:
    at = np.reshape(shifts, (-1, 4))
    return Cells(at[:, :2] - at[:, 2:], at[:, :2] + at[:, 2:], side_px)


def refine(stack: Stack, homography: Matrix, share: float, sigma_px: float, model: str) -> Matrix:
    cells, _, _ = cells_of(stack, homography, share, sigma_px)
    made = fit(cells.source, cells.target, model, TOLERANCE * max(stack.size)) if len(cells) >= LEAST_CELLS else None
    if made is None:
        raise nothing_in_common(len(cells), len(stack.moving))
    return made[0] @ homography


def nothing_in_common(cells: int, pairs: int) -> DatasetError:
    return DatasetError(
        "the two cameras' pictures show nothing in common that a mount could be found from",
        found=f"{cells} places with the same edges in {pairs} pairs",
        wanted=f"{LEAST_CELLS} or more, over most of the picture",
        next_step="see that both cameras look at the same parts, in focus and not too dark; record more parts, warmer "
        "or colder than what is behind them; or use a target",
    )


def choose(stack: Stack, homography: Matrix, told: Progress) -> Estimate:
    """Of both models the one that is known better."""
    made = []
    for model in ("affine", "homography"):
        start = homography
        try:
            for _ in range(2):
                start = refine(stack, start, *FINEST, model)
            made.append(judged(stack, start, model))
        except DatasetError:
            continue
        told(f"{model}: held-out residual {made[-1].residual_px:.2f} px, corners known to {made[-1].spread_px:.2f} px")
    if not made:
        raise nothing_in_common(0, len(stack.moving))
    affine, *projective = made
    better = projective and projective[0].residual_px < CLEARLY * affine.residual_px
    return projective[0] if better else affine


def judged(stack: Stack, homography: Matrix, model: str) -> Estimate:
    """The final fit, and what each half of the pairs says alone."""
    parts = cells_of(stack, homography, *FINEST)
    fits = [fit(cells.source, cells.target, model, TOLERANCE * max(stack.size)) for cells in parts]
    whole, one, other = fits
    if whole is None or one is None or other is None or min(map(len, parts)) < LEAST_CELLS:
        raise nothing_in_common(min(map(len, parts)), len(stack.moving))
    edge = transform(homography, corners(*stack.moving[0].shape))
    apart = np.linalg.norm(transform(one[0], edge) - transform(other[0], edge), axis=1)
    redrawn = OVERLAP * drawn_again(parts[0].source[whole[1]], parts[0].target[whole[1]], model, edge)
    left_out = [
        rms(made[0], cells.source[inliers], cells.target[inliers])
        for made, cells, (_, inliers) in ((one, parts[2], other), (other, parts[1], one))
    ]
    seen = parts[0].target[whole[1]]
    reach = parts[0].side_px / 4
    spanned = np.concatenate([seen + np.array([x, y]) for x in (-reach, reach) for y in (-reach, reach)])
    return Estimate(
        homography=whole[0] @ homography,
        model=model,
        method="scene",
        pairs=len(stack.moving),
        points=len(seen),
        residual_px=max(left_out),
        spread_px=max(float(apart.max()) / 2, redrawn),
        cover=cover_of(spanned, stack.size[1], stack.size[0]),
    )


def drawn_again(source: Points, target: Points, model: str, edge: Points) -> float:
    """Standard deviation of the worst corner over fits to cells drawn with replacement: what errs in some places of
    the picture and not by chance of the pairs, such as a shadow's edge, shows here."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(source), size=len(source))
        made = fit(source[chosen], target[chosen], model, np.inf)
        if made is not None:
            found.append(transform(made[0], edge))
    return float(np.sqrt(np.var(found, axis=0).sum(axis=1)).max()) if found else float("inf")


def scaled(estimate: Estimate, work: tuple[int, int], view: tuple[int, int]) -> Estimate:
    """From the working size to the reference camera's pixels, whose centres lie on whole numbers."""
    factor = view[0] / work[0], view[1] / work[1]
    up = np.array([[factor[0], 0, (factor[0] - 1) / 2], [0, factor[1], (factor[1] - 1) / 2], [0, 0, 1]])
    matrix = up @ estimate.homography
    return replace(
        estimate,
        homography=matrix / matrix[2, 2],
        residual_px=estimate.residual_px * max(factor),
        spread_px=estimate.spread_px * max(factor),
    )
