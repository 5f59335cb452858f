"""The network's size, counted afresh: it keeps its bars, and the document and the page say it.

That a trained network costs what the untrained one here does is shown where one is exported: test_any_modalities.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the device trains nothing")

from radar_edge.benchmark.size import MOST_MACS, MOST_PARAMETERS, MOST_SHARE, sizes
from radar_edge.benchmark.untrained import SIZE_PX, untrained

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
