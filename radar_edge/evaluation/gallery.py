"""The parts of an evaluation that are worth a look, as pictures with captions. Knows parts, nothing of HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radar_edge.data.dataset import load_mask
from radar_edge.evaluation.evaluate import Judged, sees
from radar_edge.evaluation.metrics import Flags
from radar_edge.evaluation.pictures import (
    SIDE,
    Picture,
    data_address,
    dimmed,
    outlined,
    range_of,
    show_heat,
    show_image,
    show_share,
)
from radar_edge.modality import Subset
from radar_edge.preprocess import read_image
from radar_edge.records import Image

SHOWN = 6
"""Parts of each kind."""


@dataclass(frozen=True)
class View:
    address: str
    caption: str


@dataclass(frozen=True)
class Card:
    """One part: who it is, what is known of it, its pictures."""

    name: str
    about: str
    views: Sequence[View]


@dataclass(frozen=True)
class Gallery:
    title: str
    meaning: str
    cards: Sequence[Card]


def galleries(subset: Subset, parts: Sequence[Judged], threshold: float, shown: int = SHOWN) -> list[Gallery]:
    """Raises DatasetError if an image that is shown cannot be read any more."""
    low = quiet_level(parts)
    return [
        Gallery(title, meaning, [card(subset, part, low, threshold) for part in chosen])
        for title, meaning, chosen in worth_a_look(subset, parts, threshold, shown)
    ]


def quiet_level(parts: Sequence[Judged]) -> float:
    """The median pixel of the good parts' maps."""
    return float(np.median([np.median(part.heat) for part in parts if part.sample.is_good]))


def worth_a_look(
    subset: Subset, parts: Sequence[Judged], threshold: float, shown: int = SHOWN
) -> Iterator[tuple[str, str, Sequence[Judged]]]:
    """(title, meaning, parts): the lowest visible defects that passed, the highest good parts that did not, hits."""
    ranked = sorted(parts, key=lambda part: part.score)
    seen = [part for part in ranked if not part.sample.is_good and sees(subset, part.sample)]
    missed = [part for part in seen if part.score <= threshold]
    hits = seen[len(missed) :]
    alarms = [part for part in reversed(ranked) if part.sample.is_good and part.score > threshold]
    start = max((len(hits) - shown) // 2, 0)
    goods = sum(part.sample.is_good for part in parts)
    yield "Worst misses", f"{len(missed)} of {len(seen)} visible defects escaped; lowest scores first", missed[:shown]
    yield "Worst false alarms", f"{len(alarms)} of {goods} good parts rejected; highest scores first", alarms[:shown]
    yield "Usual hits", f"{len(hits)} of {len(seen)} found; from the middle of them", hits[start : start + shown]


def card(subset: Subset, part: Judged, low: float, threshold: float) -> Card:
    sample = part.sample
    about = [f"score {part.score:.2f}", *(f"{name} {value}" for name, value in sample.strata.items())]
    if sample.visible_in is not None:
        about.insert(1, f"visible in {sample.visible_in}")
    return Card(sample.key, " · ".join(about), list(part_views(subset, part, low, threshold)))


def part_views(subset: Subset, part: Judged, low: float, threshold: float) -> Iterator[View]:
    """Each modality as it was, where the defect is, the heat, each modality's weight in it."""
    images = {name: read_image(part.sample.paths[name]) for name in subset}
    pictures = {name: show_image(image) for name, image in images.items()}
    mask = load_mask(part.sample, subset, SIDE, SIDE)
    yield from seen_views(images, pictures, mask, part.sample.is_good)
    first = pictures[subset.modalities[0]]
    yield View(data_address(outlined(show_heat(first, part.heat, low, threshold), mask)), "heat")
    if part.contribution is not None:
        for name, share in zip(subset, part.contribution, strict=True):
            yield View(data_address(show_share(share, first.shape)), f"weight of {name} {share.mean():.0%}")


def seen_views(
    images: Mapping[str, Image], pictures: Mapping[str, Picture], mask: Flags, is_good: bool
) -> Iterator[View]:
    for name, image in images.items():
        raw = " {:,}–{:,}".format(*range_of(image)) if image.dtype == np.uint16 else ""
        yield View(data_address(pictures[name]), f"{name}{raw}")
    if not is_good:
        caption = "ground truth" if mask.any() else "no mask is given"
        yield View(data_address(outlined(dimmed(next(iter(pictures.values()))), mask)), caption)


def pair_card(subset: Subset, parts: tuple[Judged, Judged], lows: Sequence[float], limits: Sequence[float]) -> Card:
    """One part as two detectors, A and B, judged it."""
    sample = parts[0].sample
    images = {name: read_image(sample.paths[name]) for name in subset}
    pictures = {name: show_image(image) for name, image in images.items()}
    mask = load_mask(sample, subset, SIDE, SIDE)
    views = list(seen_views(images, pictures, mask, sample.is_good))
    first = pictures[subset.modalities[0]]
    for name, part, low, limit in zip("AB", parts, lows, limits, strict=True):
        heat = outlined(show_heat(first, part.heat, low, limit), mask)
        said = "rejects" if part.score > limit else "passes"
        views.append(View(data_address(heat), f"{name} {said}: {part.score - limit:+.2f}"))
    about = ["good part" if sample.is_good else "defect"]
    about += [] if sample.visible_in is None else [f"visible in {sample.visible_in}"]
    return Card(sample.key, " · ".join([*about, *(f"{name} {value}" for name, value in sample.strata.items())]), views)
