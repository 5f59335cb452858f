"""Synthetic anomalies and nuisances on normalised tensors. Knows no data set and no defect of one.

An anomaly changes a region of one modality; its mask is where the change is really visible. A nuisance (gain,
offset, gradient, noise, misregistration) happens to good parts and never makes a mask.

Sources: Perlin-masked blends after Zavrtanik et al., DRAEM (ICCV 2021); cut and paste after Li et al., CutPaste
(CVPR 2021); placement per modality after DAS3D (arXiv 2410.09821), "augmentation dropout". Value noise (a random
grid, interpolated) stands in for Perlin's gradient noise: the same regions, one interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

VISIBLE = 0.35
"""A change below this many standard deviations of the training pixels is no anomaly: nobody could see it."""

MOST_REGIONS = 3


def uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def integer(low: int, high: int, rng: torch.Generator) -> int:
    return int(torch.randint(low, high, (), generator=rng))


def value_noise(height: int, width: int, cells: int, rng: torch.Generator) -> Tensor:
    """`[H, W]` smooth noise in [0, 1] with `cells` random knots a side."""
    knots = torch.rand(1, 1, cells + 1, cells + 1, generator=rng)
    return F.interpolate(knots, (height, width), mode="bicubic", align_corners=True)[0, 0].clamp(0, 1)


def blob_region(height: int, width: int, rng: torch.Generator) -> Tensor:
    """`[H, W]` soft region: value noise above a high level, within a random window."""
    noise = value_noise(height, width, 2 ** integer(2, 5, rng), rng)
    window = ellipse_region(height, width, 0.2, 0.6, rng)
    inside = noise[window > 0.5]
    level = inside.quantile(uniform(0.3, 0.7, rng)) if len(inside) else noise.mean()
    return ((noise - level) * 12).clamp(0, 1) * window


def ellipse_region(height: int, width: int, smallest: float, largest: float, rng: torch.Generator) -> Tensor:
    """`[H, W]` soft ellipse, any place and direction; full axes as shares of the image's side."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    dx, dy = x - uniform(0.08, 0.92, rng), y - uniform(0.08, 0.92, rng)
    angle = uniform(0, math.pi, rng)
    a = math.exp(uniform(math.log(smallest), math.log(largest), rng)) / 2
    b = a * uniform(0.4, 1.0, rng)
    u = (dx * math.cos(angle) + dy * math.sin(angle)) / a
    v = (dy * math.cos(angle) - dx * math.sin(angle)) / b
    edge = max(a * height, 2.0) / 2
    return ((1 - (u * u + v * v).sqrt()) * edge).clamp(0, 1)


def streak_region(height: int, width: int, rng: torch.Generator) -> Tensor:
    """`[H, W]` soft thin curve: a bent line of 1 to 4 pixels."""
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    angle, bend = uniform(0, math.pi, rng), uniform(-0.01, 0.01, rng)
    cx, cy = uniform(0.15, 0.85, rng) * width, uniform(0.15, 0.85, rng) * height
    along = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
    across = (y - cy) * math.cos(angle) - (x - cx) * math.sin(angle) + bend * along * along
    half_length, half_width = uniform(0.06, 0.3, rng) * width, uniform(0.5, 2.5, rng)
    return (half_width + 0.5 - across.abs()).clamp(0, 1) * (half_length - along.abs()).clamp(0, 1)


def level_shift(image: Tensor, _: Tensor, rng: torch.Generator) -> Tensor:
    """A stain, a hot or a cold spot: another level, texture kept."""
    sign = 1.0 if uniform(0, 1, rng) < 0.5 else -1.0
    common = sign * uniform(0.5, 2.5, rng)
    own = torch.randn(image.shape[0], 1, 1, generator=rng) * 0.4
    return image * uniform(0.6, 1.0, rng) + common + own


def foreign_texture(image: Tensor, other: Tensor, rng: torch.Generator) -> Tensor:
    """Self texture from elsewhere: another good part, moved, turned and blended."""
    moved = torch.roll(other, (integer(8, image.shape[1] - 8, rng), integer(8, image.shape[2] - 8, rng)), (1, 2))
    if integer(0, 2, rng):
        moved = moved.transpose(1, 2) if moved.shape[1] == moved.shape[2] else moved.flip(1)
    blend = uniform(0.5, 1.0, rng)
    return blend * moved + (1 - blend) * image


