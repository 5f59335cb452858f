"""The network's size, counted afresh: it keeps its bars, and the document and the page say it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the device trains nothing")

from small_run import write_data

from radar_edge.benchmark.counting import Cost, cost_of
from radar_edge.benchmark.size import MOST_MACS, MOST_PARAMETERS, MOST_SHARE, sizes
from radar_edge.benchmark.untrained import SIZE_PX, Untrained, untrained
from radar_edge.data.layouts import index
from radar_edge.export.onnx_export import export_onnx
from radar_edge.export.specialize import specialize
from radar_edge.modality import all_subsets
from radar_edge.training.checkpoint import load_run
from radar_edge.training.train import TrainConfig, train

ROOT = Path(__file__).parents[2]


def test_the_document_says_what_the_network_costs_and_that_is_within_the_bars() -> None:
    found = sizes(untrained())
    assert found == json.loads((ROOT / "docs/results/size.json").read_text()), "tools/bench_speed.py --size-only"
    assert found["input_px"] == [SIZE_PX, SIZE_PX] == [256, 256]
    whole = found["subsets"]["rgb_tir"]
    assert whole["parameters"] <= MOST_PARAMETERS == 2_000_000
    assert whole["gmac"] <= MOST_MACS / 1e9 == 3.5
    for slug in ("rgb", "tir"):
        for what in ("parameters", "gmac"):
            assert found["subsets"][slug][what] <= MOST_SHARE * whole[what]
    assert (MOST_SHARE, found["faults"]) == (0.55, [])


def test_a_trained_network_costs_what_an_untrained_one_does(tmp_path: Path) -> None:
    """Zeros and equal tensors, of which first weights are full, would be folded and merged."""
    dataset = index(write_data(tmp_path / "data"))
    train(dataset, tmp_path / "run", TrainConfig(size_px=32, features=8, shared=8, batch_size=4, steps=2))
    run = load_run(tmp_path / "run")
    shapes = {n: (1, spec.input_channels, 32, 32) for n, spec in run.preprocess.modalities.items()}
    full = export_onnx(run.model, shapes)
    trained = {s.slug: cost_of(specialize(full, s, run.modalities)) for s in all_subsets(run.modalities)}
    network = Untrained(run.model.config)
    first: dict[str, Cost] = {s.slug: cost_of(network.fp32(s)) for s in network.subsets}
    assert trained == first


@pytest.mark.parametrize("kind", ["size", "speed"])
def test_the_page_shows_what_the_documents_say(kind: str) -> None:
    command = [sys.executable, str(ROOT / "tools/speed_results.py"), kind, str(ROOT / f"docs/results/{kind}.json")]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert made.count("|") > 20
    assert made in (ROOT / "docs/speed.md").read_text(), " ".join(command[1:])


def test_the_measurement_that_is_shown_keeps_what_it_claims() -> None:
    found = json.loads((ROOT / "docs/results/speed.json").read_text())
    assert (found["faults"], found["input_px"]) == ([], 256)
    slower = {row["name"]: row["ratio"]["p50"] for row in found["rows"] if row["threads"] == 1}
    assert all(slower[name] > 1 for name in ("efficientad", "draem", "stpm", "patchcore"))
    assert "padim" in slower
