"""Batch norm over the parts of all processes: torch's SyncBatchNorm, which CPUs do not have. Knows no network.

The mean of equal slices' means is the batch's mean, and its variance is the mean of their variances plus the variance
of their means. Statistics depend on every process's inputs, so backward their gradients are summed over all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from radar_edge.training import distributed


def share(model: nn.Module) -> None:
    """Let every batch norm of `model` see all processes' parts; in one process nothing changes."""
    if distributed.count() == 1:
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.load_state_dict(child.state_dict())
                parent.add_module(name, shared)


class SharedBatchNorm(nn.BatchNorm2d):
    """The same parameters and buffers as BatchNorm2d, and in evaluation mode the same function."""

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`[n, C, h, w]` of this process, with statistics over all processes' slices; in float32."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        variances, means = torch.var_mean(values, (0, 2, 3), correction=0)
        slices: Tensor = EverySlice.apply(torch.stack([means, variances]))  # type: ignore[no-untyped-call]
        mean, variance = slices[:, 0].mean(0), slices[:, 1].mean(0) + slices[:, 0].var(0, correction=0)
        self.remember(mean.detach(), variance.detach(), distributed.count() * x.numel() // self.num_features)
        scale = self.weight * (variance + self.eps).rsqrt()
        offset = self.bias - mean * scale
        normed: Tensor = values * scale.reshape(-1, 1, 1) + offset.reshape(-1, 1, 1)
        return normed.to(x.dtype)

    def remember(self, mean: Tensor, variance: Tensor, places: int) -> None:
        """Move the running statistics, as BatchNorm2d does: with the variance of a sample."""
        for running, new in ((self.running_mean, mean), (self.running_var, variance * places / (places - 1))):
            running.lerp_(new, self.momentum)
        self.num_batches_tracked += 1


class EverySlice(torch.autograd.Function):
    """`[2, C]` of this process -> `[count, 2, C]` of all; backward every process's gradient comes home."""

    @staticmethod
    def forward(_: Any, statistics: Tensor) -> Tensor:
        return distributed.gather(statistics)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return distributed.total(gradients[0])[distributed.rank()]
