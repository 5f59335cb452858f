"""Synthetic anomalies and nuisances on normalised images. Knows no data set and no defect of one.

An anomaly changes a region of one modality; its mask is where the change is really visible. A nuisance (gain,
offset, gradient, noise, misregistration, a picture that carries nothing) happens to good parts and never makes a
mask. All on the CPU with NumPy and OpenCV: a fifth of the time that the same operations took on small tensors.

Sources: Perlin-masked blends after Zavrtanik et al., DRAEM (ICCV 2021); cut and paste after Li et al., CutPaste
(CVPR 2021); placement per modality after DAS3D (arXiv 2410.09821), "augmentation dropout". Value noise (a random
grid, interpolated) stands in for Perlin's gradient noise: the same regions, one interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Rng = np.random.Generator

VISIBLE = 0.35
"""A change below this many standard deviations of the training pixels is no anomaly: nobody could see it."""
MOST_REGIONS = 3
FADED_SHARE = 0.15
MOST_LEFT = 0.08
"""Of the contrast of a faded image."""
CLEAN_SHARE = 0.4
STRIPES = 0.08
"""Most standard deviations of the training pixels between neighbouring lines of a good image."""


def value_noise(height: int, width: int, cells: int, rng: Rng) -> Array:
    """`[H, W]` smooth noise in [0, 1] with `cells` + 1 random knots a side."""
    knots = rng.random((cells + 1, cells + 1), np.float32)
    return np.clip(cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)


def blob_region(height: int, width: int, rng: Rng) -> Array:
    """`[H, W]` soft region: value noise above a high level, within a random window."""
    noise = value_noise(height, width, 2 ** int(rng.integers(2, 5)), rng)
    window = ellipse_region(height, width, 0.2, 0.6, rng)
    inside = noise[window > 0.5]
    level = np.quantile(inside, rng.uniform(0.3, 0.7)) if inside.size else noise.mean()
    return np.asarray(np.clip((noise - np.float32(level)) * 12, 0, 1) * window, np.float32)


def ellipse_region(height: int, width: int, smallest: float, largest: float, rng: Rng) -> Array:
    """`[H, W]` soft ellipse, any place and direction; full axes as shares of the image's side."""
    y, x = np.ogrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    dx, dy = x - rng.uniform(0.08, 0.92), y - rng.uniform(0.08, 0.92)
    angle = rng.uniform(0, math.pi)
    a = math.exp(rng.uniform(math.log(smallest), math.log(largest))) / 2
    b = a * rng.uniform(0.4, 1.0)
    u = (dx * math.cos(angle) + dy * math.sin(angle)) / a
    v = (dy * math.cos(angle) - dx * math.sin(angle)) / b
    edge = max(a * height, 2.0) / 2
    return np.asarray(np.clip((1 - np.sqrt(u * u + v * v)) * edge, 0, 1), np.float32)


def streak_region(height: int, width: int, rng: Rng) -> Array:
    """`[H, W]` soft thin curve: a bent line of 1 to 5 pixels."""
    y, x = np.ogrid[0:height, 0:width]
    angle, bend = rng.uniform(0, math.pi), rng.uniform(-0.01, 0.01)
    dx, dy = x - rng.uniform(0.15, 0.85) * width, y - rng.uniform(0.15, 0.85) * height
    along = dx * math.cos(angle) + dy * math.sin(angle)
    across = dy * math.cos(angle) - dx * math.sin(angle) + bend * along * along
    half_length, half_width = rng.uniform(0.06, 0.3) * width, rng.uniform(0.5, 2.5)
    line = np.clip(half_width + 0.5 - np.abs(across), 0, 1) * np.clip(half_length - np.abs(along), 0, 1)
    return np.asarray(line, np.float32)


def vein_region(height: int, width: int, rng: Rng) -> Array:
    """`[H, W]` soft winding line, such as a crack or a seam: a level line of noise, within a random window."""
    noise = value_noise(height, width, int(rng.integers(2, 7)), rng)
    window = ellipse_region(height, width, 0.3, 1.2, rng)
    slope = np.hypot(*np.gradient(noise))
    level = np.float32(rng.uniform(0.35, 0.65))
    # To first order |noise - level| / slope is the distance to the level line in pixels.
    distance = np.abs(noise - level) / np.maximum(slope, 1e-3)
    return np.asarray(np.clip(rng.uniform(0.6, 2.6) + 0.5 - distance, 0, 1) * np.clip(3 * window, 0, 1), np.float32)


