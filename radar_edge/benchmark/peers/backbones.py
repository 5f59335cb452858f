"""Networks that look at an image, with the names of the stages whose features are used. Knows no file format.

MobileNetV2 is the one whose ImageNet weights a package carries; torchvision builds it.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn
from torchvision.models import mobilenet_v2
from weights import MOBILENET_V2, load_into, named, packaged

NAME = "mobilenet_v2"
PATCH_STAGES = ("features.6", "features.13")
"""32 channels at a stride of 8 and 96 at 16, of PatchCore and PaDiM."""
PYRAMID_STAGES = ("features.3", "features.6", "features.13")
"""24 channels at a stride of 4 before them: the strides of ResNet-18's layer1 to layer3, which STPM's paper takes."""


def pretrained(weights: Path | None) -> tuple[nn.Module, str]:
    """(MobileNetV2 with the packaged weights or those of `weights`, what to call them). Raises RefusalError."""
    path, name = packaged(MOBILENET_V2) if weights is None else (weights, named(weights))
    network = mobilenet_v2(weights=None)
    load_into(network, path)
    return network, name


def fresh() -> nn.Module:
    return mobilenet_v2(weights=None)  # type: ignore[no-any-return]


def drop_whole(model: nn.Module) -> None:
    """anomalib keeps a backbone that it is handed beside the stages it cut from it: the rest is never used."""
    for module in list(model.modules()):
        if isinstance(getattr(module, "backbone", None), nn.Module):
            del module.backbone
            object.__setattr__(module, "backbone", NAME)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
