"""CutPaste (Li, Sohn, Yoon, Pfister, CVPR 2021), three-way: a network learns two kinds of damage.

Written from the paper. A rectangle of the image is cut, its colours are jittered, and it is pasted elsewhere
(CutPaste), or a thin one is turned and pasted (scar). After the training the head is thrown away; the pooled
features of the good images get a Gaussian, and an image's score is its squared Mahalanobis distance.

Deviations: the covariance is Ledoit and Wolf's shrunk one, for a few hundred images do not give 512 x 512 numbers;
the jitter leaves the hue alone, which grey images do not have; training images get the jitter and no random
translation; the projection head has two hidden layers. No map: the paper's comes from a second network on patches.
Knows no file.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.covariance import LedoitWolf
from torch import nn

AREA = (0.02, 0.15)
"""Of the image, of a pasted rectangle."""
ASPECT = (0.3, 3.3)
"""Width to height; 0.3 to 1 and 1 to 3.3 are equally likely."""
SCAR_WIDTH_PX, SCAR_LENGTH_PX = (2.0, 16.0), (10.0, 25.0)
"""In an image of 256 pixels; they grow with it."""
SCAR_ANGLE_DEG = 45.0
JITTER = 0.1
KINDS = 3
FEATURES, HEAD = 512, (512, 512, 128)
GREY = (0.299, 0.587, 0.114)


class Judged(NamedTuple):
    """What a model says of a batch: scores `[B]`, higher is more anomalous, and no map."""

    pred_score: torch.Tensor
    anomaly_map: torch.Tensor | None


def jittered(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Brightness, contrast and saturation of `[3, H, W]`, each times 1 - JITTER to 1 + JITTER."""
    brightness, contrast, saturation = rng.uniform(1 - JITTER, 1 + JITTER, 3).tolist()
    bright = image * brightness
    mean = bright.mean()
    contrasted = (bright - mean) * contrast + mean
    grey: torch.Tensor = (contrasted * torch.tensor(GREY, dtype=image.dtype).view(3, 1, 1)).sum(0, keepdim=True)
    saturated: torch.Tensor = (contrasted - grey) * saturation + grey
    return saturated


def rectangle(height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
    """(height, width) of a rectangle to cut, in pixels, within the image."""
    area = rng.uniform(*AREA) * height * width
    aspect = rng.uniform(ASPECT[0], 1.0) if rng.random() < 0.5 else rng.uniform(1.0, ASPECT[1])
    tall, wide = round((area / aspect) ** 0.5), round((area * aspect) ** 0.5)
    return min(max(tall, 1), height), min(max(wide, 1), width)


def place(inner: tuple[int, int], outer: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """(top, left) where `inner` lies wholly within `outer`, both (height, width)."""
    top, left = (int(rng.integers(0, out - size + 1)) for size, out in zip(inner, outer, strict=True))
    return top, left


def cut(image: torch.Tensor, size: tuple[int, int], rng: np.random.Generator) -> torch.Tensor:
    """A jittered rectangle `[3, h, w]` of the image."""
    top, left = place(size, (image.shape[1], image.shape[2]), rng)
    return jittered(image[:, top : top + size[0], left : left + size[1]], rng)


def paste(image: torch.Tensor, patch: torch.Tensor, mask: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A copy of the image with the patch's pixels, where `mask` `[h, w]` says, at a place drawn by chance."""
    size = (patch.shape[1], patch.shape[2])
    top, left = place(size, (image.shape[1], image.shape[2]), rng)
    pasted = image.clone()
    area = pasted[:, top : top + size[0], left : left + size[1]]
    area[:] = torch.where(mask, patch, area)
    return pasted


def cut_pasted(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """`[3, H, W]` with a rectangle of itself pasted elsewhere."""
    patch = cut(image, rectangle(image.shape[1], image.shape[2], rng), rng)
    return paste(image, patch, torch.ones(patch.shape[1:], dtype=torch.bool), rng)


def scarred(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """`[3, H, W]` with a thin, turned rectangle of itself pasted elsewhere."""
    scale = min(image.shape[1:]) / 256
    long, thin = (max(1, round(scale * rng.uniform(*bounds))) for bounds in (SCAR_LENGTH_PX, SCAR_WIDTH_PX))
    patch = cut(image, (long, thin), rng)
    return paste(image, *turned(patch, np.radians(rng.uniform(-SCAR_ANGLE_DEG, SCAR_ANGLE_DEG))), rng)


def turned(patch: torch.Tensor, angle_rad: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(`[3, h, w]` turned about its centre in the box that holds it, which of the box's pixels it covers `[h, w]`)."""
    tall, wide = patch.shape[1:]
    cos, sin = float(np.cos(angle_rad)), float(np.sin(angle_rad))
    box = (round(abs(tall * cos) + abs(wide * sin)), round(abs(tall * sin) + abs(wide * cos)))
    y, x = torch.meshgrid(*(torch.arange(max(1, size)) - (size - 1) / 2 for size in box), indexing="ij")
    row, column = cos * y - sin * x + (tall - 1) / 2, sin * y + cos * x + (wide - 1) / 2
    inside = (row.round() >= 0) & (row.round() <= tall - 1) & (column.round() >= 0) & (column.round() <= wide - 1)
    nearest = patch[:, row.round().long().clamp(0, tall - 1), column.round().long().clamp(0, wide - 1)]
    return nearest, inside


def three_ways(images: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(`[3 B, 3, H, W]`, kinds `[3 B]`): the images as they are, with a pasted rectangle, and with a scar."""
    changes = (lambda image, _: image, cut_pasted, scarred)
    batch = [change(jittered(image, rng), rng) for change in changes for image in images]
    return torch.stack(batch), torch.arange(KINDS).repeat_interleave(len(images))


class CutPasteModel(nn.Module):
    """A network with pooled features `[B, 512]` whose last layer is taken off, a head for the training, a Gaussian."""

    mean: torch.Tensor
    precision: torch.Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        network.fc = nn.Identity()
        self.network = network
        widths = (FEATURES, *HEAD)
        hidden = [nn.Sequential(nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()) for a, b in pairwise(widths)]
        self.head = nn.Sequential(*hidden, nn.Linear(HEAD[-1], KINDS))
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("precision", torch.eye(FEATURES))

    def kinds(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `[B, 3]` of what was done to the images."""
        return self.head(self.network(images))  # type: ignore[no-any-return]

    def describe(self, features: npt.NDArray[np.float32]) -> None:
        """The Gaussian of the good images' features `[N, 512]`."""
        gaussian = LedoitWolf().fit(features.astype(np.float64))
        self.mean = torch.from_numpy(gaussian.location_.astype(np.float32))
        self.precision = torch.from_numpy(gaussian.precision_.astype(np.float32))

    def forward(self, images: torch.Tensor) -> Judged:
        off = self.network(images) - self.mean
        return Judged((off @ self.precision * off).sum(1), None)
