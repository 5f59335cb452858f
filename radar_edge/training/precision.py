"""Half precision on CUDA: the network's forward pass only. Weights, losses and statistics stay in float32.

Never on the CPU, where trainings are exact to the bit. bfloat16 where the GPU computes with it; elsewhere float16,
whose gradients are scaled, and a step whose gradients overflow is left out. Checked on the CPU, not run on hardware.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def half(device: str) -> torch.dtype | None:
    """What the network computes in on `device`; None for float32."""
    if device != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def autocast(device: str) -> AbstractContextManager[object]:
    """Around the network's forward pass."""
    kind = half(device)
    return nullcontext() if kind is None else torch.autocast(device, kind)


def gradient_scaler(device: str) -> torch.amp.GradScaler:
    """Keeps float16's small gradients from vanishing; does nothing for the other kinds."""
    return torch.amp.GradScaler(device, enabled=half(device) is torch.float16)


def name(device: str) -> str:
    """Of the precision, for people and the run's document."""
    return str(half(device) or torch.float32).removeprefix("torch.")
