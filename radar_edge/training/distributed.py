"""Training on the processes that `torchrun` started, and what they tell each other. Knows no network and no loss.

In one process `own` and `whole` give back what they were given, and `combine` does nothing.

Most losses are ratios over the whole batch (sums over what is present, masks, standard deviations), so the mean of
the gradients of several small batches is not the gradient of the large one. Therefore every process draws the whole
batch and all its random numbers (functions of seed and step), runs the network on its `own` slice, and puts the
outputs y_r of all slices together (`whole`). All then compute the same loss L of the same whole batch. Backward each
follows the outputs of its own slice alone, and the sum over processes (`combine`) is one process's gradient:

    dL/dw = sum_r dL/dy_r dy_r/dw

Batch norm, too, sees the whole batch (`batch_norm`). What is left of the difference to one process is rounding: sums in
another order. All processes hold the same network at any time, so the first saves it alone.

Drawing and corrupting the batch is not divided, only the network is. Gloo connects CPUs; NCCL connects GPUs, one a
process: written and checked by types, not run on hardware.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from radar_edge.errors import MachineError, UsageError

UNTIL_ENDED_S = 30.0
"""torchrun ends the other processes within a second of the first that fails."""


def count() -> int:
    """How many processes train together; 1 outside `joined`."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return distributed.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this process writes the run and shows progress."""
    return rank() == 0


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Within it the processes of one torchrun train together; without torchrun nothing happens.

    The first process that fails speaks for all: its error goes on, the others wait for torchrun to end them.
    Raises MachineError if there are more processes than CUDA devices.
    """
    launched = distributed.is_available() and distributed.is_torchelastic_launched()
    if not launched or os.environ["WORLD_SIZE"] == "1":
        yield
        return
    # Its functions take today's process group as their default: imported later, by an optimiser, they would hold ours,
    # whose threads then outlive it and now and then abort the ending interpreter.
    import torch.distributed.nn.functional  # noqa: F401
    from torch.distributed.rendezvous import rendezvous  # builds for Jetson come without it

    store, place, size = next(rendezvous("env://"))
    try:
        if device == "cuda":
            take_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if device == "cuda" else "gloo", store=store, rank=place, world_size=size)
        yield
    except Exception:
        if store.add("failed", 1) > 1:
            time.sleep(UNTIL_ENDED_S)
            raise SystemExit(1) from None
        raise
    distributed.destroy_process_group()


def take_device(place: int) -> None:
    """Work on the CUDA device `place` from here on."""
    found = torch.cuda.device_count()
    if not found:
        raise MachineError(
            "training on CUDA was asked for, and PyTorch finds no CUDA device",
            found=f"torch {torch.__version__}",
            next_step="install a CUDA build of torch, or say --device cpu",
        )
    if place >= found:
        raise MachineError(
            "torchrun started more processes than there are CUDA devices",
            found=f"{found} devices",
            next_step="say a smaller --nproc-per-node, or --device cpu",
        )
    torch.cuda.set_device(place)


def check_batch(batch_size: int) -> None:
    """Raises UsageError if the parts of a batch cannot be shared evenly."""
    if batch_size % count():
        raise UsageError(
            f"{count()} processes cannot share a batch evenly",
            found=f"batch_size {batch_size}",
            wanted=f"a multiple of {count()}",
            next_step="start another number of processes, or set batch_size in --config",
        )


def own(batch: Tensor) -> Tensor:
    """`[N, ...]` of all processes -> this one's slice `[N / count, ...]`."""
    share = len(batch) // count()
    return batch[share * rank() :][:share] if count() > 1 else batch


def whole(batch: Tensor) -> Tensor:
    """This process's slice `[n, ...]` -> all slices `[n * count, ...]`; backward it passes the own slice's gradient.

    torch.distributed.nn would sum the gradients of all processes here, that is count the same loss `count` times.
    """
    gathered: Tensor = Whole.apply(batch) if count() > 1 else batch  # type: ignore[no-untyped-call]
    return gathered


class Whole(torch.autograd.Function):
    """`whole` where there are several processes."""

    @staticmethod
    def forward(_: Any, batch: Tensor) -> Tensor:
        return gather(batch).flatten(0, 1)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return own(gradients[0])


def combine(model: nn.Module) -> None:
    """Sum the gradients over all processes."""
    if count() == 1:
        return
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    sums = total(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, new in zip(gradients, torch.split(sums, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(new.view_as(gradient))


def gather(own_one: Tensor) -> Tensor:
    """A tensor of each process -> `[count, ...]`, the same in all."""
    own_one = own_one.contiguous()
    all_of_them = [torch.empty_like(own_one) for _ in range(count())]
    with among_others():
        distributed.all_gather(all_of_them, own_one)
    return torch.stack(all_of_them)


def total(own_one: Tensor) -> Tensor:
    """The sum of a tensor of each process, the same in all."""
    summed = own_one.clone(memory_format=torch.contiguous_format)
    with among_others():
        distributed.all_reduce(summed)
    return summed


@contextmanager
def among_others() -> Iterator[None]:
    """Around every exchange: it fails if another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise MachineError(
            "another process of this training ended",
            found=str(error).splitlines()[0][:200],
            next_step="see what torchrun says of it; the same command with --resume goes on from the last saved state",
        ) from error
