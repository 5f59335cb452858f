#!/usr/bin/env python
"""RADAR on other modalities: three MRI sequences of a drawn head, of which one is lost, and one is replaced.

    tools/example_mri.py --work FOLDER [--quick] [--json]
    tools/example_mri.py --tables docs/results/other_modalities.json

Nothing here is a medical image: heads, sequences and lesions are drawn with a few ellipses, so that the example needs
no data. What it shows is that nothing but the data changes: the commands are those of any other set.

1. a set of t1, t2 and flair (one channel of 16 bit each), `radar-edge dataset check`, `train`, `evaluate`
2. the same heads with dwi in the place of flair: `train --from RUN --replace flair=dwi`, and `train` anew, in the same
   number of steps; `evaluate` both

The last line on stdout is JSON: image AUROC of every subset, the pooled AUROC when parts lack a modality, what each
training took. A few minutes on two cores.
--tables writes the tables of docs/other-modalities.md from such a document. Needs the extras train and report.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from radar_edge import files
from radar_edge.benchmark.machine import machine
from radar_edge.preprocess import write_png

Plane = npt.NDArray[np.float64]

SIDE, COUNTS = 96, 3000
TISSUES = {
    # skull, fluid, grey matter, white matter; 1 is COUNTS
    "t1": (0.35, 0.15, 0.50, 0.75),
    "t2": (0.25, 0.95, 0.60, 0.40),
    "flair": (0.30, 0.10, 0.60, 0.50),
    "dwi": (0.05, 0.08, 0.45, 0.40),
}
LESIONS = {
    "tumour": {"t1": -0.30, "t2": 0.45, "flair": 0.45, "dwi": 0.30},
    "infarct": {"flair": 0.30, "dwi": 0.60},
    "bleed": {"t1": 0.45},
    "plaque": {"t2": 0.40, "flair": 0.45},
}
"""How much brighter a lesion is in a sequence; where nothing is said it does not show."""
FIRST, AFTER = ("t1", "t2", "flair"), ("t1", "t2", "dwi")
OLD, NEW = "flair", "dwi"


@dataclass(frozen=True)
class Size:
    """Parts of train/good, of test/good and of each lesion; and how long to train on them."""

    train: int
    good: int
    lesion: int
    config: dict[str, int]


FULL = Size(120, 40, 10, {"size_px": 64, "features": 16, "shared": 32, "batch_size": 8, "steps": 240})
QUICK = Size(30, 6, 3, {"size_px": 32, "features": 8, "shared": 8, "batch_size": 4, "steps": 8, "warm_up_steps": 2})


def ellipse(x: float, y: float, a: float, b: float, edge: float = 10.0) -> Plane:
    """`[SIDE, SIDE]`, 1 within; centre and half axes in units of half the side."""
    v, u = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    filled: Plane = np.clip((1 - np.hypot((u - x) / a, (v - y) / b)) * edge, 0, 1)
    return filled


def smooth_field(rng: np.random.Generator, knots: int) -> Plane:
    """`[SIDE, SIDE]` of unit spread."""
    return cv2.resize(rng.standard_normal((knots, knots)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def tissues(rng: np.random.Generator) -> dict[str, Plane]:
    """Shares of skull, fluid, grey and white matter of one head."""
    a, b = rng.normal(0.74, 0.02), rng.normal(0.86, 0.02)
    head, inside = ellipse(0, 0, a, b), ellipse(0, 0, a - 0.07, b - 0.07)
    folded = inside * (ellipse(0, 0, a - 0.2, b - 0.2, 6) + 0.12 * smooth_field(rng, 14) > 0.4)
    white = cv2.GaussianBlur(folded, (0, 0), 0.8)
    width, gap = rng.normal(0.09, 0.01), rng.normal(0.13, 0.01)
    fluid = np.maximum(*(ellipse(side * gap, -0.05, width, 0.3) for side in (-1, 1)))
    nuclei = np.maximum(*(ellipse(side * 0.32, 0.05, 0.09, 0.14) for side in (-1, 1)))
    white = white * (1 - fluid) * (1 - nuclei)
    return {"skull": head - inside, "fluid": inside * fluid, "grey": inside * (1 - fluid) - white, "white": white}


def lesion_region(rng: np.random.Generator, white: Plane) -> Plane:
    """A blob in the white matter."""
    y, x = rng.permutation(np.argwhere(white > 0.9))[0] / (SIDE - 1) * 2 - 1
    radius = rng.uniform(0.12, 0.22)
    ragged = 1 + 0.3 * smooth_field(rng, 10)
    return np.clip(ellipse(x, y, radius, radius * rng.uniform(0.6, 1), 3) * ragged, 0, 1)


def pictures(seed: tuple[int, ...], lesion: str | None) -> tuple[dict[str, npt.NDArray[np.uint16]], Plane]:
    """All four sequences of one head, and where its lesion is."""
    rng = np.random.default_rng(seed)
    shares = tissues(rng)
    region = lesion_region(rng, shares["white"]) if lesion else np.zeros((SIDE, SIDE))
    grain = 1 + 0.03 * smooth_field(rng, 30)
    made = {}
    for name, levels in TISSUES.items():
        picture = grain * sum(level * share for level, share in zip(levels, shares.values(), strict=True))
        picture += region * LESIONS[lesion].get(name, 0) if lesion else 0
        if name == "dwi":
            # Echo-planar: fast, and coarse.
            picture = cv2.GaussianBlur(picture, (0, 0), 1.2)  # type: ignore[assignment]
        picture *= rng.normal(1, 0.03) * (1 + 0.04 * smooth_field(rng, 3))
        noise = 0.02 * rng.standard_normal((2, SIDE, SIDE))
        made[name] = np.clip(np.hypot(picture + noise[0], noise[1]) * COUNTS, 0, 65535).astype(np.uint16)
    return made, region


def write_set(root: Path, names: tuple[str, ...], size: Size) -> None:
    """The same heads, whatever the sequences."""
    rows = ["split,cls,name,visible_in"]
    plan = [("train", "good", size.train), ("test", "good", size.good)]
    plan += [("test", lesion, size.lesion) for lesion in LESIONS]
    for k, (split, cls, count) in enumerate(plan):
        lesion = None if cls == "good" else cls
        seen = "_".join(name for name in names if lesion and name in LESIONS[lesion])
        if lesion and not seen:
            continue
        for n in range(count):
            made, region = pictures((k, n), lesion)
            for name in names:
                write_png(root / split / cls / name / f"{n:03}.png", made[name])
            if lesion:
                write_png(root / split / cls / "gt" / f"{n:03}.png", np.where(region > 0.3, 255, 0).astype(np.uint8))
            rows.append(f"{split},{cls},{n:03},{seen}")
    files.write_text(root / "samples.csv", "\n".join(rows) + "\n")
    kind = {"bit_depth": 16, "channels": 1}
    files.write_text(root / "dataset.yaml", yaml.safe_dump({"modalities": dict.fromkeys(names, kind)}, sort_keys=False))


def radar_edge(*words: object) -> dict[str, float]:
    """Run a command as its user would, and say so. Ends the example if it fails.

    Its time on the clock, and on the processor, which other processes on the machine change little.
    """
    said = [str(word) for word in words]
    print(f"$ radar-edge {' '.join(said)}", file=sys.stderr, flush=True)
    begun, worked = time.monotonic(), cpu_s()
    done = subprocess.run([sys.executable, "-m", "radar_edge", *said], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return {"seconds": round(time.monotonic() - begun, 1), "cpu_seconds": round(cpu_s() - worked, 1)}


def cpu_s() -> float:
    """Of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judged(run: Path, data: Path) -> dict[str, Any]:
    out = run.with_suffix(".json")
    radar_edge("evaluate", run, "--data", data, "--out", out)
    metrics = json.loads(out.read_text())
    slugs = sorted(metrics["subsets"], key=lambda slug: slug.count("_"))
    return {
        "auroc": {slug: round(metrics["subsets"][slug]["image_auroc"], 4) for slug in slugs},
        "missing": [
            {key: row[key] if key in ("rate", "missing") else round(row[key], 4) for key in MISSING}
            for row in metrics["missing"]["rows"]
            if row["rate"] == RATE
        ],
    }


