"""Texture statistics of one modality: how unusual its fine structure is, place by place. Nothing here is trained.

    x                    [N, C, H, W]
    energy               [N, D, H/4, W/4]   |filter responses| at LEVELS scales, log, minus the image's own mean
    distance             [N, 1, H/4, W/4]   Mahalanobis distance to good parts at that place, smoothed
    forward(x)           (distance - what good parts reach) / how far good parts differ at a place, within +-LIMIT

Filters are principal components of mean-free patches of good parts. Each place has a mean of its own, for parts lie in
a fixture; the covariance of what is left is one for all places, so that a few hundred parts determine it. A learned
segmentation knows only the anomalies that it was shown, this knows what good parts are like. The image's own mean is
taken away, so neither exposure nor contrast counts. The logarithm's floor lies well above noise. Whitening is a plain
product: no INT8 reaches the covariance.

Sources: Mahalanobis distance of patch features at a place, Defard et al., PaDiM (ICPR 2021); filter energies, Laws
(1980); principal components as filters, Chan et al., PCANet (IEEE TIP 2015).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS, FILTERS, SIDE = 4, 8, 5
ENERGY_FLOOR = 0.05
"""Of log(energy + floor), in standard deviations of the training pixels: weaker structure is noise."""
SHRINKAGE = 0.1
"""Of the covariance towards its diagonal."""
LEAST_VARIANCE = 1e-3
LEAST_DEVIATION = 0.05
LEAST_SPREAD = 0.02
"""Of the distance between good parts: parts that are all alike would make noise an alarm."""
LIMIT = 8.0
"""Further away is no more anomalous."""
MOST_PARTS, MOST_PATCHES, CHUNK = 400, 60_000, 16
TOP_SHARE = 0.005
"""Good parts are measured as scoring.image_score measures: by the mean of the map's highest 0.5 %."""


class Texture(nn.Module):
    """All of it are buffers, set by `learn` from good parts; before that every image is as usual as another.

    `grid` = (H/4, W/4) of the maps.
    """

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        features = LEVELS * FILTERS
        self.mean: Tensor
        self.whiten: Tensor
        self.centre: Tensor
        self.spread: Tensor
        for level in range(LEVELS):
            self.register_buffer(f"filters_{level}", torch.zeros(FILTERS, channels, SIDE, SIDE))
        self.register_buffer("mean", torch.zeros(1, features, *grid))
        self.register_buffer("whiten", torch.eye(features))
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))

    def filters(self, level: int) -> Tensor:
        return self.get_buffer(f"filters_{level}")

    def forward(self, x: Tensor) -> Tensor:
        distance = self.distance(self.energy(x) - self.mean)
        return ((distance - self.centre) / self.spread).clamp(-LIMIT, LIMIT)

    def energy(self, x: Tensor) -> Tensor:
        """`[N, LEVELS * FILTERS, H/4, W/4]`."""
        height, width = x.shape[2] // 4, x.shape[3] // 4
        bands = []
        for level in range(LEVELS):
            response = F.conv2d(margin(x), self.filters(level)).abs()
            if level < 2:
                response = F.avg_pool2d(response, 4 // 2**level)
            elif level > 2:
                response = F.interpolate(response, size=(height, width), mode="nearest")
            bands.append(response)
            x = F.avg_pool2d(x, 2)
        energy = (torch.cat(bands, 1) + ENERGY_FLOOR).log()
        return smooth(energy - energy.mean((2, 3), keepdim=True), 3)

    def distance(self, residual: Tensor) -> Tensor:
        """Energy without the place's mean -> `[N, 1, H/4, W/4]`, near 1 where good parts are."""
        whitened = torch.matmul(residual.permute(0, 2, 3, 1), self.whiten)
        return smooth(whitened.square().mean(3).sqrt()[:, None], 5)

    @torch.no_grad()
    def learn(self, good: Tensor) -> None:
        """Set everything from good parts `[N, C, H, W]`; of more than MOST_PARTS an even choice. Deterministic."""
        good = good[:: -(-len(good) // MOST_PARTS)]
        scaled = good
        for level in range(LEVELS):
            self.filters(level).copy_(principal_filters(scaled))
            scaled = F.avg_pool2d(scaled, 2)
        residual = torch.cat([self.energy(part) for part in torch.split(good, CHUNK)])
        self.mean.copy_(smooth(residual.mean(0, keepdim=True), 3))
        residual -= self.mean
        self.whiten.copy_(whitening(residual))
        distance = torch.cat([self.distance(part) for part in torch.split(residual, CHUNK)])
        self.spread.copy_(distance.std(0, correction=0).mean().clamp(min=LEAST_SPREAD))
        places = distance.flatten(1)
        self.centre.copy_(places.topk(max(1, round(TOP_SHARE * places.shape[1]))).values.mean())


def whitening(residual: Tensor) -> Tensor:
    """`[D, D]`: what gives the values `[N, D, h, w]`, whose mean is zero, the covariance 1."""
    covariance = torch.cov(residual.transpose(0, 1).flatten(1))
    covariance += SHRINKAGE * (torch.diag(torch.diag(covariance)) - covariance)
    variances, axes = torch.linalg.eigh(covariance)
    whiten: Tensor = axes / variances.clamp(min=LEAST_VARIANCE).sqrt()
    return whiten


def margin(images: Tensor) -> Tensor:
    padded: Tensor = F.pad(images, (SIDE // 2,) * 4, mode="reflect")
    return padded


def smooth(x: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(x, side, 1, side // 2, count_include_pad=False)


def principal_filters(images: Tensor) -> Tensor:
    """`[FILTERS, C, SIDE, SIDE]`: principal components of patches without their channels' means, of unit response."""
    channels = images.shape[1]
    patches = F.unfold(margin(images), SIDE, stride=max(1, images.shape[3] // 26)).permute(0, 2, 1).flatten(0, 1)
    patches = patches[:: -(-len(patches) // MOST_PATCHES)].reshape(-1, channels, SIDE * SIDE)
    patches = (patches - patches.mean(2, keepdim=True)).flatten(1)
    variances, axes = torch.linalg.eigh(patches.T @ patches / len(patches))
    strongest = (axes / variances.sqrt().clamp(min=LEAST_DEVIATION)).T.flip(0)[:FILTERS]
    filters: Tensor = strongest.reshape(FILTERS, channels, SIDE, SIDE)
    return filters
