"""The adapter of magnetic tiles on the real pictures, put back into their original folders."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from foreign import plan_of

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "RADAR_EDGE_DATA" not in os.environ:
        pytest.skip("RADAR_EDGE_DATA does not name the folder of the real image sets")
    real, root = Path(os.environ["RADAR_EDGE_DATA"]) / "magnetic_tile", tmp_path_factory.mktemp("tiles")
    with (real / "samples.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            home = real / row["split"] / row["cls"]
            name = "Free" if row["cls"] == "good" else row["cls"].capitalize()
            folder = root / f"MT_{name}" / "Imgs"
            folder.mkdir(parents=True, exist_ok=True)
            for path in (home / "rgb" / f"{row['name']}.jpg", home / "gt" / f"{row['name']}.png"):
                if path.is_file():
                    (folder / path.name).symlink_to(path)
    return root


def test_all_pictures_in_groups_that_stay_together(original: Path) -> None:
    plan = plan_of("magnetic-tile", original)
    assert len(plan.parts) == 1344
    splits: dict[str, set[str]] = {}
    for part in plan.parts:
        splits.setdefault(part.group, set()).add(part.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) > 100
    good = [part.split for part in plan.parts if part.cls == "good"]
    assert min(good.count(split) for split in ("train", "validation", "test")) > 100


def test_pairs_of_exposures_that_register(original: Path) -> None:
    plan = plan_of("magnetic-tile", original, second_exposure=True, allow_missing=True)
    pairs = sum(len(part.images) == 2 for part in plan.parts)
    assert pairs + len(plan.parts) == 1344
    assert pairs > 450
