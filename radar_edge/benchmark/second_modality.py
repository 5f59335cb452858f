"""A second modality for a set that has one: a view derived from the first, or another exposure of the same tile.

Takes and gives plans (data.adapters.plan); writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from radar_edge.data.adapters import magnetic_tile
from radar_edge.data.adapters.plan import Findings, Options, Part, Plan, Progress, Source
from radar_edge.data.kinds import DeclaredModality
from radar_edge.preprocess import read_image
from radar_edge.records import Image

DERIVED = "highpass"
BLUR_SHARE = 1 / 32
"""Of the shorter side: the standard deviation of the blur that a derived view lacks."""
MIDDLE = 128


def high_passed(path: Path) -> Image:
    """Grey picture minus its Gaussian blur of BLUR_SHARE of the shorter side, around MIDDLE, 8 bit.

    It keeps edges and texture and loses brightness, colour and slow shading. A 16-bit picture counts in 256ths.
    """
    image = read_image(path)
    depth = 256.0 if image.dtype == np.uint16 else 1.0
    grey = (image if image.ndim == 2 else image[..., :3].mean(axis=2)).astype(np.float32) / depth
    blurred = cv2.GaussianBlur(grey, (0, 0), BLUR_SHARE * min(grey.shape))
    return np.asarray(np.clip(np.rint(grey - blurred + MIDDLE), 0, 255), np.uint8)


def with_high_passed(_: Path, plan: Plan, __: Progress) -> Plan:
    """Every part with its only picture and the derived view of it."""
    (name,) = plan.modalities
    parts = tuple(
        replace(part, images={**part.images, DERIVED: Source(part.images[name].path, high_passed)}, visible_in="")
        for part in plan.parts
    )
    note = f"{DERIVED} is derived: {name} minus its blur of 1/{round(1 / BLUR_SHARE)} of its side; no second sensor"
    return replace(plan, modalities={name: plan.modalities[name], DERIVED: DeclaredModality()}, parts=parts,
                   notes=(*plan.notes, note))  # fmt: skip


def with_next_exposure(root: Path, plan: Plan, progress: Progress) -> Plan:
    """Pairs of neighbouring exposures of a tile, within the groups of the folder."""
    found = Findings(root, Options(allow_missing=True))
    (name,) = plan.modalities
    groups: dict[tuple[str, str], list[magnetic_tile.Shot]] = defaultdict(list)
    for part in plan.parts:
        match = magnetic_tile.NAME.match(part.name)
        if match is None:
            found.faults.append(f"{part.key} is not named exp<k>_num_<n>")
            continue
        mask = part.mask or part.masks.get(name)
        shot = magnetic_tile.Shot(
            int(match[2]), int(match[1]), part.cls, part.images[name].path, mask.path if mask else None
        )
        groups[part.split, part.group].append(shot)
    parts: list[Part] = []
    for done, ((split, group), shots) in enumerate(groups.items(), 1):
        tiles = magnetic_tile.paired(sorted(shots, key=lambda shot: shot.number), Options(), found, [])
        parts += [magnetic_tile.part(tile, split, group) for tile in tiles]
        progress("pair exposures", done, len(groups))
    return found.plan({one: DeclaredModality() for one in magnetic_tile.BOTH}, parts)