def smoothed(image: Tensor, _: Tensor, rng: torch.Generator) -> Tensor:
    """Something is gone: the surroundings, blurred, fill its place."""
    size = 2 * integer(5, 13, rng) + 1
    return F.avg_pool2d(image[None], size, 1, size // 2, count_include_pad=False)[0] + 0.3 * torch.randn(
        image.shape[0], 1, 1, generator=rng
    )


FILLS: tuple[Callable[[Tensor, Tensor, torch.Generator], Tensor], ...] = (level_shift, foreign_texture, smoothed)


def add_anomaly(image: Tensor, other: Tensor, region: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Change `region` `[H, W]` of `image` `[C, H, W]`; `other` is another good part.

    Returns the changed image and the mask `[H, W]` of what really changed by VISIBLE or more.
    """
    fill = FILLS[integer(0, len(FILLS), rng)](image, other, rng)
    if uniform(0, 1, rng) < 0.25:
        # Heat spreads: an edge that fades over many pixels.
        size = 2 * integer(2, 7, rng) + 1
        region = F.avg_pool2d(region[None, None], size, 1, size // 2)[0, 0]
    changed = image + region * (fill - image)
    change = F.avg_pool2d((changed - image).abs().amax(0)[None, None], 3, 1, 1)[0, 0]
    return changed, (change > VISIBLE) & (region > 0.1)


def random_region(height: int, width: int, rng: torch.Generator) -> Tensor:
    kind = uniform(0, 1, rng)
    if kind < 0.4:
        return blob_region(height, width, rng)
    if kind < 0.75:
        return ellipse_region(height, width, 0.06, 0.35, rng)
    return streak_region(height, width, rng)


def corrupt(
    images: dict[str, Tensor], rng: torch.Generator, *, clean_share: float = 0.4
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Anomalies on a batch of good parts: `[N, C, H, W]` a modality -> changed images, masks `[N, H, W]` bool.

    A changed part gets one to MOST_REGIONS of them; 70 % lie in one modality alone, 20 % at the same place in all,
    10 % at different places.
    """
    names = list(images)
    changed = {name: batch.clone() for name, batch in images.items()}
    masks = {name: torch.zeros(batch.shape[0], *batch.shape[2:], dtype=torch.bool) for name, batch in images.items()}
    count = len(images[names[0]])
    height, width = images[names[0]].shape[2:]
    for n in range(count):
        if uniform(0, 1, rng) < clean_share:
            continue
        for _ in range(integer(1, MOST_REGIONS + 1, rng)):
            draw = uniform(0, 1, rng)
            hit = [names[integer(0, len(names), rng)]] if draw < 0.7 else names
            shared = random_region(height, width, rng) if draw < 0.9 else None
            for name in hit:
                region = shared if shared is not None else random_region(height, width, rng)
                other = images[name][integer(0, count, rng)]
                changed[name][n], mask = add_anomaly(changed[name][n], other, region, rng)
                masks[name][n] |= mask
    return changed, masks


def nuisance(batch: Tensor, rng: torch.Generator) -> Tensor:
    """What good production does to an image `[N, C, H, W]`: gain, offset, a gradient of light, noise, 2 px of shift."""
    n, channels, height, width = batch.shape

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    gain = 1 + 0.08 * draw(n, 1, 1, 1)
    offset = 0.15 * draw(n, 1, 1, 1) + 0.04 * draw(n, channels, 1, 1)
    ramp_y = torch.linspace(-1, 1, height).reshape(1, 1, -1, 1) * 0.12 * draw(n, 1, 1, 1)
    ramp_x = torch.linspace(-1, 1, width).reshape(1, 1, 1, -1) * 0.12 * draw(n, 1, 1, 1)
    noise = 0.04 * torch.rand(n, 1, 1, 1, generator=rng) * draw(*batch.shape)
    moved = shift(batch, rng)
    return moved * gain + offset + ramp_y + ramp_x + noise


def shift(batch: Tensor, rng: torch.Generator, most: int = 2) -> Tensor:
    """Each image moved by up to `most` pixels, its edge repeated."""
    padded = F.pad(batch, (most,) * 4, mode="replicate")
    height, width = batch.shape[2:]
    moves = torch.randint(0, 2 * most + 1, (len(batch), 2), generator=rng).tolist()
    return torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, moves, strict=True)])
