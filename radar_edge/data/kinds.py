"""What kind of image a modality has: channels and depth, as found and as declared. Knows no folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from radar_edge.config import Config, Registration
from radar_edge.records import Image

DECLARED, LEARNED = "was declared", "is what train/good has"


@dataclass(frozen=True)
class ModalitySpec:
    """What one modality's images are. Sizes may differ: height and width are those of the largest image looked at."""

    channels: int
    bit_depth: int
    height: int
    width: int


class DeclaredModality(Config):
    """What dataset.yaml says of one modality. value = raw * scale + offset, in `unit`."""

    channels: int | None = Field(default=None, ge=1, le=4)
    bit_depth: Literal[8, 16] | None = None
    unit: str | None = None
    scale: float | None = Field(default=None, gt=0)
    offset: float = 0.0


class DatasetFile(Config):
    """dataset.yaml: the modalities in the model's order, and how the cameras that took the images lay on each other."""

    modalities: dict[str, DeclaredModality] = Field(default={})
    registration: dict[str, Registration] = Field(default={})


def describe(image: Image) -> ModalitySpec:
    channels = 1 if image.ndim == 2 else image.shape[2]
    return ModalitySpec(channels, image.dtype.itemsize * 8, image.shape[0], image.shape[1])


@dataclass(frozen=True)
class Kind:
    """What every image of a modality must be, and whether dataset.yaml or train/good says so."""

    channels: int
    bit_depth: int
    channels_by: str
    bit_depth_by: str

    def faults(self, spec: ModalitySpec) -> list[str]:
        found = []
        if spec.bit_depth != self.bit_depth:
            found.append(f"{spec.bit_depth} bit where {self.bit_depth} {self.bit_depth_by}")
        if spec.channels != self.channels:
            found.append(f"{spec.channels} channel(s) where {self.channels} {self.channels_by}")
        return found


def kind_of(trained: Sequence[ModalitySpec], declared: DeclaredModality | None) -> Kind:
    """As dataset.yaml declares, else as most images of train/good are. `trained` must not be empty."""
    channels = declared.channels if declared else None
    bit_depth = declared.bit_depth if declared else None
    return Kind(
        channels=channels or most_common(spec.channels for spec in trained),
        bit_depth=bit_depth or most_common(spec.bit_depth for spec in trained),
        channels_by=DECLARED if channels else LEARNED,
        bit_depth_by=DECLARED if bit_depth else LEARNED,
    )


def most_common(values: Iterable[int]) -> int:
    return Counter(values).most_common(1)[0][0]
