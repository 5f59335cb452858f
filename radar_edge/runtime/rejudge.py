"""Judges journalled parts again from their kept frames, and says where the verdict is another. Knows no camera.

Only what the engine found is compared, not what policy, deadline or journal made of it: the score on the same Subset,
and the code that the score means at the bundle's threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radar_edge.bundle import Bundle
from radar_edge.config import Registration
from radar_edge.errors import DatasetError, UsageError
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset, subset_from_slug
from radar_edge.preprocess import Preprocess, read_image
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
    runs: Mapping[int, Mapping[str, Any]],
) -> Iterator[Again]:
    """Every journalled part that an engine judged and whose frames were kept, in the journal's order.

    `runs` are the facts of each run: the frames are registered as they were then. Raises DatasetError for a kept
    frame that cannot be read.
    """
    preprocess = {run: preprocess_of(bundle, facts) for run, facts in runs.items()}
    for row in rows:
        folder = kept.get((row["run"], row["part"]))
        if folder is None or row["subset"] is None or row["score"] is None:
            continue
        subset = subset_from_slug(row["subset"], bundle.modalities)
        calibration = bundle.engine(subset, precision).calibration
        score = image_score(engines[subset].infer(inputs_of(folder, subset, preprocess[row["run"]])).anomaly_map)
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


def preprocess_of(bundle: Bundle, facts: Mapping[str, Any]) -> Preprocess:
    """With the registration of the unit in that run."""
    said = facts.get("registration") or {}
    return bundle.manifest.preprocess.on_unit(
        {name: Registration.model_validate(entry) for name, entry in said.items()}
    )


def of_product(
    rows: Sequence[dict[str, Any]],
    events: Sequence[Mapping[str, Any]],
    runs: Mapping[int, Mapping[str, Any]],
    number: int | None,
) -> list[dict[str, Any]]:
    """The parts of one product. Raises UsageError if a run had several products and none is named."""
    several = {run for run, facts in runs.items() if facts.get("products")}
    if number is None:
        if several:
            raise UsageError(
                "this journal holds parts of several products",
                wanted="the number of the product that the bundle is for",
                next_step="name it with --product",
            )
        return list(rows)
    since: dict[int, list[tuple[int, int]]] = {}
    for event in events:
        if event["kind"] == "product":
            since.setdefault(event["run"], []).append((event["detail"]["since_ns"], int(event["subject"])))
    return [row for row in rows if selected(since.get(row["run"], []), row["received_ns"]) == number]


def selected(since: Sequence[tuple[int, int]], at_ns: int) -> int | None:
    """The product that stood there at a time; `since` has the changes in order."""
    before = [number for from_ns, number in since if from_ns <= at_ns]
    return before[-1] if before else None


def inputs_of(folder: Path, subset: Subset, preprocess: Preprocess) -> Any:
    missing = [name for name in subset if not (folder / f"{name}.png").is_file()]
    if missing:
        raise DatasetError(
            f"{folder} lacks the frame of {', '.join(missing)}", next_step="its engine cannot judge again"
        )
    return preprocess({name: read_image(folder / f"{name}.png") for name in subset})


def judged_code(row: Mapping[str, Any]) -> str | None:
    """What the score meant then, at the threshold of then."""
    if row["threshold"] is None:
        return None
    return "REJECT" if row["score"] > row["threshold"] else "PASS"


def differs(score: float, row: Mapping[str, Any], calibration: Calibration) -> bool:
    moved = abs(score - row["score"]) > SCORE_SHARE * calibration.spread
    code = "REJECT" if score > calibration.threshold else "PASS"
    return moved or code != judged_code(row)
