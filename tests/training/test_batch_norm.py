from __future__ import annotations

import pytest
import torch

from radar_edge.training import distributed
from radar_edge.training.batch_norm import SharedBatchNorm


def test_a_batch_of_which_nobody_has_a_part_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes, both with an empty slice: the statistics of nothing are not nothing divided by nothing."""
    monkeypatch.setattr(distributed, "gather", lambda own_one: torch.stack([own_one, own_one]))
    norm = SharedBatchNorm(4).train()
    before = {name: value.clone() for name, value in norm.named_buffers()}
    norm(torch.zeros(0, 4, 3, 3, requires_grad=True)).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in norm.named_buffers())
    assert all(p.grad is not None and bool((p.grad == 0).all()) for p in norm.parameters())
