"""Parts that lack a modality train what they can, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from modality_set import SMALL, write_good

from radar_edge.data.dataset import hold_out
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError
from radar_edge.models.radar import Radar, RadarConfig
from radar_edge.training import train as training
from radar_edge.training.checkpoint import load_run
from radar_edge.training.step import Data, step_losses
from radar_edge.training.train import TrainConfig, train

KINDS = {"rgb": (3, np.uint8), "tir": (1, np.uint16)}
CONFIG = TrainConfig(**{**SMALL, "batch_size": 6, "stage_1_share": 0.2})
CHANNELS = {"rgb": 3, "tir": 2}
STAGES = (1, 2)


def network() -> Radar:
    torch.manual_seed(0)
    return Radar(RadarConfig(channels=CHANNELS, height=32, width=32, features=8, shared=8)).train()


def parts(lacking: dict[str, tuple[int, ...]], fill: float = 0.0) -> Data:
    """Six parts, one batch; `fill` stands where a part lacks a modality."""
    rng = np.random.default_rng(1)
    inputs = {name: rng.standard_normal((6, c, 32, 32), np.float32) for name, c in CHANNELS.items()}
    presence = torch.ones(6, 2)
    for i, name in enumerate(CHANNELS):
        for n in lacking.get(name, ()):
            inputs[name][n] = fill
            presence[n, i] = 0
    return Data(inputs, presence)


def one_step(model: Radar, data: Data, stage: int) -> dict[str, torch.Tensor]:
    terms = step_losses(model, data, CONFIG, 0, stage, "cpu")
    torch.stack(list(terms.values())).sum().backward()
    return terms


def learned(model: Radar, *names: str) -> dict[str, torch.Tensor]:
    """Gradients of the parameters that carry one of the names."""
    return {
        key: torch.zeros_like(p) if p.grad is None else p.grad
        for key, p in model.named_parameters()
        if set(names) & set(key.split("."))
    }


@pytest.mark.parametrize("stage", STAGES)
def test_what_stands_in_the_place_of_an_absent_picture_changes_nothing(stage: int) -> None:
    lacking = {"tir": (0, 3, 4), "rgb": (1,)}
    models = {fill: network() for fill in (0.0, 50.0)}
    terms = {fill: one_step(model, parts(lacking, fill), stage) for fill, model in models.items()}
    for name, value in terms[0.0].items():
        assert torch.equal(value, terms[50.0][name]), name
    before, after = (learned(model, "rgb", "tir", "head") for model in models.values())
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    states = [model.state_dict() for model in models.values()]
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []


def test_statistics_of_batches_are_those_of_the_parts_that_have_the_modality() -> None:
    few, none = network(), network()
    one_step(few, parts({"tir": (0, 3, 4)}), 2)
    one_step(none, parts({"tir": (0, 1, 2, 3, 4, 5)}), 2)
    begun = network().state_dict()
    moved = [name for name in begun if name.split(".")[-1] in ("running_mean", "running_var")]
    of_tir = [name for name in moved if "tir" in name.split(".")]
    assert {"encoders", "join", "discrepancy"} == {name.split(".")[0] for name in of_tir}
    assert [name for name in of_tir if torch.equal(begun[name], few.state_dict()[name])] == []
    assert [name for name in of_tir if not torch.equal(begun[name], none.state_dict()[name])] == []
    rest = [name for name in moved if name not in of_tir]
    assert [name for name in rest if torch.equal(begun[name], none.state_dict()[name])] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_batch_without_one_modality_teaches_the_other_alone(stage: int) -> None:
    model = network()
    terms = one_step(model, parts({"tir": tuple(range(6))}), stage)
    assert all(torch.isfinite(value) for value in terms.values())
    of_maps = {"map_rgb", "distillation_rgb", "map_rgb_tir", "attention"}
    assert set(terms) - {"restoration", "alignment", "spread"} <= of_maps
    assert max(float(g.abs().max()) for g in learned(model, "tir").values()) == 0
    encoder = {name: g for name, g in learned(model, "rgb").items() if name.startswith("encoders")}
    idle = [name for name, g in encoder.items() if not bool(g.abs().any())]
    # What leads to the map alone is idle while there is no map.
    to_the_map = {"evidence", "unusual", "residual"} if stage == 1 else set()
    assert [name for name in idle if to_the_map.isdisjoint(name.split("."))] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_part_with_both_teaches_both_beside_parts_with_one(stage: int) -> None:
    model = network()
    one_step(model, parts({"tir": (0, 1, 2), "rgb": (4, 5)}), stage)
    for name in CHANNELS:
        assert float(learned(model, name)[f"encoders.{name}.stem.0.weight"].abs().max()) > 0
    assert float(learned(model, "tir")["alignment.predict.rgb.tir.0.weight"].abs().max()) > 0


def test_complete_batches_are_what_they_were() -> None:
    """Where nothing lacks, every part passes every layer at once."""
    data = parts({})
    inputs = {name: torch.from_numpy(batch) for name, batch in data.inputs.items()}
    told, untold = network(), network()
    for name, value in told.encode(inputs, data.presence > 0).fusable.items():
        assert torch.equal(value, untold.encode(inputs).fusable[name])


@pytest.mark.parametrize(
    "lacking",
    [
        {"tir": tuple(range(12))},
        {"tir": tuple(range(0, 24, 3)), "rgb": tuple(range(1, 24, 3))},
        {"rgb": tuple(range(23))},
    ],
    ids=["half without tir", "a third each", "one part with rgb"],
)
def test_a_set_of_incomplete_parts_trains_every_engine(lacking: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    data = index(write_good(tmp_path / "data", KINDS, lacking))
    terms: set[str] = set()
    train(data, tmp_path / "run", CONFIG, report=lambda step: terms.update(step.losses))
    run = load_run(tmp_path / "run")
    assert {"map_rgb", "map_tir", "map_rgb_tir"} <= terms
    torch.manual_seed(CONFIG.seed)
    begun = Radar(run.model.config).state_dict()
    learned = dict(run.model.state_dict())
    assert [name for name, value in learned.items() if not torch.isfinite(value).all()] == []
    assert [n for n, _ in run.model.named_parameters() if torch.equal(begun[n], learned[n])] == []


def test_a_modality_that_no_trained_part_has_is_said(tmp_path: Path) -> None:
    write_good(tmp_path / "data", KINDS, {"tir": tuple(range(24))})
    write_good(tmp_path / "more", KINDS)
    (tmp_path / "more" / "train").rename(tmp_path / "data" / "validation")
    (tmp_path / "data" / "dataset.yaml").write_text("modalities: {rgb: {}, tir: {}}")
    with pytest.raises(DatasetError, match="tir"):
        train(index(tmp_path / "data"), tmp_path / "run", CONFIG)
    # The only ones with tir are held out.
    held_out = {s.name for s in hold_out(index(write_good(tmp_path / "whole", KINDS)))[1]}
    lacking = tuple(n for n in range(24) if f"{n:03}" not in held_out)
    with pytest.raises(DatasetError, match="no good part that is trained on has tir"):
        train(index(write_good(tmp_path / "few", KINDS, {"tir": lacking})), tmp_path / "run", CONFIG)
    assert not (tmp_path / "run").exists()


def test_texture_statistics_ignore_absent_pictures(tmp_path: Path) -> None:
    """The same as from the parts with tir alone."""
    data = parts({"tir": (0, 3)})
    shape = network().config
    with_blanks = training.start(CONFIG, shape, data, "cpu").model.texture["tir"].state_dict()
    rows = [1, 2, 4, 5]
    whole = Data({name: batch[rows] for name, batch in data.inputs.items()}, data.presence[rows])
    alone = training.start(CONFIG, shape, whole, "cpu").model.texture["tir"].state_dict()
    assert [name for name in alone if not torch.equal(alone[name], with_blanks[name])] == []
