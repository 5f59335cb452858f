"""Modality-robust fusion (MRF, stage 2): F = sum_i m_i alpha_i f_i, with attention over what is present.

alpha_i = m_i exp(w_i) / sum_j m_j exp(w_j), a softmax over the present modalities. It is written with the
presence m only as a factor, so that fixing m reduces the graph by plain algebra: an absent modality's branch is
multiplied by zero and falls away, and with one modality alpha is 1 and the fusion vanishes.

Source: the customer's specification of RADAR, stage 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

LOGIT_LIMIT = 6.0
"""Attention logits are held within +-6: exp stays within float16 and no modality is ever shut out for good."""


class Fusion(nn.Module):
    """Masked attention over modalities' features `[N, D, h, w]`. Parameters are named `attend.<modality>`."""

    def __init__(self, modalities: tuple[str, ...], features: int) -> None:
        super().__init__()
        self.modalities = modalities
        # With one modality there is nothing to weigh, and its engine carries no fusion at all.
        names = modalities if len(modalities) > 1 else ()
        self.attend = nn.ModuleDict({name: attention(features) for name in names})

    def forward(self, features: Mapping[str, Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features of every modality and presence `[N, M]` -> fused `[N, D, h, w]`, alpha `[N, M, h, w]`."""
        if len(self.modalities) == 1:
            only = features[self.modalities[0]]
            return only, torch.ones_like(only[:, :1])
        weights = []
        for i, name in enumerate(self.modalities):
            logit = self.attend[name](features[name]).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
            weights.append(mask[:, i].reshape(-1, 1, 1, 1) * logit.exp())
        total = weights[0]
        for weight in weights[1:]:
            total = total + weight
        alphas = [weight / total for weight in weights]
        fused = alphas[0] * features[self.modalities[0]]
        for alpha, name in zip(alphas[1:], self.modalities[1:], strict=True):
            fused = fused + alpha * features[name]
        return fused, torch.cat(alphas, 1)


def attention(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(features, 16, 1), nn.ReLU(inplace=True), nn.Conv2d(16, 1, 3, 1, 1))