RATE = 0.5
MISSING = ("rate", "missing", "calibrated", "placeholder")


def example(work: Path, size: Size) -> dict[str, Any]:
    first, after, config = work / "heads", work / "heads-dwi", work / "small.yaml"
    for root, names in ((first, FIRST), (after, AFTER)):
        write_set(root, names, size)
        radar_edge("dataset", "check", root)
    files.write_text(config, yaml.safe_dump(size.config, sort_keys=False))
    spent, found = {}, {}
    for name, data, more in (
        ("first", first, ()),
        ("replaced", after, ("--from", work / "first", "--replace", f"{OLD}={NEW}")),
        ("anew", after, ()),
    ):
        spent[name] = radar_edge("train", "--data", data, "--out", work / name, "--config", config, *more)
        found[name] = judged(work / name, data)
    return {
        "parts": {"train": size.train, "test_good": size.good, "each_lesion": size.lesion},
        "config": size.config,
        "training": spent,
        **found,
    }


def tables(document: dict[str, Any]) -> str:
    """The tables of docs/other-modalities.md."""
    first, replaced, anew = (document[name] for name in ("first", "replaced", "anew"))
    lines = ["| subset | image AUROC |", "| --- | --- |"]
    lines += [f"| {slug} | {auroc:.3f} |" for slug, auroc in first["auroc"].items()]
    lines += ["", "| half of the parts lack | calibrated | placeholder |", "| --- | --- | --- |"]
    lines += [f"| {row['missing']} | {row['calibrated']:.3f} | {row['placeholder']:.3f} |" for row in first["missing"]]
    lines += ["", "| subset | `--replace flair=dwi` | trained anew |", "| --- | --- | --- |"]
    lines += [f"| {slug} | {auroc:.3f} | {anew['auroc'][slug]:.3f} |" for slug, auroc in replaced["auroc"].items()]
    lines += [
        f"| {row['missing']} missing in half of the parts | {row['calibrated']:.3f} | {other['calibrated']:.3f} |"
        for row, other in zip(replaced["missing"], anew["missing"], strict=True)
    ]
    spent = [document["training"][name]["cpu_seconds"] for name in ("replaced", "anew")]
    lines += [f"| training, seconds of processor time | {spent[0]:.0f} | {spent[1]:.0f} |"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--work", type=Path, help="new folder for the sets, the runs and what they are worth")
    chosen.add_argument("--tables", type=Path, metavar="JSON", help="write the tables of a document that this printed")
    parser.add_argument("--quick", action="store_true", help="seconds: shows the way, and detects nothing")
    parser.add_argument("--json", action="store_true", help="as every tool takes it; the output is JSON anyway")
    given = parser.parse_args()
    if given.tables:
        print(tables(json.loads(given.tables.read_text())), end="")
        return
    document = example(given.work, QUICK if given.quick else FULL)
    print(json.dumps({"quick": given.quick, **document, **machine()}))


if __name__ == "__main__":
    main()
