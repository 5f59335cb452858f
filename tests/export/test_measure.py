from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError
from radar_edge.export.measure import Measured, held_out_parts, judge, reference_parts
from radar_edge.inference.fake_runner import FakeRunner
from radar_edge.modality import Subset


def sample(name: str, modalities: tuple[str, ...] = ("rgb", "tir")) -> Sample:
    paths = {modality: Path(name) for modality in modalities}
    return Sample(
        split="train",
        cls="good",
        name=name,
        paths=paths,
        mask=None,
        masks={},
        group=name,
        visible_in=None,
        strata={},
    )


def test_references_are_whole_parts_evenly_spread() -> None:
    parts = [sample(f"{i:02}", ("rgb",) if i % 2 else ("rgb", "tir")) for i in range(80)]
    chosen = [part.name for part in reference_parts(parts, ("rgb", "tir"))]
    assert (len(chosen), chosen[0], chosen[-1]) == (16, "00", "78")
    assert len(set(chosen)) == 16
    assert [part.name for part in reference_parts(parts[:4], ("rgb", "tir"))] == ["00", "02"]


def test_without_a_whole_part_nothing_can_be_compared() -> None:
    with pytest.raises(DatasetError, match="all modalities"):
        reference_parts([sample("a", ("rgb",))], ("rgb", "tir"))


def test_held_out_parts_keep_the_runs_order_and_must_be_there() -> None:
    parts = [sample("a"), sample("b"), sample("c")]
    assert [part.name for part in held_out_parts(parts, ["train/good/c", "train/good/a"])] == ["c", "a"]
    with pytest.raises(DatasetError, match="1 of 2 missing: train/good/z"):
        held_out_parts(parts, ["train/good/a", "train/good/z"])
    with pytest.raises(DatasetError):
        held_out_parts(parts, [])


def test_gaps_are_taken_only_where_there_is_an_original(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text(json.dumps({"inputs": {"rgb": [1, 1, 16, 16]}}))
    runner = FakeRunner(tmp_path / "engine", Subset(("rgb",)), "fp32")
    part = np.zeros((1, 1, 16, 16), np.float32)
    part[0, 0, 3, 3] = 2.0
    measured = Measured()
    judge(measured, "lot 1", {"rgb": part}, runner, None)
    judge(measured, "lot 2", {"rgb": part}, runner, runner)
    assert (measured.scores, measured.groups) == ([2.0, 2.0], ["lot 1", "lot 2"])
    assert (measured.map_gaps, measured.score_gaps, len(measured.reference_maps)) == ([0.0], [0.0], 1)
    assert measured.parity.parts == 1
