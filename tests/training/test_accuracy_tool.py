"""tools/accuracy.py on a few parts and steps: what it writes, and that it does nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radar_edge.preprocess import write_png

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of noise: 38 good parts to train on, 4 good and 4 marked ones to test."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)

    def part(folder: Path, name: str, *, marked: bool) -> None:
        rgb = rng.integers(0, 255, (64, 64, 3), np.uint8)
        tir = rng.integers(30000, 30500, (32, 32), np.uint16)
        if marked:
            rgb[20:40, 20:40] = 0
            mask = np.zeros((64, 64), np.uint8)
            mask[20:40, 20:40] = 255
            write_png(folder / "gt" / f"{name}.png", mask)
        write_png(folder / "rgb" / f"{name}.png", rgb)
        write_png(folder / "tir" / f"{name}.png", tir)

    for n in range(38):
        part(root / "train" / "good", f"{n:03d}", marked=False)
    for n in range(4):
        part(root / "test" / "good", f"{n:03d}", marked=False)
        part(root / "test" / "spot", f"{n:03d}", marked=True)
    return root


def test_jobs_write_their_documents_once_and_share_a_training(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    jobs = ["default", "a11-placeholder"]
    command = [
        sys.executable,
        str(ROOT / "tools/accuracy.py"),
        "--data",
        f"noise={data}",
        "--work",
        str(tmp_path / "w"),
    ]
    command += ["--out", str(out), "--steps", "4", "--configuration", *jobs]
    first = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert len(first.splitlines()) == len(jobs)
    found = {job: json.loads((out / f"noise-{job}-0.json").read_text()) for job in jobs}
    assert len({one["weights_sha256"] for one in found.values()}) == 1
    for one in found.values():
        assert set(one["subsets"]) == {"rgb", "tir", "rgb_tir"}
        assert set(one["dark_rgb"]) == {"tir", "rgb_tir"}
        assert all(0 <= subset["image_auroc"] <= 1 for subset in one["subsets"].values())
        assert str(data) not in json.dumps(one)
    alike = [found[job]["subsets"]["rgb_tir"]["image_auroc"] for job in ("default", "a11-placeholder")]
    assert alike[0] == alike[1]
    again = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert again == ""
    tables = subprocess.run(
        [sys.executable, str(ROOT / "tools/accuracy_results.py"), str(out)], check=True, capture_output=True, text=True
    ).stdout
    assert "| noise | A11 one engine, zeros for what is absent | 1 | " in tables
