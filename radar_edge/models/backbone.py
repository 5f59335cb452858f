"""The convolutional backbone of one modality. Knows nothing of other modalities.

Plain 3x3 convolutions, batch norm and ReLU, nearest resize: what TensorRT fuses and INT8 keeps. No skip
connection reaches the restoration decoder: a skip would copy the defect into its own restoration.

    x      [N, C, H, W]
    fine   [N, W, H/4, W/4]      detail
    deep   [N, 2W, H/8, W/8]     context, with a learned map of positions
    restored [N, C, H/2, W/2]    what the part should look like
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


def conv_block(inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


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
        self.evidence = conv_block(half + width, width)

    def forward(self, x: Tensor) -> Features:
        fine = self.fine(self.stem(x))
        context = self.context(self.down(fine) + self.position)
        deep = self.join(torch.cat([context, double(self.widen(context))], 1))
        restored = self.decode_2(double(self.decode_4(double(self.decode_8(deep)))))
        residual = self.residual((F.avg_pool2d(x, 2) - restored).abs())
        return Features(fine, deep, restored, self.evidence(torch.cat([residual, fine], 1)))
