"""A small network with RADAR's interface: fusion and discrepancy with the presence mask as a factor only."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import NamedTuple

import onnx
import torch
from torch import Tensor, nn

from radar_edge.export.onnx_export import export_onnx

SIZE = 16
CHANNELS = {"rgb": 3, "tir": 2, "depth": 1}


class Output(NamedTuple):
    anomaly_map: Tensor
    contribution: Tensor


def block(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU())


class Toy(nn.Module):
    def __init__(self, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.modalities = modalities
        self.encoders = nn.ModuleDict({m: nn.Sequential(block(CHANNELS[m], 8), block(8, 8)) for m in modalities})
        self.position = nn.ParameterDict({m: torch.zeros(1, 8, 1, 1) for m in modalities})
        self.attend = nn.ModuleDict({m: nn.Conv2d(8, 1, 1) for m in modalities})
        self.head = nn.Conv2d(8, 1, 3, padding=1)
        self.pairs = list(combinations(range(len(modalities)), 2))
        self.gap = nn.ModuleDict(
            {
                modalities[i]: nn.ModuleDict({b: nn.Conv2d(8, 1, 3, padding=1) for b in modalities})
                for i, _ in self.pairs
            }
        )

    def forward(self, inputs: dict[str, Tensor], mask: Tensor) -> Output:
        features = [self.encoders[m](inputs[m]) + self.position[m] for m in self.modalities]
        present = [mask[:, i].reshape(-1, 1, 1, 1) for i in range(len(features))]
        weights = [m * self.attend[n](f).exp() for m, n, f in zip(present, self.modalities, features, strict=True)]
        total = sum(weights[1:], weights[0])
        alphas = [weight / total for weight in weights]
        logit = self.head(sum((a * f for a, f in zip(alphas[1:], features[1:], strict=True)), alphas[0] * features[0]))
        for i, j in self.pairs:
            difference = self.gap[self.modalities[i]][self.modalities[j]]((features[i] - features[j]).abs())
            logit = logit + present[i] * present[j] * difference
        return Output(logit, torch.cat(alphas, 1))


def toy(modalities: tuple[str, ...], seed: int = 0) -> Toy:
    """With weights and batch statistics of each branch's own; positions stay equal, as in an untrained network."""
    torch.manual_seed(seed)
    model = Toy(modalities).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(8) * 0.1
            module.running_var = torch.rand(8) + 0.5
    return model


def shapes(modalities: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    return {name: (1, CHANNELS[name], SIZE, SIZE) for name in modalities}


@cache
def toy_graph(modalities: tuple[str, ...]) -> onnx.ModelProto:
    """Exported once, because that takes seconds: who changes it changes a copy."""
    return export_onnx(toy(modalities), shapes(modalities))
