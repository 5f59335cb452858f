"""Batch norm over the parts of all processes: torch's SyncBatchNorm, which CPUs do not have. Knows no network.

With w_r the share of all places that process r holds, mean = sum_r w_r mean_r and variance = sum_r w_r (variance_r +
(mean_r - mean)^2). Statistics depend on every process's inputs, so backward their gradients are summed over all.
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
                shared.weight, shared.bias = child.weight, child.bias
                parent.add_module(name, shared)


class SharedBatchNorm(nn.BatchNorm2d):
    """The same parameters and buffers as BatchNorm2d, and in evaluation mode the same function."""

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """`[n, C, h, w]` of this process (n may be 0), with statistics over all processes' slices; in float32."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        means, variances, places = EverySlice.apply(statistics(values)).unbind(1)  # type: ignore[no-untyped-call]
        if not bool(places.any()):
            # Nobody has a part that passes here: nothing to learn, and no share of nothing.
            return (values * self.weight.reshape(-1, 1, 1) + self.bias.reshape(-1, 1, 1)).to(x.dtype)
        shares = places / places.sum(0)
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean).square())).sum(0)
        self.remember(mean.detach(), variance.detach(), places.detach().sum(0))
        scale = self.weight * (variance + self.eps).rsqrt()
        offset = self.bias - mean * scale
        normed: Tensor = values * scale.reshape(-1, 1, 1) + offset.reshape(-1, 1, 1)
        return normed.to(x.dtype)

    def remember(self, mean: Tensor, variance: Tensor, places: Tensor) -> None:
        """Move the running statistics, as BatchNorm2d does: with the variance of a sample."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * places / (places - 1), self.momentum)
        self.num_batches_tracked += 1


def statistics(values: Tensor) -> Tensor:
    """`[n, C, h, w]` -> `[3, C]`: mean, variance and number of places; zeros without any part."""
    if len(values) == 0:
        # The sum ties the zeros to their inputs: backward every process takes part in every exchange.
        return values.sum((0, 2, 3)).expand(3, -1)
    variances, means = torch.var_mean(values, (0, 2, 3), correction=0)
    return torch.stack([means, variances, torch.full_like(means, values.numel() // values.shape[1])])


class EverySlice(torch.autograd.Function):
    """`[3, C]` of this process -> `[count, 3, C]` of all; backward every process's gradient comes home."""

    @staticmethod
    def forward(_: Any, own_one: Tensor) -> Tensor:
        return distributed.gather(own_one)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return distributed.total(gradients[0])[distributed.rank()]
