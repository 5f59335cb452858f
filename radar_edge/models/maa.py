"""Modality alignment (MAA, stage 1): a shared space, and predictors from each modality to each other.

Source: the customer's specification of RADAR, stage 1: modality A rebuilds modality B's features (L2) and the
reverse, so that what a lost modality carried can be recovered from the shared space.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


class Alignment(nn.Module):
    """Projection of each modality into the shared space, and a predictor for each ordered pair.

    Parameters are named `project.<modality>` and `predict.<from>.<to>`.
    """

    def __init__(self, modalities: tuple[str, ...], deep: int, shared: int) -> None:
        super().__init__()
        self.modalities = modalities
        self.project = nn.ModuleDict({name: nn.Conv2d(deep, shared, 1) for name in modalities})
        self.predict = nn.ModuleDict(
            {
                source: nn.ModuleDict({target: predictor(shared) for target in modalities if target != source})
                for source in modalities
                if len(modalities) > 1
            }
        )

    def shared(self, deep: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`[N, deep, h, w]` a modality -> `[N, shared, h, w]`."""
        return {name: self.project[name](features) for name, features in deep.items()}

    def rebuild(self, z: Mapping[str, Tensor], source: str, target: str) -> Tensor:
        """What `source` says that `target`'s shared features should be."""
        rebuilt: Tensor = self.predict[source][target](z[source])  # type: ignore[index]
        return rebuilt


def predictor(shared: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(shared, shared, 1), nn.ReLU(inplace=True), nn.Conv2d(shared, shared, 3, 1, 1))
