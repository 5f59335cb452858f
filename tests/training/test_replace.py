"""A run of RGB and thermal becomes one of RGB and depth: what stays to the bit, what learns, what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
import yaml
from killing import killed_at
from modality_set import SMALL, write_good
from typer.testing import CliRunner, Result

from radar_edge.cli import train as command
from radar_edge.data.layouts import index
from radar_edge.errors import DatasetError, RunError, UsageError
from radar_edge.modality import Subset
from radar_edge.models.radar import Radar
from radar_edge.training import train as training
from radar_edge.training.checkpoint import TrainedRun, load_run
from radar_edge.training.replace import open_replacement
from radar_edge.training.torch_runner import TorchRunner
from radar_edge.training.train import TrainConfig, train

RGB, TIR, DEPTH = (3, np.uint8), (1, np.uint16), (1, np.uint8)
FEW = {**SMALL, "steps": 6}
CONFIG = TrainConfig(**FEW)
# An EMA of an integer is rounded: with this decay batch norm's counters of batches do not stay what they were.
ROUNDING = TrainConfig(**FEW, ema_decay=0.9)
ROUNDED = 7

app = typer.Typer()
command.register(app)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run` of rgb, tir and uv; `new`, a set with depth in the place of tir."""
    folder = tmp_path_factory.mktemp("place")
    write_good(folder / "old", {"rgb": RGB, "tir": TIR, "uv": DEPTH})
    write_good(folder / "new", {"rgb": RGB, "depth": DEPTH, "uv": DEPTH})
    order = yaml.safe_dump({"modalities": {"rgb": {}, "depth": {}, "uv": {}}}, sort_keys=False)
    (folder / "new" / "dataset.yaml").write_text(order)
    train(index(folder / "old"), folder / "run", CONFIG)
    train(index(folder / "new"), folder / "run2", ROUNDING, replacement=open_replacement(folder / "run", ["tir=depth"]))
    return folder


@pytest.fixture(scope="module")
def old(place: Path) -> TrainedRun:
    return load_run(place / "run")


@pytest.fixture(scope="module")
def new(place: Path) -> TrainedRun:
    return load_run(place / "run2")


def owned(name: str) -> bool:
    return "depth" in name.split(".")


def test_everything_that_the_new_modality_does_not_own_stays_to_the_bit(old: TrainedRun, new: TrainedRun) -> None:
    before, after = old.model.state_dict(), new.model.state_dict()
    kept = [name for name in after if not owned(name)]
    assert {"encoders", "texture", "alignment", "join", "fusion", "head", "discrepancy"} == {
        n.split(".")[0] for n in kept
    }
    assert any(name.endswith("running_var") for name in kept)
    assert "encoders.rgb.usual.mean" in kept
    assert [name for name in kept if not torch.equal(before[name], after[name])] == []


def test_counters_of_batches_stay_too(place: Path, tmp_path: Path) -> None:
    replacement = open_replacement(place / "run", ["tir=depth"])
    for module in replacement.run.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.num_batches_tracked.fill_(ROUNDED)  # type: ignore[union-attr,operator]
    # The first step copies into the average, every other one rounds.
    train(index(place / "new"), tmp_path / "run", ROUNDING.model_copy(update={"steps": 3}), replacement=replacement)
    after = load_run(tmp_path / "run").model.state_dict()
    counters = {name: int(after[name]) for name in after if name.endswith("num_batches_tracked") and not owned(name)}
    assert set(counters.values()) == {ROUNDED}


def test_what_is_frozen_stays_as_it_is_while_the_rest_learns(place: Path) -> None:
    dataset, replacement = index(place / "new"), open_replacement(place / "run", ["tir=depth"])
    preprocess = replacement.preprocess(dataset, CONFIG)
    shape = training.model_config(CONFIG, preprocess)
    data = training.load_data(dataset.select("train"), preprocess, dataset.modalities, CONFIG)
    state = training.start(CONFIG, shape, data, "cpu", replacement)
    training.run_steps(state, data, CONFIG, "cpu", lambda _: None, lambda: None)
    before, after = replacement.run.model.state_dict(), state.model.state_dict()
    assert [name for name in after if not owned(name) and not torch.equal(before[name], after[name])] == []
    # The optimiser holds nothing of what does not learn.
    learned = [p for n, p in state.model.named_parameters() if owned(n)]
    assert {id(p) for p in state.optimizer.state} == {id(p) for p in learned}


