from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import killed_at
from typer.testing import CliRunner

from radar_edge.cli.main import app
from radar_edge.config import validate
from radar_edge.data.layouts import index
from radar_edge.errors import ConfigError, DatasetError, MachineError, RunError, UsageError
from radar_edge.modality import Subset
from radar_edge.preprocess import write_png
from radar_edge.training import train as training
from radar_edge.training.checkpoint import load_run
from radar_edge.training.step import batch_indices, judge_all_subsets
from radar_edge.training.torch_runner import TorchRunner
from radar_edge.training.train import TrainConfig, train

SMALL = {"size_px": 32, "features": 8, "shared": 8, "batch_size": 4, "steps": 12, "warm_up_steps": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 good parts; the last two have no thermal image."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for n in range(24):
        write_png(root / "train" / "good" / "rgb" / f"{n:03d}.png", rng.integers(0, 255, (40, 40, 3), np.uint8))
        if n < 22:
            write_png(root / "train" / "good" / "tir" / f"{n:03d}.png", rng.integers(30000, 30500, (20, 20), np.uint16))
    return root


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "a"
    train(index(data), folder, TrainConfig(**SMALL))
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_run(folder).model.state_dict()


def test_a_run_says_what_it_is(run: Path) -> None:
    document = json.loads((run / "run.json").read_text())
    assert document["modalities"] == ["rgb", "tir"]
    assert document["losses"][-1]["step"] == 12
    assert {"map_rgb", "map_tir", "map_rgb_tir", "alignment", "restoration"} <= set(document["losses"][-1])
    assert len(document["held_out"]) == 5
    assert sorted(p.name for p in run.iterdir()) == ["run.json", "weights.pt"]


def test_the_trained_network_judges_every_subset(run: Path) -> None:
    trained = load_run(run)
    inputs = {"rgb": np.zeros((1, 3, 32, 32), np.float32), "tir": np.zeros((1, 2, 32, 32), np.float32)}
    with TorchRunner(trained.model, Subset(("tir",))) as runner:
        alone = runner.infer({"tir": inputs["tir"]})
    assert alone.anomaly_map.shape == (1, 1, 32, 32)
    assert alone.contribution is None
    with TorchRunner(trained.model, Subset(("rgb", "tir"))) as runner:
        both = runner.infer(inputs)
    assert both.contribution is not None
    assert both.contribution.shape == (1, 2, 8, 8)


@pytest.mark.parametrize(
    ("words", "more", "side_px", "texture_weight"),
    [
        ((), "", 48, 1.0),
        (("--preset", "full"), "", 48, 0.75),
        (("--preset", "full"), "size_px: 64\ntexture_weight: 0", 64, 0.0),
    ],
)
def test_the_command_enlarges_no_picture_unasked(
    data: Path, tmp_path: Path, words: tuple[str, ...], more: str, side_px: int, texture_weight: float
) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(f"features: 8\nshared: 8\nbatch_size: 4\nsteps: 2\n{more}")
    said = ("train", "--data", data, "--out", tmp_path / "run", "--config", config, *words)
    done = CliRunner().invoke(app, [str(word) for word in said])
    assert done.exit_code == 0, done.output
    assert ("the images that were looked at are smaller" in done.stderr) == (not more)
    shape = load_run(tmp_path / "run").model.config
    assert (shape.height, shape.width, shape.texture_weight) == (side_px, side_px, texture_weight)


def test_equal_seeds_give_equal_weights_and_others_do_not(data: Path, run: Path, tmp_path: Path) -> None:
    train(index(data), tmp_path / "same", TrainConfig(**SMALL))
    train(index(data), tmp_path / "other", TrainConfig(**SMALL, seed=1))
    expected = weights(run)
    assert all(torch.equal(expected[k], v) for k, v in weights(tmp_path / "same").items())
    assert not all(torch.equal(expected[k], v) for k, v in weights(tmp_path / "other").items())


KILLED = """
import sys
from pathlib import Path
from radar_edge.data.layouts import index
from radar_edge.training import train as training
training.SAVE_EVERY_S = 0.0
def slow(progress):
    import time
    time.sleep(0.05)
    print(progress.step, flush=True)
config = training.TrainConfig.model_validate_json(sys.argv[3])
training.train(index(Path(sys.argv[1])), Path(sys.argv[2]), config, report=slow)
"""


def test_a_training_killed_and_resumed_is_bit_exact(data: Path, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(data), str(folder), TrainConfig(**SMALL).model_dump_json()]
    killed_at(command, 7)
    assert (folder / "state.pt").exists()
    with pytest.raises(RunError, match="--resume"):
        load_run(folder)
    with pytest.raises(UsageError, match="--resume"):
        train(index(data), folder, TrainConfig(**SMALL))
    with pytest.raises(RunError, match=r"(?s)other data or another configuration.*--preset"):
        train(index(data), folder, TrainConfig(**SMALL, learning_rate=0.1), resume=True)
    steps = []
    train(index(data), folder, TrainConfig(**SMALL), resume=True, report=lambda p: steps.append(p.step))
    assert 1 < steps[0] <= 9
    expected = weights(run)
    assert all(torch.equal(expected[k], v) for k, v in weights(folder).items())


@pytest.mark.parametrize("found", [b"", b"PK\x03\x04 cut short", ["no state"], {"no": "state"}], ids=str)
def test_a_state_that_is_none_is_no_traceback(data: Path, tmp_path: Path, found: object) -> None:
    state = tmp_path / "state.pt"
    if isinstance(found, bytes):
        state.write_bytes(found)
    else:
        torch.save(found, state)
    with pytest.raises(RunError) as error:
        train(index(data), tmp_path, TrainConfig(**SMALL), resume=True)
    assert error.value.next_step


def test_a_damaged_run_is_named(data: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished training"):
        load_run(tmp_path)
    for name in ("run.json", "weights.pt"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    changed = bytearray((tmp_path / "weights.pt").read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "weights.pt").write_bytes(changed)
    with pytest.raises(RunError, match=r"not the file that run\.json names"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="damaged"):
        load_run(tmp_path)


def test_requests_that_cannot_be_met_are_refused(data: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finished training"):
        train(index(data), run, TrainConfig(**SMALL))
    with pytest.raises(UsageError, match="no unfinished training"):
        train(index(data), tmp_path / "new", TrainConfig(**SMALL), resume=True)
    with pytest.raises(DatasetError, match="too few good parts"):
        train(index(data), tmp_path / "new", TrainConfig(**{**SMALL, "batch_size": 64}))
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UsageError, match="cannot hold a training"):
            train(index(data), out, TrainConfig(**SMALL))


def test_parts_of_one_group_are_refused_before_they_are_trained_on(data: Path, tmp_path: Path) -> None:
    """No part of theirs could be held out, and no engine would ever get a threshold."""
    rows = [f"train,good,{n:03d},lot" for n in range(24)]
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "samples.csv").write_text("\n".join(["split,cls,name,group", *rows]) + "\n")
    with pytest.raises(DatasetError, match="held out"):
        train(index(tmp_path / "data"), tmp_path / "run", TrainConfig(**SMALL))
    assert not (tmp_path / "run").exists()


def test_every_seed_that_is_taken_can_be_trained_with() -> None:
    largest = 2**32 - 1
    batch_indices(16, TrainConfig(**SMALL, seed=largest), 1000)
    torch.Generator().manual_seed(largest)
    with pytest.raises(ConfigError, match="seed"):
        validate(TrainConfig, {"seed": largest + 1}, "the command")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_is_never_replaced_by_the_cpu(data: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no CUDA device"):
        train(index(data), tmp_path / "new", TrainConfig(**SMALL), device="cuda")


def test_the_learning_rate_warms_up_and_decays() -> None:
    config = TrainConfig(steps=100, warm_up_steps=10, learning_rate=1.0)
    rates = [training.learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.02


def test_every_part_is_seen_once_an_epoch() -> None:
    config = TrainConfig(**SMALL)
    seen = torch.cat([batch_indices(16, config, step) for step in range(4)])
    assert sorted(seen.tolist()) == list(range(16))
    again = torch.cat([batch_indices(16, config, step) for step in range(4, 8)])
    assert seen.tolist() != again.tolist()


def test_time_is_not_part_of_the_result(data: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    train(index(data), tmp_path / "t", TrainConfig(**SMALL))
    document = json.loads((tmp_path / "t" / "run.json").read_text())
    assert 0 <= document["seconds"] <= time.monotonic() - began


def test_a_camera_that_carries_nothing_teaches_its_own_engine_nothing(data: Path, run: Path) -> None:
    model = load_run(run).model.train()
    rng = torch.Generator().manual_seed(0)
    inputs = {"rgb": torch.randn(4, 3, 32, 32, generator=rng), "tir": torch.randn(4, 2, 32, 32, generator=rng)}
    masks = {name: torch.zeros(4, 32, 32, dtype=torch.bool) for name in inputs}
    everything, faded = torch.ones(4, 2), torch.tensor([[True, False]] * 4)
    encoded = model.encode(inputs)
    terms = judge_all_subsets(model, encoded, model.rebuilt(encoded), masks, everything, faded)
    assert set(terms) == {"map_rgb", "distillation_rgb", "map_rgb_tir", "attention"}


def test_the_set_of_all_modalities_learns_nothing_from_the_others(run: Path) -> None:
    model = load_run(run).model.train()
    rng = torch.Generator().manual_seed(0)
    inputs = {"rgb": torch.randn(4, 3, 32, 32, generator=rng), "tir": torch.randn(4, 2, 32, 32, generator=rng)}
    masks = {name: torch.zeros(4, 32, 32, dtype=torch.bool) for name in inputs}
    encoded = model.encode(inputs)
    everything = torch.ones(4, 2)
    terms = judge_all_subsets(model, encoded, model.rebuilt(encoded), masks, everything, everything > 0)
    terms["distillation_rgb"].backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and bool((p.grad != 0).any())}
    assert any(".rgb." in f".{name}." for name in touched)
    # The discrepancy belongs to the pair, and only the set of both uses it or the other camera.
    assert not [name for name in touched if ".tir." in f".{name}."]


def test_texture_statistics_are_learned_from_the_good_parts_that_have_the_modality(run: Path) -> None:
    model = load_run(run).model
    for name in ("rgb", "tir"):
        texture = model.texture[name]
        assert texture.filters(0).abs().sum() > 0
        assert float(texture.centre) > 0
