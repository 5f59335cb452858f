"""Steps of a training that can be cut off and go on: every step's chance follows from the seed and its number alone.

Knows no method: what a step's loss is comes as a function.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pictures import read_batch
from seam import USER, Job, Progress, RefusalError, write_whole
from torch import nn

KEEP_EVERY_S = 60.0
PART = "part.pt"


@dataclass(frozen=True)
class Fit:
    """What a method is fitted from. `kept` is called whenever a part of the training is safe in the job's folder."""

    job: Job
    report: Progress
    kept: Callable[[], None]

    def batches(self, size: int, what: str) -> Iterator[torch.Tensor]:
        """Every training image once, in order, as `[B, 3, S, S]`."""
        train = self.job.train
        for start in range(0, len(train), size):
            yield read_batch(train[start : start + size], self.job.size_px)
            self.report(min(start + size, len(train)), len(train), what)

    def steps_of(self, passes: int, size: int) -> int:
        """The job's bound, else as many as `passes` over the training images take."""
        return self.job.steps or passes * math.ceil(len(self.job.train) / size)

    def drawn(self, step: int, size: int) -> torch.Tensor:
        """The images of a step: each once a pass, every pass in an order of its own."""
        count = len(self.job.train)
        places = range(step * size, (step + 1) * size)
        orders = {turn: order(count, self.job.seed, turn) for turn in {place // count for place in places}}
        return read_batch([self.job.train[orders[place // count][place % count]] for place in places], self.job.size_px)


def order(count: int, seed: int, turn: int) -> Sequence[int]:
    return np.random.default_rng((seed, turn)).permutation(count).tolist()  # type: ignore[no-any-return]


def seed_all(seed: int, step: int) -> None:
    """torch's, NumPy's and random's own generators: libraries draw from all three."""
    mixed = int(np.random.SeedSequence((seed, step)).generate_state(1)[0])
    torch.manual_seed(mixed)
    np.random.seed(mixed)
    random.seed(mixed)


def train(
    fit: Fit,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    steps: int,
    loss_of: Callable[[int], torch.Tensor],
) -> None:
    """`steps` steps, going on from what an earlier run left in the folder. Raises RefusalError if the loss is lost."""
    part, first = fit.job.model / PART, 0
    movers: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    if part.is_file():
        kept = torch.load(part, map_location="cpu", weights_only=True)
        first = kept["step"]
        for name, mover in movers.items():
            mover.load_state_dict(kept[name])
    saved = time.monotonic()
    for step in range(first, steps):
        seed_all(fit.job.seed, step)
        model.train()
        loss = loss_of(step)
        if not bool(torch.isfinite(loss)):
            raise RefusalError(
                USER,
                "the training diverged",
                found=f"a loss of {loss.item()} at step {step}",
                wanted="a finite loss",
                next_step="another seed, or more training images",
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
        fit.report(step + 1, steps, "steps")
        if time.monotonic() - saved >= KEEP_EVERY_S:
            states = {"step": step + 1} | {name: mover.state_dict() for name, mover in movers.items()}
            write_whole(part, lambda stream, states=states: torch.save(states, stream))  # type: ignore[misc]
            fit.kept()
            saved = time.monotonic()
