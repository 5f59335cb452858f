"""How one camera's picture lies on another's: the block `registration` of line.yaml and of dataset.yaml alike.

    registration:
      tir:
        reference: rgb
        homography: [1.9, 0.0, 3.1, 0.0, 1.9, -4.0, 0.0, 0.0, 1.0]
        view: [1200, 1920]

A mount is a unit's. dataset.yaml says it of the mount that took the training images, and training puts it into the
bundle's preprocessing; line.yaml says it of its own unit and takes the place of the bundle's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from radar_edge.config.base import Config

LEAST_DETERMINANT = 1e-9
Side = Annotated[int, Field(ge=16, le=16384)]


class Registration(Config):
    """Of one modality, the moving one: its raw pixels on the reference camera's."""

    reference: str = Field(description="the modality whose picture is the view; it is not registered itself")
    homography: tuple[float, ...] = Field(
        min_length=9, max_length=9, description="3x3 row-major, raw pixel (x, y) of this camera -> of the reference"
    )
    view: tuple[Side, Side] = Field(description="height and width of the reference camera's picture, in pixels")

    @field_validator("homography")
    @classmethod
    def _invertible(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if abs(np.linalg.det(np.reshape(values, (3, 3)))) < LEAST_DETERMINANT:
            raise ValueError("the matrix cannot be inverted: it puts the whole picture on a line")
        return values


def registration_faults(registration: Mapping[str, Registration], modalities: Iterable[str]) -> list[str]:
    """What does not fit the modalities that there are, or the other registrations."""
    known = set(modalities)
    faults = [
        f"registration names {name}, which is none of the modalities" for name in registration if name not in known
    ]
    for name, entry in registration.items():
        if entry.reference not in known:
            faults.append(f"registration.{name}.reference: there is no modality {entry.reference}")
        elif entry.reference in registration:
            faults.append(f"registration.{name}.reference: {entry.reference} is registered itself")
    return faults
