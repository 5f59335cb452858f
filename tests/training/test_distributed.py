"""Two processes that torchrun starts, as a user would start them, against one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from radar_edge.data.dataset import hold_out, load_inputs
from radar_edge.data.layouts import index
from radar_edge.evaluation.metrics import auroc
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import write_png
from radar_edge.scoring import image_score
from radar_edge.training import batch_norm, distributed
from radar_edge.training import train as training
from radar_edge.training.checkpoint import TrainedRun, load_run
from radar_edge.training.step import step_losses
from radar_edge.training.torch_runner import TorchRunner
from radar_edge.training.train import TrainConfig

pytestmark = pytest.mark.timeout(900)
"""Two processes exchange a hundred tensors a step: on a machine with other load each waits for its turn."""

SETTINGS = {
    "size_px": 32,
    "features": 8,
    "shared": 8,
    "batch_size": 8,
    "steps": 50,
    "stage_1_share": 0.02,
    "learning_rate": 6e-3,
    "warm_up_steps": 2,
    "ema_decay": 0.8,
}
PATIENCE_S = 400
"""Whoever waits longer hangs."""


def part(rng: np.random.Generator, stained: bool) -> dict[str, np.ndarray]:
    """Bars in RGB and a warm middle in TIR; a stain changes the level of a place in both."""
    y, x = np.ogrid[0:40, 0:40]
    level = 60.0 * (x // 10 % 2) + 80 + 0 * y
    warm = 300 * np.exp(-((x - 20) ** 2 + (y - 20) ** 2) / 200)
    if stained:
        place = (x - rng.integers(8, 32)) ** 2 + (y - rng.integers(8, 32)) ** 2 < rng.integers(16, 50)
        sign = rng.choice((-1, 1))
        level, warm = level + sign * 60 * place, warm + sign * 200 * place
    rgb = level[..., None] + rng.normal(0, 4, (40, 40, 3))
    tir = 30000 + warm + rng.normal(0, 10, (40, 40))
    return {"rgb": rgb.clip(0, 255).astype(np.uint8), "tir": tir.astype(np.uint16)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 good parts to train on, the last three without a thermal image; 60 good and 60 stained ones to judge."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for folder, count, stained in (("train/good", 40, False), ("test/good", 60, False), ("test/stain", 60, True)):
        for n in range(count):
            for name, image in part(rng, stained).items():
                if folder != "train/good" or name == "rgb" or n < 37:
                    write_png(root / folder / name / f"{n:03d}.png", image)
    return root


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in SETTINGS.items()))
    return path


def torchrun(*words: str | Path) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return [*launcher, *map(str, words)]


def launched(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        torchrun(*words), env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


@pytest.fixture(scope="module")
def pair(data: Path, settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that two processes made."""
    folder = tmp_path_factory.mktemp("runs") / "pair"
    done = launched("-m", "radar_edge", "train", "--data", data, "--out", folder, "--config", settings, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [json.dumps({"run": str(folder), "steps": SETTINGS["steps"]}, sort_keys=True)]
    assert done.stderr.count("run written to") == done.stderr.count("step 50/50") == 1
    assert "2 processes share each batch: 4 parts each" in done.stderr
    return folder


GRADIENTS = """
import sys
from pathlib import Path
import torch
from radar_edge.training import distributed
sys.path.insert(0, sys.argv[1])
from test_distributed import first_gradients, normed
with distributed.joined("cpu"):
    for frozen in (False, True):
        found = first_gradients(Path(sys.argv[2]), frozen)
        torch.save(found, f"{sys.argv[3]}/{frozen}-{distributed.rank()}.pt")
    for first in (2, 5):
        rows = slice(0, first) if distributed.is_first() else slice(first, 5)
        torch.save(normed(rows), f"{sys.argv[3]}/{first}-{distributed.rank()}.pt")
# A thread of the process group that outlives it may abort the interpreter while it ends.
threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in threads), threads
"""


def normed(rows: slice) -> dict[str, torch.Tensor]:
    """Batch norm of some of five parts: what it gives, its inputs' gradient, the weights', the running statistics."""
    rng = torch.Generator().manual_seed(0)
    x, weights = 3 + torch.randn(5, 4, 6, 6, generator=rng), torch.randn(5, 4, 6, 6, generator=rng)
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(4))
    torch.nn.init.normal_(network[0].weight, generator=rng)
    network[0].bias.requires_grad_(False)
    batch_norm.share(network)
    part = x[rows].clone().requires_grad_()
    found = network(part)
    (found.square() * weights[rows]).sum().backward()
    distributed.combine(network)
    assert network[0].bias.grad is None
    assert part.grad is not None
    assert network[0].weight.grad is not None
    learned = {"weight": network[0].weight.grad, **dict(network[0].named_buffers())}
    return {"found": found.detach(), "gradient": part.grad, **learned}


