"""An estimate as the block `registration` of a file, or the refusal to write it. Knows no command."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from radar_edge.config import Registration, load_config, set_block
from radar_edge.errors import DatasetError
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
    former = load_config(OnlyRegistration, path).registration if path.exists() else {}
    both = {**former, moving: entry}
    document = {
        name: {"reference": one.reference, "homography": list(one.homography), "view": list(one.view)}
        for name, one in both.items()
    }
    remark = REMARK.format(
        today=today.isoformat(),
        moving=moving,
        reference=entry.reference,
        method=estimate.method,
        model=estimate.model,
        pairs=estimate.pairs,
        px=estimate.spread_px,
    )
    set_block(path, "registration", document, remark)
