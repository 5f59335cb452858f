"""Pictures of parts that did not pass, from the evidence folder. Reads only, and nothing outside that folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image
from radar_edge.records import Code
from radar_edge.runtime.evidence import numbered
from radar_edge.runtime.pictures import SIDE_PX, encode_jpeg, shrink

SHOWN = 24
LOOKED_AT = 2000
"""With `keep: all` most kept parts have passed."""
NUMBER = re.compile(r"[0-9]{1,9}")
MODALITY = re.compile(r"[A-Za-z0-9_-]{1,40}")


def newest(folder: Path, facts_of: Callable[[int, int], dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest SHOWN parts, newest first: {run, part, modalities, and what the journal says}."""
    found = ((run, part, modalities, facts_of(run, part)) for run, part, modalities in _parts(folder))
    rejects = (one for one in islice(found, LOOKED_AT) if one[3].get("code") != Code.PASS.name)
    try:
        return [
            {"run": run, "part": part, "modalities": modalities, **facts}
            for run, part, modalities, facts in islice(rejects, SHOWN)
        ]
    except OSError:  # the ring deletes while we look
        return []


def _parts(folder: Path) -> Iterator[tuple[int, int, list[str]]]:
    for run in sorted(numbered(folder), key=lambda run: int(run.name), reverse=True):
        for part in sorted(numbered(run), key=lambda part: int(part.name), reverse=True):
            modalities = sorted(file.stem for file in part.iterdir() if file.suffix == ".png")
            if modalities:
                yield int(run.name), int(part.name), modalities


def picture(folder: Path, run: str, part: str, modality: str) -> bytes | None:
    """A kept frame as JPEG, None if there is none. A 16-bit one is stretched from its 1 % to its 99 % quantile."""
    if not (NUMBER.fullmatch(run) and NUMBER.fullmatch(part) and MODALITY.fullmatch(modality)):
        return None
    try:
        image = shrink(read_image(folder / run / part / f"{modality}.png"), SIDE_PX)
    except (DatasetError, OSError):
        return None
    if image.dtype == np.uint16:
        low, high = np.percentile(image, (1, 99))
        image = np.clip((image - low) / max(high - low, 1) * 255, 0, 255)
    return encode_jpeg(image.astype(np.uint8))
