"""An estimate as the block `registration` of a file, or the refusal to write it. Knows no command."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from radar_edge.config import Registration, load_config, set_block
from radar_edge.errors import DatasetError, UsageError
from radar_edge.registration.estimate import Estimate

DIGITS = 10
REMARK = (
    "radar-edge register, {today}: {moving} on {reference} by {method}, {model}, {pairs} pairs, corners to {px:.1f} px"
)


class OnlyRegistration(BaseModel):
    """A file's block `registration`, whatever else stands in it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    registration: dict[str, Registration] = Field(default={})


def check_estimate(estimate: Estimate, limit_px: float) -> None:
    """Raises DatasetError for one that cannot be trusted to `limit_px` of the reference view."""
    faults = estimate.faults(limit_px)
    if faults:
        raise DatasetError(
            "the mount is not known well enough, and nothing was written",
            faults=faults,
            next_step="record more and different parts with more contrast, use a target (--target), or allow more with "
            "--max-error-percent",
        )


def entry_of(estimate: Estimate, reference: str, view: tuple[int, int]) -> Registration:
    values = tuple(float(f"{value:.{DIGITS}g}") for value in estimate.homography.ravel())
    return Registration(reference=reference, homography=values, view=view)


def store(path: Path, moving: str, entry: Registration, estimate: Estimate, today: date) -> None:
    """Put the entry into line.yaml or dataset.yaml, beside those of other modalities. Raises ConfigError."""
    both = {**registration_in(path), moving: entry}
    remark = REMARK.format(
        today=today.isoformat(),
        moving=moving,
        reference=entry.reference,
        method=estimate.method,
        model=estimate.model,
        pairs=estimate.pairs,
        px=estimate.spread_px,
    )
    set_block(path, "registration", plain(both), remark)


def carry(registration: Mapping[str, Registration], path: Path) -> None:
    """Put a line's registration into the dataset.yaml of images that its cameras take now.

    Raises UsageError where the images that are there were taken through another mount.
    """
    former = registration_in(path)
    if former == dict(registration):
        return
    if former:
        raise UsageError(
            f"the images beside {path} were taken through another mount",
            found=", ".join(former),
            wanted="the registration of this line.yaml",
            next_step="record into another folder",
        )
    set_block(path, "registration", plain(registration), "of the line that recorded these images")


def registration_in(path: Path) -> dict[str, Registration]:
    return load_config(OnlyRegistration, path).registration if path.exists() else {}


def plain(registration: Mapping[str, Registration]) -> dict[str, object]:
    return {
        name: {"reference": one.reference, "homography": list(one.homography), "view": list(one.view)}
        for name, one in registration.items()
    }