def test_everything_that_the_new_modality_owns_learns(place: Path, new: TrainedRun) -> None:
    torch.manual_seed(ROUNDING.seed)
    begun = Radar(new.model.config)
    open_replacement(place / "run", ["tir=depth"]).inherit(begun)
    start, learned = begun.state_dict(), new.model.state_dict()
    names = [name for name, _ in begun.named_parameters() if owned(name)]
    assert {name.split(".")[0] for name in names} == {"encoders", "alignment", "join", "fusion", "discrepancy"}
    assert {"alignment.predict.rgb.depth.0.weight", "alignment.predict.depth.uv.0.weight"} <= set(names)
    assert [name for name in names if torch.equal(start[name], learned[name])] == []
    statistics = [name for name in start if owned(name) and name.endswith(("usual.mean", "running_mean", "whiten"))]
    assert len(statistics) > 5
    assert [name for name in statistics if torch.equal(start[name], learned[name])] == []


def test_the_new_one_begins_with_the_fusion_of_the_old_one_and_an_encoder_of_its_own(
    place: Path, old: TrainedRun, new: TrainedRun
) -> None:
    model = Radar(new.model.config)
    anew = model.state_dict()["encoders.depth.join.0.weight"].clone()
    open_replacement(place / "run", ["tir=depth"]).inherit(model)
    start, source = model.state_dict(), old.model.state_dict()
    for name in ("fusion.attend.{}.0.weight", "join.{}.1.running_mean", "discrepancy.rgb.{}.0.0.weight"):
        assert torch.equal(start[name.format("depth")], source[name.format("tir")])
    assert torch.equal(start["encoders.depth.join.0.weight"], anew)
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {
        n for n, _ in model.named_parameters() if owned(n)
    }


def test_images_of_kept_modalities_are_scaled_as_before(old: TrainedRun, new: TrainedRun) -> None:
    assert new.preprocess.modalities["rgb"] == old.preprocess.modalities["rgb"]
    assert list(new.preprocess.modalities) == ["rgb", "depth", "uv"]


def test_a_subset_of_kept_modalities_judges_as_before_and_the_new_one_judges(old: TrainedRun, new: TrainedRun) -> None:
    rng = np.random.default_rng(0)
    inputs = {name: rng.standard_normal((1, c, 32, 32), np.float32) for name, c in new.model.config.channels.items()}
    for subset in (Subset(("rgb",)), Subset(("rgb", "uv"))):
        given = {name: inputs[name] for name in subset}
        with TorchRunner(old.model, subset) as before, TorchRunner(new.model, subset) as after:
            np.testing.assert_array_equal(before.infer(given).anomaly_map, after.infer(given).anomaly_map)
    with TorchRunner(new.model, Subset(("rgb", "depth", "uv"))) as runner:
        assert np.isfinite(runner.infer(inputs).anomaly_map).all()


def test_run_json_says_what_it_came_from(place: Path, old: TrainedRun, new: TrainedRun) -> None:
    replaced = {"run_weights_sha256": old.weights_sha256, "old": "tir", "new": "depth"}
    assert new.document["replaced"] == replaced
    assert new.document["modalities"] == ["rgb", "depth", "uv"]
    assert "replaced" not in old.document


KILLED = """
import sys
from pathlib import Path
from radar_edge.data.layouts import index
from radar_edge.training import train as training
from radar_edge.training.replace import open_replacement
training.SAVE_EVERY_S = 0.0
def slow(progress):
    import time
    time.sleep(0.2)
    print(progress.step, flush=True)
place = Path(sys.argv[1])
config = training.TrainConfig.model_validate_json(sys.argv[3])
replacement = open_replacement(place / "run", ["tir=depth"])
training.train(index(place / "new"), Path(sys.argv[2]), config, report=slow, replacement=replacement)
"""


