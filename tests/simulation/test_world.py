"""The simulated line: it keeps its promises under every mishap, and its checker finds each that is broken."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from radar_edge.runtime.journal_file import read_parts
from radar_edge.simulation import world as simulated
from radar_edge.simulation.mishaps import Kind, Mishaps, kinds
from radar_edge.simulation.soak_check import Record, faults, record_of
from radar_edge.simulation.soak_plants import PLANTS
from radar_edge.simulation.world import MODALITIES, World


def run(folder: Path, parts: int, seed: int) -> tuple[World, Record]:
    path = folder / "journal.sqlite"
    world = World(path, parts, seed)
    world.run()
    return world, record_of(world, read_parts(path))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return run(tmp_path_factory.mktemp("world"), 600, 0)[1]


def test_a_line_with_mishaps_keeps_its_promises(record: Record) -> None:
    assert faults(record) == []
    outcomes = [row["outcome"] for row in record.plc]
    assert len(outcomes) == 600
    assert outcomes.count("pass") > 300
    assert {"pass", "reject", "no_decision", "missing"} <= set(outcomes)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_found(record: Record, name: str) -> None:
    for seed in range(3):
        assert faults(PLANTS[name](record, random.Random(seed)))


def test_without_mishaps_every_good_part_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "kinds", lambda names: [Kind(k.name, 0, 0, 0) for k in kinds(names)])
    world, record = run(tmp_path, 100, 0)
    assert [row["outcome"] == "reject" for row in record.plc] == world.bad
    assert faults(record) == []
    assert {row["subset"] for row in record.journal} == {"rgb_tir"}


@pytest.mark.parametrize("name", [kind.name for kind in kinds(MODALITIES) if kind.name != "disk"])
def test_a_mishap_that_comes_often_breaks_no_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    often = [
        Kind(k.name, 0.3 if k.name == name else 0, min(k.least_ms, 200), min(k.most_ms, 200)) for k in kinds(MODALITIES)
    ]
    if name == "engine_raises":  # three in a row end the line, rightly
        often = [Kind(k.name, 0.02 if k.name == name else 0, 5, 5) for k in often]
    monkeypatch.setattr(simulated, "kinds", lambda _names: often)
    world, record = run(tmp_path, 80, 1)
    assert faults(record) == []
    assert world.mishaps.counts[name] > 0 or name == "engine_raises"


def test_a_mishap_lasts_its_time() -> None:
    mishaps = Mishaps(0, [Kind("always", 1.0, 5, 5), Kind("never", 0.0, 5, 5)])
    mishaps.roll(1000)
    assert [mishaps.on("always", at) for at in (1000, 5_000_999, 5_001_000)] == [True, True, False]
    assert not mishaps.on("never", 1000)
    assert mishaps.counts == {"always": 1}
