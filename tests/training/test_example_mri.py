"""The example of three MRI sequences, in seconds: from drawn heads to figures with a modality lost and replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from radar_edge.data.layouts import index

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/example_mri.py"


@pytest.mark.timeout(900)
def test_the_example_goes_its_way(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, str(TOOL), "--work", str(tmp_path), "--quick", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["quick"]
    assert set(document["first"]["auroc"]) == {"t1", "t2", "flair", "t1_t2", "t1_flair", "t2_flair", "t1_t2_flair"}
    assert set(document["anew"]["auroc"]) == {"t1", "t2", "dwi", "t1_t2", "t1_dwi", "t2_dwi", "t1_t2_dwi"}
    for name in ("first", "replaced", "anew"):
        found = document[name]
        assert [row["missing"] for row in found["missing"]] == [*index(tmp_path / FOLDERS[name]).modalities, "any"]
        assert all(0 <= row[way] <= 1 for row in found["missing"] for way in ("calibrated", "placeholder"))
        assert document["training"][name]["cpu_seconds"] > 0
    # Kept engines say of the same pictures what they said.
    for slug in ("t1", "t2", "t1_t2"):
        assert document["replaced"]["auroc"][slug] == document["first"]["auroc"][slug]
    assert json.loads((tmp_path / "replaced/run.json").read_text())["replaced"]["new"] == "dwi"
    result = tmp_path / "result.json"
    result.write_text(done.stdout)
    tables = subprocess.run(
        [*words[:2], "--tables", str(result)], capture_output=True, text=True, check=True, env=environment
    )
    assert tables.stdout.count("\n") > 20
    assert "nan" not in tables.stdout


FOLDERS = {"first": "heads", "replaced": "heads-dwi", "anew": "heads-dwi"}