def random_region(height: int, width: int, rng: Rng) -> Array:
    """`[H, W]` in [0, 1]: what an anomaly covers."""
    kind = rng.random()
    if kind < 0.3:
        return blob_region(height, width, rng)
    if kind < 0.55:
        return ellipse_region(height, width, 0.06, 0.35, rng)
    if kind < 0.7:
        return streak_region(height, width, rng)
    return vein_region(height, width, rng)


def level_shift(image: Array, _: Array, rng: Rng) -> Array:
    """A stain, a hot or a cold spot: another level, texture kept."""
    common = rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 2.5)
    own = rng.normal(0, 0.4, (len(image), 1, 1))
    return np.asarray(image * rng.uniform(0.6, 1.0) + common + own, np.float32)


def foreign_texture(image: Array, other: Array, rng: Rng) -> Array:
    """Self texture from elsewhere: another good part, moved, turned and blended."""
    height, width = image.shape[1:]
    moved = np.roll(other, (int(rng.integers(8, height - 8)), int(rng.integers(8, width - 8))), (1, 2))
    if rng.random() < 0.5:
        moved = moved.transpose(0, 2, 1) if height == width else moved[:, ::-1]
    blend = np.float32(rng.uniform(0.5, 1.0))
    return np.asarray(blend * moved + (1 - blend) * image, np.float32)


def smoothed(image: Array, _: Array, rng: Rng) -> Array:
    """Something is gone: the surroundings, blurred, fill its place."""
    size = 2 * int(rng.integers(5, 13)) + 1
    blurred = np.stack([cv2.blur(plane, (size, size)) for plane in image])
    return np.asarray(blurred + rng.normal(0, 0.3, (len(image), 1, 1)), np.float32)


def seamless(image: Array, other: Array, rng: Rng) -> Array:
    """The detail of another place on this place's own brightness: no edge gives it away."""
    size = 2 * int(rng.integers(4, 12)) + 1
    moved = foreign_texture(image, other, rng)
    low = [cv2.blur(plane, (size, size)) for plane in moved]
    own = [cv2.blur(plane, (size, size)) for plane in image]
    return np.asarray(own + rng.uniform(0.8, 1.8) * (moved - np.stack(low)), np.float32)


FILLS: tuple[Callable[[Array, Array, Rng], Array], ...] = (
    level_shift,
    level_shift,
    foreign_texture,
    smoothed,
    seamless,
)


def add_anomaly(image: Array, other: Array, region: Array, rng: Rng) -> tuple[Array, Flags]:
    """Change `region` `[H, W]` of `image` `[C, H, W]`; `other` is another good part.

    Returns the changed image and the mask `[H, W]` of what really changed by VISIBLE or more.
    """
    fill = FILLS[int(rng.integers(0, len(FILLS)))](image, other, rng)
    if rng.random() < 0.25:
        # Heat spreads: an edge that fades over many pixels.
        size = 2 * int(rng.integers(2, 7)) + 1
        region = cv2.blur(region, (size, size))  # type: ignore[assignment]
    changed = image + region * (fill - image)
    change = cv2.blur(np.abs(changed - image).max(axis=0), (3, 3))
    return changed, np.asarray((change > VISIBLE) & (region > 0.1))