def first_gradients(data: Path, frozen: bool) -> dict[str, torch.Tensor]:
    """Losses and gradients of the first step of either stage, and the buffers after; batch norm learning, or frozen."""
    config = TrainConfig(**SETTINGS)
    dataset = index(data)
    fit, _ = hold_out(dataset, seed=config.seed)
    preprocess = training.fit_preprocess(dataset, config.size_px)
    parts = training.load_data(fit, preprocess, dataset.modalities, config)
    state = training.start(config, training.model_config(config, preprocess), parts, "cpu")
    found = {}
    for stage in (1, 2):
        state.model.train()
        for module in state.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train(not frozen)
        state.optimizer.zero_grad()
        terms = step_losses(state.model, parts, config, 0, stage, "cpu")
        torch.stack(list(terms.values())).sum().backward()
        distributed.combine(state.model)
        found |= {f"loss {stage} {name}": term.detach() for name, term in terms.items()}
        for name, weight in state.model.named_parameters():
            if weight.grad is not None:
                found[f"gradient {stage} {name}"] = weight.grad.clone()
    # Texture statistics are set before the first step; an eigenvector's sign may follow the number of threads.
    buffers = {name: buffer for name, buffer in state.model.named_buffers() if not name.startswith("texture.")}
    return found | {f"buffer {name}": buffer for name, buffer in buffers.items()}


def test_gradients_and_losses_are_those_of_one_process(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    done = launched(script, Path(__file__).parent, data, tmp_path)
    assert done.returncode == 0, done.stderr
    for frozen in (True, False):
        alone = first_gradients(data, frozen)
        assert sum(name.startswith("gradient 2 fusion") for name in alone) > 0
        for rank in (0, 1):
            found = torch.load(tmp_path / f"{frozen}-{rank}.pt")
            assert found.keys() == alone.keys()
            worst = {name: float((found[name] - value).abs().max()) for name, value in alone.items()}
            # Batch norm's own statistics add sums, and thereby rounding.
            assert max(worst.values()) < (1e-5 if frozen else 5e-5), max(worst, key=worst.__getitem__)
        # A gradient of 1e-5 would show nothing.
        assert max(float(value.abs().max()) for name, value in alone.items() if name.startswith("gradient")) > 0.1
    assert_batch_norm_sees_uneven_slices(tmp_path)


def assert_batch_norm_sees_uneven_slices(folder: Path) -> None:
    alone = normed(slice(0, 5))
    for first in (2, 5):
        slices = [torch.load(folder / f"{first}-{rank}.pt") for rank in (0, 1)]
        assert [len(one["found"]) for one in slices] == [first, 5 - first]
        for name, value in alone.items():
            of_parts = name in ("found", "gradient")
            found = torch.cat([one[name] for one in slices]) if of_parts else slices[1][name]
            torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-5)


def aurocs(run: TrainedRun, data: Path) -> dict[str, float]:
    """Of every Subset."""
    samples = index(data).select("test")
    arrays, _ = load_inputs(samples, run.preprocess)
    stained = np.array([sample.cls == "stain" for sample in samples])
    return {subset.slug: auroc(scores(run, subset, arrays), stained) for subset in all_subsets(run.modalities)}


def scores(run: TrainedRun, subset: Subset, arrays: dict[str, np.ndarray]) -> np.ndarray:
    with TorchRunner(run.model, subset) as runner:
        count = len(arrays["rgb"])
        maps = [runner.infer({name: arrays[name][n : n + 1] for name in subset}) for n in range(count)]
    return np.array([image_score(one.anomaly_map) for one in maps])


