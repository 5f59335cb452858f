"""Every fault of an image folder at once, pixels included. Reports; it neither mends nor judges.

Faults make a data set unfit: files that cannot be read, images of another kind, masks of another size, parts or groups
that lie in two splits. Notes are worth a look: sizes that differ, masks without a pixel.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from radar_edge.data.kinds import Kind, ModalitySpec, describe, kind_of
from radar_edge.data.layouts import MASKS, SPLITS, Layout, Sample, no_images, survey
from radar_edge.errors import DatasetError
from radar_edge.preprocess import read_image

THREADS = 2
NOTED = 3
"""Files named in a note; faults name every one."""

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, steps done, and steps in all."""


@dataclass(frozen=True)
class Picture:
    """One file to decode: the image of `modality`, or a mask (`modality` is then its folder's name)."""

    sample: Sample
    modality: str
    path: Path
    is_mask: bool


@dataclass(frozen=True)
class Seen:
    """What decoding a file showed. `digest` is of its pixels; None for a picture of one single value."""

    picture: Picture
    spec: ModalitySpec | None
    digest: bytes | None
    is_blank: bool
    fault: str | None


@dataclass(frozen=True)
class Count:
    """Parts, images of each modality, and parts with a mask, in one class of one split."""

    split: str
    cls: str
    parts: int
    images: dict[str, int]
    masked: int


@dataclass(frozen=True)
class Report:
    """What is in the folder, and what is wrong with it."""

    root: Path
    modalities: tuple[str, ...]
    counts: tuple[Count, ...]
    kinds: dict[str, Kind]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def check(root: Path, progress: Progress = lambda *_: None) -> Report:
    """Decode every image and mask of the folder. Raises DatasetError only if there is nothing to look at."""
    layout = survey(root)
    pictures = [picture for sample in layout.samples for picture in pictures_of(sample)]
    seen = []
    with ThreadPoolExecutor(THREADS) as pool:
        for done, one in enumerate(pool.map(look, pictures), 1):
            seen.append(one)
            progress("decode", done, len(pictures))
    kinds, missing = learn_kinds(layout, seen)
    faults = [
        *layout.faults,
        *missing,
        *(f"{name_of(layout, one)}: {one.fault}" for one in seen if one.fault),
        *wrong_kinds(layout, seen, kinds),
        *wrong_masks(layout, seen),
        *leaks(layout, seen),
    ]
    return Report(root, layout.modalities, counts(layout), kinds, tuple(faults), tuple(notes(layout, seen)))


def pictures_of(sample: Sample) -> Iterator[Picture]:
    for name, path in sample.paths.items():
        yield Picture(sample, name, path, is_mask=False)
    if sample.mask is not None:
        yield Picture(sample, MASKS, sample.mask, is_mask=True)
    for name, path in sample.masks.items():
        yield Picture(sample, name, path, is_mask=True)


def look(picture: Picture) -> Seen:
    try:
        image = read_image(picture.path)
    except DatasetError as error:
        return Seen(picture, None, None, False, f"not a complete image ({error.found})")
    low, high = int(image.min()), int(image.max())
    # Two dark frames of one value are equal without being the same part.
    digest = hashlib.blake2b(repr(image.shape).encode() + image.tobytes()).digest() if low != high else None
    return Seen(picture, describe(image), digest, high == 0, None)


def name_of(layout: Layout, seen: Seen) -> str:
    return seen.picture.path.relative_to(layout.root).as_posix()


def learn_kinds(layout: Layout, seen: Sequence[Seen]) -> tuple[dict[str, Kind], list[str]]:
    """The kind of each modality that has a readable image in train/good, and a fault for each without any image."""
    trained = defaultdict(list)
    for one in seen:
        sample = one.picture.sample
        if sample.split == "train" and sample.is_good and not one.picture.is_mask:
            trained[one.picture.modality].append(one.spec)
    kinds = {}
    for name in layout.modalities:
        if readable := [spec for spec in trained[name] if spec is not None]:
            kinds[name] = kind_of(readable, layout.declared.get(name))
    return kinds, [no_images(name) for name in layout.modalities if not trained[name]]


def wrong_kinds(layout: Layout, seen: Sequence[Seen], kinds: dict[str, Kind]) -> Iterator[str]:
    for one in seen:
        kind = None if one.picture.is_mask else kinds.get(one.picture.modality)
        if kind is not None and one.spec is not None:
            yield from (f"{name_of(layout, one)}: {fault}" for fault in kind.faults(one.spec))


def wrong_masks(layout: Layout, seen: Sequence[Seen]) -> Iterator[str]:
    """gt is as large as the first modality's image, gt_<modality> as that modality's."""
    sizes = {(s.picture.sample.key, s.picture.modality): size_of(s) for s in seen if not s.picture.is_mask}
    for one in seen:
        if not one.picture.is_mask:
            continue
        name = layout.modalities[0] if one.picture.modality == MASKS else one.picture.modality
        found, wanted = size_of(one), sizes.get((one.picture.sample.key, name))
        if found is not None and wanted is not None and found != wanted:
            yield f"{name_of(layout, one)}: the mask is {text(found)} px, its {name} image {text(wanted)}"


def size_of(seen: Seen) -> tuple[int, int] | None:
    """(height, width)"""
    return None if seen.spec is None else (seen.spec.height, seen.spec.width)


def text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def leaks(layout: Layout, seen: Sequence[Seen]) -> Iterator[str]:
    """Images whose pixels also lie in an earlier split: a part that was trained on cannot be tested with."""
    first: dict[tuple[str, bytes], Seen] = {}
    for one in sorted(seen, key=lambda s: SPLITS.index(s.picture.sample.split)):
        if one.digest is None or one.picture.is_mask:
            continue
        earlier = first.setdefault((one.picture.modality, one.digest), one)
        if earlier.picture.sample.split != one.picture.sample.split:
            yield f"{name_of(layout, one)} has the pixels of {name_of(layout, earlier)}"


def counts(layout: Layout) -> tuple[Count, ...]:
    classes: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in layout.samples:
        classes[sample.split, sample.cls].append(sample)
    return tuple(
        Count(
            split,
            cls,
            parts=len(samples),
            images={name: sum(name in sample.paths for sample in samples) for name in layout.modalities},
            masked=sum(sample.mask is not None or bool(sample.masks) for sample in samples),
        )
        for (split, cls), samples in classes.items()
    )


def notes(layout: Layout, seen: Sequence[Seen]) -> Iterator[str]:
    for name in layout.modalities:
        images = (s for s in seen if s.picture.modality == name and not s.picture.is_mask)
        sizes = Counter(size for s in images if (size := size_of(s)) is not None)
        if len(sizes) > 1:
            yield f"{name}: images of {len(sizes)} sizes, most of them {text(sizes.most_common(1)[0][0])} px"
    masks = [s for s in seen if s.picture.is_mask and s.spec is not None and not s.picture.sample.is_good]
    marked = {s.picture.sample.key for s in masks if not s.is_blank}
    if blank := sorted({s.picture.sample.key for s in masks} - marked):
        yield f"{len(blank)} defective part(s) whose masks are empty: {some(blank)}"
    if bare := [s.key for s in layout.samples if not s.is_good and s.mask is None and not s.masks]:
        yield f"{len(bare)} defective part(s) without a mask: {some(bare)}"


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:NOTED]) + (", ..." if len(names) > NOTED else "")
