"""Judges journalled parts again from their kept frames, and says where the verdict is another. Knows no camera.

Only what the engine found is compared, not what policy, deadline or journal made of it: the score on the same Subset,
and the code that the score means at the bundle's threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radar_edge.bundle import Bundle
from radar_edge.errors import DatasetError, UsageError
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset, subset_from_slug
from radar_edge.preprocess import read_image
from radar_edge.runtime.evidence import parts_of
from radar_edge.runtime.inspector import VERDICTS
from radar_edge.scoring import Calibration, image_score

SCORE_SHARE = 0.01
"""Of the way from a median good part to the threshold: a score further off than that is another score."""


@dataclass(frozen=True)
class Again:
    """One part judged again."""

    run: int
    part: int
    trigger_id: int
    subset: str
    score: float
    score_before: float
    code: str
    code_before: str | None
    differs: bool


def kept_parts(folder: Path) -> dict[tuple[int, int], Path]:
    """(run, part) -> folder of its frames. Raises UsageError if there are none."""
    found = {(int(part.parent.name), int(part.name)): part for part in parts_of(folder)}
    if not found:
        raise UsageError(
            f"there are no kept frames in {folder}",
            wanted="the folder named under evidence.folder in line.yaml",
            next_step="let the line keep some: evidence.keep is rejects or all",
        )
    return found


def rejudge(
    rows: list[dict[str, Any]],
    kept: Mapping[tuple[int, int], Path],
    bundle: Bundle,
    engines: Mapping[Subset, Runner],
    precision: str,
) -> Iterator[Again]:
    """Every journalled part that an engine judged and whose frames were kept, in the journal's order.

    Raises DatasetError for a kept frame that cannot be read.
    """
    for row in rows:
        folder = kept.get((row["run"], row["part"]))
        if folder is None or row["subset"] is None or row["score"] is None:
            continue
        subset = subset_from_slug(row["subset"], bundle.modalities)
        calibration = bundle.engine(subset, precision).calibration
        score = image_score(engines[subset].infer(inputs_of(folder, subset, bundle)).anomaly_map)
        code, _ = VERDICTS[calibration.band(score)]
        yield Again(
            run=row["run"],
            part=row["part"],
            trigger_id=row["trigger_id"],
            subset=subset.slug,
            score=score,
            score_before=row["score"],
            code=code.name,
            code_before=judged_code(row),
            differs=differs(score, row, calibration),
        )


def inputs_of(folder: Path, subset: Subset, bundle: Bundle) -> Any:
    missing = [name for name in subset if not (folder / f"{name}.png").is_file()]
    if missing:
        raise DatasetError(
            f"{folder} lacks the frame of {', '.join(missing)}", next_step="its engine cannot judge again"
        )
    return bundle.manifest.preprocess({name: read_image(folder / f"{name}.png") for name in subset})


def judged_code(row: Mapping[str, Any]) -> str | None:
    """What the score meant then, at the threshold of then."""
    if row["threshold"] is None:
        return None
    return "REJECT" if row["score"] > row["threshold"] else "PASS"


def differs(score: float, row: Mapping[str, Any], calibration: Calibration) -> bool:
    moved = abs(score - row["score"]) > SCORE_SHARE * calibration.spread
    code = "REJECT" if score > calibration.threshold else "PASS"
    return moved or code != judged_code(row)