def corrupt(
    images: Mapping[str, Array], rng: Rng, present: Flags | None = None
) -> tuple[dict[str, Array], dict[str, Flags]]:
    """Anomalies on a batch of good parts: `[N, C, H, W]` a modality -> changed images, masks `[N, H, W]`.

    CLEAN_SHARE of the parts stay good. A changed part gets one to MOST_REGIONS anomalies; 70 % lie in one modality
    alone, 20 % at the same place in all, 10 % at different places. `present` `[N, M]`, in the order of `images`: what
    a part lacks is neither changed nor taken from it. Every part has one at least; None: every part has all.
    """
    changed = {name: batch.copy() for name, batch in images.items()}
    masks = {name: np.zeros((len(batch), *batch.shape[2:]), bool) for name, batch in images.items()}
    count, _, height, width = next(iter(images.values())).shape
    there = np.ones((count, len(images)), bool) if present is None else present
    donors = {name: np.flatnonzero(there[:, i]) for i, name in enumerate(images)}
    for n in range(count):
        names = [name for name, has in zip(images, there[n], strict=True) if has]
        if rng.random() < CLEAN_SHARE:
            continue
        for _region in range(int(rng.integers(1, MOST_REGIONS + 1))):
            draw = rng.random()
            hit = [names[int(rng.integers(0, len(names)))]] if draw < 0.7 else names
            shared = random_region(height, width, rng) if draw < 0.9 else None
            for name in hit:
                region = shared if shared is not None else random_region(height, width, rng)
                other = images[name][donors[name][int(rng.integers(0, len(donors[name])))]]
                changed[name][n], mask = add_anomaly(changed[name][n], other, region, rng)
                masks[name][n] |= mask
    return changed, masks


def nuisance(batch: Array, rng: Rng) -> Array:
    """What good production does to an image `[N, C, H, W]`.

    Gain, offset, a gradient of light, noise, a shift of 2 px (up to 4 px between two modalities), and stripes: lines or
    columns of a thermal sensor that drifted apart since its last non-uniformity correction, the banding of a lamp.
    """
    n, channels, height, width = batch.shape

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape, np.float32)

    gain = 1 + 0.08 * draw(n, 1, 1, 1)
    offset = 0.15 * draw(n, 1, 1, 1) + 0.04 * draw(n, channels, 1, 1)
    ramp_y = np.linspace(-1, 1, height, dtype=np.float32).reshape(1, 1, -1, 1) * 0.12 * draw(n, 1, 1, 1)
    ramp_x = np.linspace(-1, 1, width, dtype=np.float32).reshape(1, 1, 1, -1) * 0.12 * draw(n, 1, 1, 1)
    noise = 0.04 * rng.random((n, 1, 1, 1), np.float32) * draw(*batch.shape)
    upright = rng.random((n, 1, 1, 1)) < 0.5
    lines = np.where(upright, draw(n, 1, 1, width), draw(n, 1, height, 1))
    stripes = STRIPES * rng.random((n, 1, 1, 1), np.float32) * lines
    return np.asarray(shift(batch, rng) * gain + offset + ramp_y + ramp_x + noise + stripes, np.float32)


def fade(images: Mapping[str, Array], masks: Mapping[str, Flags], present: Flags, rng: Rng) -> Flags:
    """In some parts one modality of several comes to carry nothing: black, glare, a thermal picture without contrast.

    `present` `[N, M]`, in the order of `images`. Changes `images` and `masks` `[N, H, W]` in place: what is gone is
    no anomaly to anybody. Returns `[N, M]`: what still carries something. The only modality of a part never fades.
    """
    useful = present.copy()
    names = list(images)
    for n in np.flatnonzero(present.sum(1) > 1):
        if rng.random() >= FADED_SHARE:
            continue
        place = int(rng.choice(np.flatnonzero(present[n])))
        image = images[names[place]][n]
        mean = image.mean(axis=(1, 2), keepdims=True)
        level = rng.uniform(-3, 2) + rng.normal(0, 0.2, mean.shape)
        image[:] = level + rng.uniform(0, MOST_LEFT) * (image - mean) + rng.normal(0, 0.01, image.shape)
        masks[names[place]][n] = False
        useful[n, place] = False
    return useful


def shift(batch: Array, rng: Rng, most: int = 2) -> Array:
    """Each image moved by up to `most` pixels, its edge repeated."""
    padded = np.pad(batch, ((0, 0), (0, 0), (most, most), (most, most)), mode="edge")
    height, width = batch.shape[2:]
    moves = rng.integers(0, 2 * most + 1, (len(batch), 2))
    return np.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, moves, strict=True)])