def test_two_processes_train_what_one_does(data: Path, settings: Path, pair: Path, tmp_path: Path) -> None:
    training.train(index(data), tmp_path / "alone", TrainConfig(**SETTINGS))
    one, two = load_run(tmp_path / "alone"), load_run(pair)
    assert (one.document["machine"]["processes"], two.document["machine"]["processes"]) == (1, 2)
    assert sorted(path.name for path in pair.iterdir()) == ["run.json", "weights.pt"]
    alone, together = aurocs(one, data), aurocs(two, data)
    for slug, value in alone.items():
        assert abs(value - together[slug]) <= 0.02, (alone, together)
    # A training is chaotic: rounding has grown, and is still small beside the differences of two seeds.
    for row, other in zip(one.document["losses"], two.document["losses"], strict=True):
        assert row == pytest.approx(other, rel=0.35, abs=0.1)


SLOWLY = """
import os
import sys
import time
from radar_edge.cli.main import main
from radar_edge.training import step, train as training
training.SAVE_EVERY_S = 0.0
plain = step.batch_indices
def slow(*batch):
    time.sleep(0.05)
    return plain(*batch)
step.batch_indices = slow
os.write(sys.stdout.fileno(), f"{os.environ['RANK']} {os.getpid()}\\n".encode())
main()
"""


def test_a_killed_process_ends_all_and_a_resume_is_bit_exact(
    data: Path, settings: Path, pair: Path, tmp_path: Path
) -> None:
    script, folder = tmp_path / "slowly.py", tmp_path / "run"
    script.write_text(SLOWLY)
    command = ["train", "--data", data, "--out", folder, "--config", settings]
    with (tmp_path / "said").open("w") as said:
        victims = subprocess.Popen(torchrun(script, *command), stdout=subprocess.PIPE, stderr=said, text=True)
        assert victims.stdout is not None
        pids = dict(map(int, line.split()) for line in (victims.stdout.readline() for _ in range(2)))
        ends = time.monotonic() + PATIENCE_S
        while not (folder / "state.pt").exists() and time.monotonic() < ends:
            time.sleep(0.02)
        os.kill(pids[1], signal.SIGKILL)
        victims.communicate(timeout=PATIENCE_S)
    assert victims.returncode != 0
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == ["state.pt"]
    assert "Traceback" not in (tmp_path / "said").read_text().split("torch/distributed/elastic")[0]
    done = launched("-m", "radar_edge", *command, "--resume")
    assert done.returncode == 0, done.stderr
    expected, found = load_run(pair).model.state_dict(), load_run(folder).model.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert load_run(folder).document["losses"] == load_run(pair).document["losses"]


def said_by(done: subprocess.CompletedProcess[str]) -> tuple[list[str], list[int]]:
    """Our error messages, and the exit code of the process that torchrun names as the cause."""
    cause = done.stderr.split("Root Cause")[1]
    return re.findall("^error: (.*)$", done.stderr, re.M), [
        int(code) for code in re.findall(r"exitcode *: (\d+)", cause)
    ]


def test_a_mistake_is_said_once(data: Path, tmp_path: Path) -> None:
    uneven = tmp_path / "uneven.yaml"
    uneven.write_text("batch_size: 9\n")
    done = launched("-m", "radar_edge", "train", "--data", data, "--out", tmp_path / "run", "--config", uneven)
    assert said_by(done) == (["2 processes cannot share a batch evenly"], [2])
    assert "wanted: a multiple of 2" in done.stderr
    assert done.returncode != 0
    assert not (tmp_path / "run").exists()


ONE_FAILS = """
import os
from radar_edge.cli.main import main
from radar_edge.errors import StorageError
from radar_edge.training import step
plain = step.batch_indices
def failing(count, config, number):
    if os.environ["RANK"] == "1" and number == 3:
        raise StorageError("the second process's disk is gone")
    return plain(count, config, number)
step.batch_indices = failing
main()
"""


def test_the_error_of_one_process_ends_all(data: Path, settings: Path, tmp_path: Path) -> None:
    script = tmp_path / "one_fails.py"
    script.write_text(ONE_FAILS)
    done = launched(script, "train", "--data", data, "--out", tmp_path / "run", "--config", settings)
    assert said_by(done) == (["the second process's disk is gone"], [3])
    assert done.returncode != 0
    assert not (tmp_path / "run").exists()


def test_one_process_is_left_as_it_is() -> None:
    batch, norm = torch.ones(3, 2, requires_grad=True), torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    assert distributed.own(batch) is batch
    assert distributed.whole(batch) is batch
    batch_norm.share(norm)
    assert type(norm[0]) is torch.nn.BatchNorm2d
    with distributed.joined("cpu"):
        assert (distributed.count(), distributed.rank(), distributed.is_first()) == (1, 0, True)
        distributed.check_batch(7)
