"""The folder: which specimen is in which split, its pictures and masks, the tables. Knows no physics.

Half of the parts are train/good, a tenth validation/good, a fifth test/good; the rest is defective, a fifth of it in
validation and the others in test, every class in turn. Parts were made in one sequence of lots, and splits were drawn
over it at random, so that the drift of the sequence says nothing about a part. Each part is imaged once and is a group
of its own. Everything a part shows follows from the seed and its number: the number of processes changes nothing.

A mask is the difference between the pictures with and without the defect: RGB_LEVELS grey levels in any channel, or
TIR_SHARE of the largest change in temperature but at least TIR_K; heat that spreads further is no defect of its own.
dataset.yaml gives the thermal scale: degrees Celsius = 0.01 count - 273.15 (counts are centi-kelvin).
"""

from __future__ import annotations

import csv
import io
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.data.synthetic.camera import rgb_levels, round_levels
from radar_edge.data.synthetic.defects import DRAW, VISIBLE_IN, Defect
from radar_edge.data.synthetic.part import Specimen, draw_specimen
from radar_edge.data.synthetic.thermal import COUNTS_PER_K, thermal_counts
from radar_edge.errors import StorageError, UsageError
from radar_edge.files import new_folder
from radar_edge.preprocess import encode_png
from radar_edge.records import Image

GOOD = "good"
LEAST_PARTS = 50
LEAST_SIZE, MOST_SIZE = 64, 1024
LOT_PARTS = 50
OWN_FILES = ("dataset.yaml", "samples.csv")
COLUMNS = ("split", "cls", "name", "group", "visible_in", "lot")
YAML = """\
# value = raw * scale + offset, in `unit`
modalities:
  rgb: {channels: 3, bit_depth: 8}
  tir: {channels: 1, bit_depth: 16, unit: celsius, scale: 0.01, offset: -273.15}
"""

RGB_LEVELS = 12
TIR_K = 0.4
TIR_SHARE = 0.3
RGB_LEAST, TIR_LEAST = 160, 14
"""Pixels of a 256 px RGB and of a 128 px thermal picture that a defect must change to be one."""
TIR_LEAST_K = 1.2
MOST_DRAWS = 50

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Job:
    """One part to make."""

    split: str
    cls: str
    name: str
    lot: int
    ambient_c: float
    nuc_seed: int
    seed: tuple[int, int]

    @property
    def row(self) -> tuple[str, ...]:
        return self.split, self.cls, self.name, f"part-{self.name}", VISIBLE_IN.get(self.cls, ""), f"lot-{self.lot:02d}"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """What both cameras saw of one part; masks per modality that shows the defect."""

    rgb: npt.NDArray[np.uint8]
    tir: npt.NDArray[np.uint16]
    masks: dict[str, Mask]


def generate(
    out: Path,
    *,
    parts: int = 600,
    seed: int = 0,
    size_px: int = 256,
    replace: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Job]:
    """Write a data set of `parts` pairs into `out`, whole or not at all; thermal images have half of `size_px`.

    `progress(done, total)` is called as parts are finished. Raises UsageError for a request that cannot be met or an
    `out` that is in use, StorageError if the disk refuses.
    """
    if parts < LEAST_PARTS:
        raise UsageError("too few parts for every class and split", found=parts, wanted=f"at least {LEAST_PARTS}")
    if not LEAST_SIZE <= size_px <= MOST_SIZE or size_px % 4:
        wanted = f"a multiple of 4 from {LEAST_SIZE} to {MOST_SIZE}"
        raise UsageError("the image size cannot be used", found=size_px, wanted=wanted)
    jobs = plan(parts, seed)
    if replace and out.exists() and any(out.iterdir()) and not all((out / name).exists() for name in OWN_FILES):
        raise UsageError(f"{out} was not made by synth", next_step="name another folder, or remove it")
    with new_folder(out, replace=replace) as folder:
        try:
            make_folders(folder, jobs)
            with pool(workers or min(os.cpu_count() or 1, 8)) as each:
                for done, _ in enumerate(each([(folder, job, size_px) for job in jobs]), 1):
                    if progress is not None:
                        progress(done, parts)
            (folder / "samples.csv").write_text(table(jobs), encoding="utf-8")
            (folder / "dataset.yaml").write_text(YAML, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"cannot write the data set {out}", found=error.strerror) from error
    return jobs


