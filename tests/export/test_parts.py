from __future__ import annotations

from pathlib import Path

import pytest

from radar_edge.data.layouts import Sample
from radar_edge.errors import DatasetError, UsageError
from radar_edge.export.parts import REFERENCE_PARTS, check_enough, held_out_parts, reference_parts
from radar_edge.modality import Subset


def sample(name: str, modalities: tuple[str, ...] = ("rgb", "tir")) -> Sample:
    return Sample("train", "good", name, {modality: Path(name) for modality in modalities}, group=name)


def test_held_out_parts_come_in_the_runs_order() -> None:
    parts = [sample(str(i)) for i in range(5)]
    assert held_out_parts(parts, ["train/good/3", "train/good/1"]) == (parts[3], parts[1])
    with pytest.raises(DatasetError, match="1 of 2 missing: train/good/9"):
        held_out_parts(parts, ["train/good/3", "train/good/9"])
    with pytest.raises(DatasetError):
        held_out_parts(parts, [])


def test_reference_parts_are_whole_and_spread() -> None:
    parts = [sample(f"{i:04}", ("rgb",) if i % 2 else ("rgb", "tir")) for i in range(1000)]
    chosen = reference_parts(parts, ("rgb", "tir"))
    assert len(chosen) == REFERENCE_PARTS
    assert all("tir" in part.paths for part in chosen)
    assert (chosen[0].name, chosen[-1].name) == ("0000", "0998")
    with pytest.raises(DatasetError, match="all modalities"):
        reference_parts(parts[1::2], ("rgb", "tir"))


def test_too_few_parts_name_the_engine() -> None:
    parts = [sample(str(i)) for i in range(18)]
    with pytest.raises(UsageError, match="with the engine rgb"):
        check_enough(parts, [Subset(("rgb",))], 0.05)
    check_enough([*parts, sample("more")], [Subset(("rgb",))], 0.05)
