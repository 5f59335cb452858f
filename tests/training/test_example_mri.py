"""The example of three MRI sequences, in seconds: from drawn heads to figures with a modality lost and replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import example_mri
import pytest
from typer.testing import CliRunner

from radar_edge.cli.main import app
from radar_edge.data.layouts import index

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/example_mri.py"
FOLDERS = {"first": "heads", "replaced": "heads-dwi", "anew": "heads-dwi"}


@pytest.fixture
def spared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run as a process of its own: each command once. Again it runs in this one, which has PyTorch loaded."""
    real, first = example_mri.radar_edge, []

    def run(*words: object) -> dict[str, float]:
        if words[0] not in first:
            first.append(str(words[0]))
            return real(*words)
        begun = time.process_time()
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, (done.output, done.exception)
        return {"seconds": 0.0, "cpu_seconds": time.process_time() - begun}

    monkeypatch.setattr(example_mri, "radar_edge", run)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return first


@pytest.mark.timeout(900)
def test_the_example_goes_its_way(
    tmp_path: Path, spared: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(TOOL), "--work", str(tmp_path), "--quick", "--json"])
    example_mri.main()
    said = capfd.readouterr().out.splitlines()[-1]
    document = json.loads(said)
    assert spared == ["dataset", "train", "evaluate"]
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
    result.write_text(said)
    words = [sys.executable, str(TOOL), "--tables", str(result)]
    tables = subprocess.run(words, capture_output=True, text=True, check=True, env=dict(os.environ), cwd=tmp_path)
    assert tables.stdout.count("\n") > 20
    assert "nan" not in tables.stdout