def plan(parts: int, seed: int) -> list[Job]:
    """Who is made when: one job a part, in order of production."""
    # As many good parts set the thresholds as test them: with few, a threshold is a matter of luck.
    train, validation, test = parts // 2, parts * 3 // 20, parts * 3 // 20
    kinds = [("train", GOOD)] * train + [("validation", GOOD)] * validation + [("test", GOOD)] * test
    bad = parts - len(kinds)
    classes = list(DRAW)
    held = max(bad // 5, len(classes)) if bad >= 2 * len(classes) else 0
    kinds += [("validation" if n < held else "test", classes[n % len(classes)]) for n in range(bad)]
    rng = np.random.default_rng(np.random.SeedSequence((seed, parts)))
    order = rng.permutation(parts)
    lots = math.ceil(parts / LOT_PARTS)
    ambient = 22 + 1.5 * rng.standard_normal(lots)
    nuc_seeds = rng.integers(0, 2**31, lots)
    jobs = []
    for number, kind in enumerate(order):
        lot = number // LOT_PARTS
        drift = 1.5 * math.sin(2 * math.pi * number / parts * 2.5)
        split, cls = kinds[kind]
        jobs.append(
            Job(split, cls, f"{number:04d}", lot, float(ambient[lot]) + drift, int(nuc_seeds[lot]), (seed, number))
        )
    return jobs


def shoot(job: Job, size_px: int) -> Shot:
    """One part seen by both cameras. Follows from the job alone."""
    of_part, of_defect = np.random.SeedSequence(job.seed).spawn(2)
    specimen = draw_specimen(np.random.default_rng(of_part), job.ambient_c, job.nuc_seed)
    rgb, tir = rgb_levels(specimen, size_px), thermal_counts(specimen, size_px // 2)
    if job.cls == GOOD:
        return Shot(round_levels(rgb), round_counts(tir), {})
    rng = np.random.default_rng(of_defect)
    wanted = set(VISIBLE_IN[job.cls].split("_"))
    for _ in range(MOST_DRAWS):
        shot = spoil(specimen, DRAW[job.cls](rng, specimen), rgb, tir)
        if set(shot.masks) == wanted:
            return shot
    raise ArithmeticError(f"no visible {job.cls} in {MOST_DRAWS} draws of part {job.name}")


def spoil(specimen: Specimen, defect: Defect, rgb: npt.NDArray[np.float32], tir: npt.NDArray[np.float64]) -> Shot:
    """The specimen with the defect, beside its good pictures; a mask only where the defect is clear enough."""
    size_px = rgb.shape[0]
    spoilt_rgb = rgb_levels(specimen, size_px, defect) if defect.changes_light else rgb
    spoilt_tir = thermal_counts(specimen, size_px // 2, defect) if defect.changes_heat else tir
    changed = np.abs(spoilt_rgb - rgb).max(axis=2)
    rise_k = np.abs(spoilt_tir - tir) / COUNTS_PER_K
    masks = {
        "rgb": tidy(changed >= RGB_LEVELS),
        "tir": rise_k >= max(TIR_K, TIR_SHARE * float(rise_k.max())),
    }
    scale = (size_px / 256) ** 2
    seen = {
        "rgb": masks["rgb"].sum() >= RGB_LEAST * scale,
        "tir": masks["tir"].sum() >= TIR_LEAST * scale and rise_k.max() >= TIR_LEAST_K,
    }
    kept = {name: mask for name, mask in masks.items() if seen[name]}
    return Shot(round_levels(spoilt_rgb), round_counts(spoilt_tir), kept)


def tidy(changed: Mask) -> Mask:
    """Gaps of a pixel or two closed: a defect crosses dark places where it changes little."""
    closed = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return np.asarray(closed > 0)


def round_counts(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    return np.asarray(np.clip(np.round(counts), 0, 65535), np.uint16)


def union(masks: dict[str, Mask], size_px: int) -> Mask:
    """What any camera shows, at the RGB picture's size; the parallax of 2 px stays."""
    whole = np.zeros((size_px, size_px), bool)
    for mask in masks.values():
        whole |= cv2.resize(mask.astype(np.uint8), (size_px, size_px), interpolation=cv2.INTER_NEAREST) > 0
    return whole


def make_folders(root: Path, jobs: list[Job]) -> None:
    for split, cls in {(job.split, job.cls) for job in jobs}:
        names = ["rgb", "tir"]
        if cls != GOOD:
            names += ["gt", *(f"gt_{name}" for name in VISIBLE_IN[cls].split("_"))]
        for name in names:
            (root / split / cls / name).mkdir(parents=True)


def write_part(task: tuple[Path, Job, int]) -> str:
    """Make one part and write its files; gives back its name. Plain writes: the whole folder is put in place later."""
    root, job, size_px = task
    shot = shoot(job, size_px)
    folder = root / job.split / job.cls
    images: dict[str, Image] = {"rgb": shot.rgb, "tir": shot.tir}
    if shot.masks:
        images["gt"] = drawn(union(shot.masks, size_px))
        images |= {f"gt_{name}": drawn(mask) for name, mask in shot.masks.items()}
    for name, image in images.items():
        (folder / name / f"{job.name}.png").write_bytes(encode_png(image))
    return job.name


def drawn(mask: Mask) -> npt.NDArray[np.uint8]:
    return mask.astype(np.uint8) * np.uint8(255)


def settle() -> None:
    """A worker uses one core, and leaves Ctrl-C to its parent."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def pool(workers: int) -> Iterator[Callable[[list[tuple[Path, Job, int]]], Iterator[str]]]:
    """A map of write_part over `workers` fresh processes, or over this one."""
    if workers == 1:
        yield lambda tasks: map(write_part, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=settle) as processes:
        try:
            yield lambda tasks: processes.map(write_part, tasks, chunksize=4)
        except BaseException:
            processes.shutdown(cancel_futures=True)
            raise


def table(jobs: list[Job]) -> str:
    """samples.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(job.row for job in jobs))
    return text.getvalue()