def test_a_replacement_killed_and_resumed_is_bit_exact(place: Path, new: TrainedRun, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    words = [sys.executable, "-c", KILLED, str(place), str(folder), ROUNDING.model_dump_json()]
    killed_at(words, 3)
    data, replacement = index(place / "new"), open_replacement(place / "run", ["tir=depth"])
    with pytest.raises(RunError, match="--from"):
        train(data, folder, ROUNDING, resume=True)
    steps: list[int] = []
    train(data, folder, ROUNDING, resume=True, replacement=replacement, report=lambda p: steps.append(p.step))
    assert 1 < steps[0] <= 5
    again = load_run(folder).model.state_dict()
    assert [name for name, value in new.model.state_dict().items() if not torch.equal(value, again[name])] == []


def test_the_only_modality_can_be_replaced_and_keeps_the_head(tmp_path: Path) -> None:
    train(index(write_good(tmp_path / "a", {"xray": DEPTH})), tmp_path / "run", CONFIG)
    data = index(write_good(tmp_path / "b", {"sonar": TIR}))
    train(data, tmp_path / "run2", CONFIG, replacement=open_replacement(tmp_path / "run", ["xray=sonar"]))
    old, new = (load_run(tmp_path / name).model.state_dict() for name in ("run", "run2"))
    assert all(torch.equal(old[name], value) for name, value in new.items() if name.startswith("head"))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(FEW))
    return path


def test_the_command_trains_the_new_modality(place: Path, small: Path, tmp_path: Path) -> None:
    words = ("--data", place / "new", "--out", tmp_path / "r", "--config", small, "--from", place / "run")
    done = call(*words, "--replace", "tir=depth", "--json")
    assert done.exit_code == 0, done.output
    assert "training on depth of" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == FEW["steps"]
    assert load_run(tmp_path / "r").document["replaced"]["new"] == "depth"


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        (("--from", "run"), UsageError, "go together"),
        (("--replace", "tir=depth"), UsageError, "go together"),
        (("--from", "nothing", "--replace", "tir=depth"), RunError, "no finished training"),
        (("--from", "run", "--replace", "nir=depth"), UsageError, "no modality nir"),
        (("--from", "run", "--replace", "tir=rgb"), UsageError, "has rgb already"),
        (("--from", "run", "--replace", "tir=Depth"), UsageError, "names cannot be used"),
        (("--from", "run", "--replace", "tir"), UsageError, "one modality"),
        (("--from", "run", "--replace", "tir=depth", "--replace", "uv=x"), UsageError, "one modality"),
        (("--from", "run", "--replace", "tir=nir"), DatasetError, "wanted: rgb, nir, uv, in this order"),
        (("--from", "run", "--replace", "uv=depth"), DatasetError, "wanted: rgb, tir, depth"),
    ],
)
def test_what_cannot_be_replaced_is_refused(
    words: tuple[str, ...], error: type[Exception], match: str, place: Path, small: Path, tmp_path: Path
) -> None:
    said = [str(place / word) if word in ("run", "nothing") else word for word in words]
    failed = call("--data", place / "new", "--out", tmp_path / "out", "--config", small, *said).exception
    assert isinstance(failed, error), failed
    assert match in str(failed)
    assert failed.exit_code == 2  # type: ignore[attr-defined]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [{"size_px": 48}, {"features": 16}, {"shared": 16}, {"texture_weight": 0.5}])
def test_another_shape_is_refused(change: dict[str, float], place: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)size_px 32, features 8, shared 8, texture_weight 1\.0.*and a --config"):
        train(
            index(place / "new"),
            tmp_path / "out",
            TrainConfig(**{**SMALL, **change}),
            replacement=open_replacement(place / "run", ["tir=depth"]),
        )
    assert not (tmp_path / "out").exists()


def test_other_images_of_a_kept_modality_are_refused(place: Path, tmp_path: Path) -> None:
    write_good(tmp_path / "grey", {"rgb": DEPTH, "depth": DEPTH, "uv": DEPTH})
    shutil.copy(place / "new" / "dataset.yaml", tmp_path / "grey")
    replacement = open_replacement(place / "run", ["tir=depth"])
    with pytest.raises(DatasetError, match=r"rgb: 1 channel\(s\) of 8 bit, not 3 of 8 bit"):
        train(index(tmp_path / "grey"), tmp_path / "out", CONFIG, replacement=replacement)
