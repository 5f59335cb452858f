"""The convolutional backbone of one modality. Knows nothing of other modalities.

Plain 3x3 convolutions, batch norm and ReLU, nearest resize: what TensorRT fuses and INT8 keeps. No skip
connection reaches the restoration decoder: a skip would copy the defect into its own restoration.

    x         [N, C, H, W]
    fine      [N, W, H/4, W/4]     detail
    usual     [N, W, H/4, W/4]     how far the detail is from what good parts show at that place
    deep      [N, 2W, H/8, W/8]    context, with a learned map of positions
    restored  [N, C, H/2, W/2]     what the part should look like
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Features(NamedTuple):
    """What one modality's backbone sees."""

    fine: Tensor
    deep: Tensor
    restored: Tensor
    evidence: Tensor
    """`[N, W, H/4, W/4]`: detail joined with the difference between the image and its restoration."""


DEVIATION_FLOOR = 0.1
"""Features whose good parts never vary at a place would otherwise make noise an alarm."""
DEVIATION_LIMIT = 10.0
"""Further away is no more anomalous, and the range stays within INT8's reach."""


def conv_block(inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Usual(nn.Module):
    """Distance of features from their mean over good parts, place by place, in standard deviations.

    Two constant maps in the engine (a multiplication and an addition): plain statistics of the network's own
    features, after Defard et al., PaDiM (ICPR 2021), with a diagonal covariance. `learn` moves them while training.
    """

    def __init__(self, features: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", torch.zeros(1, features, *grid))
        self.register_buffer("variance", torch.ones(1, features, *grid))

    def forward(self, features: Tensor) -> Tensor:
        scale = (self.variance + DEVIATION_FLOOR**2).rsqrt()
        return (features * scale - self.mean * scale).abs().clamp(max=DEVIATION_LIMIT)

    @torch.no_grad()
    def learn(self, features: Tensor, good: Tensor, rate: float) -> None:
        """Move the statistics towards `features` `[N, D, h, w]` where `good` `[N, 1, h, w]` is 1."""
        count = good.sum(0, keepdim=True)
        share = rate * (count / len(good))
        mean = (features * good).sum(0, keepdim=True) / count.clamp(min=1)
        variance = ((features - self.mean).square() * good).sum(0, keepdim=True) / count.clamp(min=1)
        self.mean += share * (mean - self.mean)
        self.variance += share * (variance - self.variance)


class Backbone(nn.Module):
    """Encoder and restoration decoder of one modality.

    `channels` of the input, `width` of the fine features, `grid` = (H/8, W/8) of the positions' map.
    """

    def __init__(self, channels: int, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        half, deep = width // 2, 2 * width
        self.stem = conv_block(channels, half, stride=2)
        self.fine = nn.Sequential(conv_block(half, width, stride=2), conv_block(width, width))
        self.down = conv_block(width, deep, stride=2)
        # Parts lie in a fixture: where a component belongs is part of what is normal.
        self.position = nn.Parameter(torch.zeros(1, deep, *grid))
        self.context = nn.Sequential(conv_block(deep, deep), conv_block(deep, deep))
        self.widen = nn.Sequential(conv_block(deep, deep, stride=2), conv_block(deep, deep))
        self.join = conv_block(2 * deep, deep, kernel=1)
        self.decode_8 = conv_block(deep, width)
        self.decode_4 = conv_block(width, half)
        self.decode_2 = nn.Conv2d(half, channels, 3, 1, 1)
        self.residual = conv_block(channels, half, stride=2)
        self.usual = Usual(width, (2 * grid[0], 2 * grid[1]))
        self.unusual = conv_block(width, half, kernel=1)
        self.evidence = conv_block(2 * half + width, width)

    def forward(self, x: Tensor) -> Features:
        fine = self.fine(self.stem(x))
        context = self.context(self.down(fine) + self.position)
        deep = self.join(torch.cat([context, double(self.widen(context))], 1))
        restored = self.decode_2(double(self.decode_4(double(self.decode_8(deep)))))
        residual = self.residual((F.avg_pool2d(x, 2) - restored).abs())
        unusual = self.unusual(self.usual(fine))
        return Features(fine, deep, restored, self.evidence(torch.cat([residual, unusual, fine], 1)))
