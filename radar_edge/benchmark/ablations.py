"""RADAR with one piece taken out, for as long as a block runs. The product has no switch for any of them.

Each is a context manager that puts another object in the place of a name of the network or of the training. A network
must be trained, loaded and judged within the same block: some of them change its shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType

import torch
from torch import Tensor, nn

from radar_edge.modality import Subset
from radar_edge.models import mrf, radar
from radar_edge.training import losses, step


@contextmanager
def unchanged() -> Iterator[None]:
    yield


@contextmanager
def substituted(module: ModuleType, **others: object) -> Iterator[None]:
    """The names of `module` mean these objects, until the block ends."""
    own = {name: getattr(module, name) for name in others}
    try:
        for name, other in others.items():
            setattr(module, name, other)
        yield
    finally:
        for name, before in own.items():
            setattr(module, name, before)


@contextmanager
def without_alignment() -> Iterator[None]:
    """A1: modalities do not learn to predict each other."""
    with substituted(losses, alignment=lambda *_: torch.zeros(())):
        yield


@contextmanager
def without_dropout() -> Iterator[None]:
    """A4: only the set of all modalities is trained."""
    with substituted(step, all_subsets=lambda names: (Subset(tuple(names)),)):
        yield


@contextmanager
def mean_fusion() -> Iterator[None]:
    """A6: every present modality has the same weight."""
    with substituted(mrf, LOGIT_LIMIT=0.0):
        yield


@contextmanager
def concat_fusion() -> Iterator[None]:
    """The features of the modalities side by side, and one layer over them."""
    with substituted(radar, Fusion=ConcatFusion):
        yield


@contextmanager
def without_discrepancy() -> Iterator[None]:
    """A7: what modalities predict of each other is not part of the map."""

    def nothing(shared: int) -> nn.Module:
        layer = nn.Conv2d(2 * shared, 1, 1)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return layer.requires_grad_(False)

    with substituted(radar, discrepancy=nothing):
        yield


@contextmanager
def without_maa() -> Iterator[None]:
    """Modalities neither learn to predict each other, nor is what they would predict part of the map."""
    with ExitStack() as stack:
        stack.enter_context(without_alignment())
        stack.enter_context(without_discrepancy())
        yield


@contextmanager
def weighed(texture_weight: float) -> Iterator[None]:
    """Whatever the run says, the texture counts `texture_weight`."""
    plain = radar.both_maps

    def both_maps(logit: Tensor, unusual: Tensor, _: float) -> Tensor:
        return plain(logit, unusual, texture_weight)

    with substituted(radar, both_maps=both_maps):
        yield


@contextmanager
def without_texture() -> Iterator[None]:
    """T0: the learned map alone."""
    with weighed(0.0):
        yield


@contextmanager
def texture_alone() -> Iterator[None]:
    """T1: the texture statistics alone; the learned map counts a hundred-thousandth."""
    with weighed(1e5):
        yield


class ConcatFusion(nn.Module):
    """Fusion without attention: zeros for what is absent, then a 1x1 convolution over all modalities' features.

    The interface of models.mrf.Fusion; alpha, which nothing weighs with here, is the same for all that is present.
    """

    def __init__(self, modalities: tuple[str, ...], features: int) -> None:
        super().__init__()
        self.modalities = modalities
        self.mix = nn.Conv2d(len(modalities) * features, features, 1) if len(modalities) > 1 else nn.Identity()

    def forward(self, features: Mapping[str, Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features of every modality `[N, D, h, w]` and presence `[N, M]` -> `[N, D, h, w]`, alpha `[N, M, h, w]`."""
        ordered = [features[name] for name in self.modalities]
        present = [mask[:, i].reshape(-1, 1, 1, 1) for i in range(len(ordered))]
        fused = self.mix(torch.cat([m * f for m, f in zip(present, ordered, strict=True)], 1))
        share = mask / mask.sum(1, keepdim=True)
        height, width = ordered[0].shape[2:]
        return fused, share[:, :, None, None].expand(-1, -1, height, width)


VARIANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "radar": unchanged,
    "radar-no-maa": without_maa,
    "radar-mean": mean_fusion,
    "radar-concat": concat_fusion,
    "radar-no-dropout": without_dropout,
}
"""What the benchmark trains: the product's RADAR, and the ablations of its specification."""
