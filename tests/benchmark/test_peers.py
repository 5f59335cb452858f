"""The parts of the published methods that need neither anomalib nor torchvision."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import radar_edge.benchmark

PEERS = Path(radar_edge.benchmark.__file__).parent / "peers"
SIDE = 64

Module = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def module() -> Iterator[Module]:
    """Imports a file of the folder as its scripts do, by its bare name; no name of theirs stays behind."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PEERS))
        yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(PEERS)):
            del sys.modules[name]


def image() -> torch.Tensor:
    """`[3, SIDE, SIDE]` whose every pixel is unlike the others."""
    return torch.from_numpy(np.random.default_rng(7).uniform(0.2, 0.8, (3, SIDE, SIDE)).astype(np.float32))


def job(folder: Path, **changes: Any) -> Path:
    paths = []
    for n in range(3):
        paths.append(str(folder / f"{n}.png"))
        cv2.imwrite(paths[-1], np.full((40, 40), 100 + n, np.uint8))
    document = {"method": "patchcore", "size_px": SIDE, "steps": None, "seed": 0, "train": paths, "score": paths}
    document |= {"weights": None, "model": str(folder / "model"), "out": str(folder / "scores.json")} | changes
    (folder / "job.json").write_text(json.dumps({key: value for key, value in document.items() if value != "absent"}))
    return folder / "job.json"


def refused(script: str, *arguments: str) -> tuple[int, dict[str, str]]:
    """(exit code, the one line on stderr)"""
    command = [sys.executable, "-u", str(PEERS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = json.loads(done.stderr)
    assert set(line) == {"error", "found", "wanted", "next_step"}
    return done.returncode, line


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"method": "efficientad2"}, "efficientad2"),
        ({"size_px": 100}, "100"),
        ({"size_px": 32}, "32"),
        ({"steps": 0}, "0"),
        ({"seed": -1}, "-1"),
        ({"seed": True}, "True"),
        ({"train": []}, "[]"),
        ({"score": ["nowhere.png"]}, "nowhere.png"),
        ({"weights": "nowhere.pth"}, "nowhere.pth"),
        ({"out": ""}, ""),
        ({"device": "cuda"}, "device"),
        ({"steps": "absent"}, "size_px"),
    ],
)
def test_a_wrong_job_is_refused_before_anything_is_imported(tmp_path: Path, changes: Any, named: str) -> None:
    code, line = refused("judge.py", str(job(tmp_path, **changes)))
    assert code == 2
    assert named in line["found"]


@pytest.mark.parametrize("script", ["judge.py", "export.py"])
def test_what_is_no_job_is_refused(tmp_path: Path, script: str) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "half.json").write_text('{"method": ')
    for arguments in ([], [str(tmp_path / "list.json")], [str(tmp_path / "half.json")], [str(tmp_path / "none.json")]):
        assert refused(script, *arguments)[0] == 2


@pytest.mark.parametrize("models", [[], ["radar"], "draem"])
def test_a_wrong_export_is_refused(tmp_path: Path, models: Any) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"models": models, "size_px": 256, "out": str(tmp_path)}))
    assert refused("export.py", str(path))[0] == 2


@pytest.mark.skipif(importlib.util.find_spec("anomalib") is not None, reason="anomalib is installed here")
def test_an_environment_without_the_packages_is_refused(tmp_path: Path) -> None:
    code, line = refused("judge.py", str(job(tmp_path)))
    assert code == 3
    assert "make venv-bench" in line["next_step"]
    assert not (tmp_path / "model").exists()


def test_a_pasted_rectangle_has_the_papers_size(module: Module) -> None:
    cutpaste, rng = module("cutpaste"), np.random.default_rng(0)
    sizes = [cutpaste.rectangle(256, 256, rng) for _ in range(500)]
    shares = [tall * wide / 256**2 for tall, wide in sizes]
    aspects = [wide / tall for tall, wide in sizes]
    assert 0.018 < min(shares) < 0.03 < 0.13 < max(shares) < 0.155
    assert 0.27 < min(aspects) < 0.4 < 2.9 < max(aspects) < 3.6
    assert 0.4 < np.mean([aspect < 1 for aspect in aspects]) < 0.6


@pytest.mark.parametrize("change", ["cut_pasted", "scarred"])
def test_a_change_is_local_leaves_the_original_and_follows_from_the_seed(module: Module, change: str) -> None:
    changed = getattr(module("cutpaste"), change)
    before = image()
    for seed in range(20):
        after = changed(before, np.random.default_rng(seed))
        assert torch.equal(before, image())
        assert after.shape == before.shape
        share = (after != before).any(0).float().mean().item()
        assert 0 < share < (0.16 if change == "cut_pasted" else 0.05)
        assert torch.equal(after, changed(before, np.random.default_rng(seed)))


def test_a_scar_is_turned(module: Module) -> None:
    turned = module("cutpaste").turned
    patch = torch.arange(1.0, 61.0).expand(3, 60).reshape(3, 20, 3)
    upright, whole = turned(patch, 0.0)
    assert torch.equal(upright, patch)
    assert whole.all()
    lying, _ = turned(patch, np.pi / 2)
    assert lying.shape == (3, 3, 20)
    assert torch.equal(lying.flatten().sort().values, patch.flatten().sort().values)
    _, slanted = turned(patch, np.pi / 4)
    assert 45 < slanted.sum() < 75
    assert not slanted[0, 0]
    assert not slanted[-1, -1] or not slanted[0, -1]


def test_three_ways_are_of_three_kinds(module: Module) -> None:
    images, kinds = module("cutpaste").three_ways(torch.stack([image(), image()]), np.random.default_rng(0))
    assert images.shape == (6, 3, SIDE, SIDE)
    assert kinds.tolist() == [0, 0, 1, 1, 2, 2]


class Pooled(torch.nn.Module):
    """Stands for ResNet-18: 512 features that are the image's brightness and noise."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :512]


def test_the_gaussian_finds_what_is_off(module: Module) -> None:
    model = module("cutpaste").CutPasteModel(Pooled()).eval()
    rng = np.random.default_rng(0)
    good = rng.normal(0, 1, (40, 3, 16, 16)).astype(np.float32)
    model.describe(model.network(torch.from_numpy(good)).numpy())
    fresh = torch.from_numpy(rng.normal(0, 1, (20, 3, 16, 16)).astype(np.float32))
    near, far = model(fresh), model(fresh + 1)
    assert near.anomaly_map is None
    assert near.pred_score.shape == (20,)
    assert near.pred_score.max() < far.pred_score.min()


def test_k_centres_cover_every_cluster(module: Module) -> None:
    coreset, rng = module("coreset"), np.random.default_rng(0)
    centres = rng.normal(0, 10, (12, 5))
    points = torch.from_numpy(np.repeat(centres, 30, 0) + rng.normal(0, 0.01, (360, 5))).float()
    taken = coreset.k_centres(points, 12, 3, lambda *_: None)
    assert sorted((taken // 30).tolist()) == list(range(12))
    assert torch.equal(taken, coreset.k_centres(points, 12, 3, lambda *_: None))
    assert len(set(coreset.k_centres(points, 360, 3, lambda *_: None).tolist())) == 360


def test_grey_becomes_three_equal_channels_and_colours_keep_their_order(module: Module, tmp_path: Path) -> None:
    pictures = module("pictures")
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((30, 50), 51, np.uint8))
    cv2.imwrite(str(tmp_path / "red.png"), np.full((30, 50, 3), (0, 0, 255), np.uint8))
    batch = pictures.read_batch([tmp_path / "grey.png", tmp_path / "red.png"], SIDE)
    assert batch.shape == (2, 3, SIDE, SIDE)
    assert torch.allclose(batch[0], torch.tensor(0.2))
    assert batch[1].amax((1, 2)).tolist() == [1.0, 0.0, 0.0]
    unit = pictures.normalised(torch.tensor(pictures.MEAN).view(1, 3, 1, 1))
    assert torch.equal(unit, torch.zeros_like(unit))


def test_an_image_that_is_none_is_named(module: Module, tmp_path: Path) -> None:
    pictures, refusal = module("pictures"), module("seam").RefusalError
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "counts.png"), np.full((30, 50), 5100, np.uint16))
    for name in ("text.png", "empty.png", "counts.png"):
        with pytest.raises(refusal, match=name) as caught:
            pictures.read_batch([tmp_path / name], SIDE)
        assert caught.value.code == 2


def test_weights_fit_wholly_or_are_refused(module: Module, tmp_path: Path) -> None:
    weights, refusal = module("weights"), module("seam").RefusalError
    network, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    torch.save(other.state_dict(), tmp_path / "fits.pth")
    weights.load_into(network, tmp_path / "fits.pth")
    assert torch.equal(network.weight, other.weight)
    torch.save(torch.nn.Linear(3, 2, bias=False).state_dict(), tmp_path / "lacks.pth")
    torch.save(torch.nn.Linear(4, 2).state_dict(), tmp_path / "wide.pth")
    torch.save(other.state_dict() | {"extra": torch.zeros(1)}, tmp_path / "extra.pth")
    torch.save([1], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name, said in [
        ("lacks", "bias is missing"),
        ("wide", "(2, 4)"),
        ("extra", "extra"),
        ("list", "list"),
        ("text", ""),
    ]:
        with pytest.raises(refusal) as caught:
            weights.load_into(network, tmp_path / f"{name}.pth")
        assert said in caught.value.line
        assert caught.value.code == 2


def test_absent_packaged_weights_are_the_environments_fault(module: Module) -> None:
    weights, refusal = module("weights"), module("seam").RefusalError
    absent = weights.Packaged("no-such-weights", "no_such_weights", "a.pth", "0")
    with pytest.raises(refusal) as caught:
        weights.packaged(absent)
    assert caught.value.code == 3
    assert "no-such-weights" in caught.value.line


class CutOffError(Exception):
    pass


def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, seam = module("training"), module("seam")
    monkeypatch.setattr(training, "KEEP_EVERY_S", 0.0)

    def trained(name: str, stop: int | None = None) -> torch.Tensor:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        request = seam.job(json.loads(job(folder, steps=6).read_text()))
        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE**2, 1), torch.nn.Dropout())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
        fit = training.Fit(request, lambda *_: None, lambda: None)

        def loss_of(step: int) -> torch.Tensor:
            if step == stop:
                raise CutOffError
            return model(fit.drawn(step, 2) + torch.randn(2, 3, 1, 1)).square().mean()

        training.train(fit, model, optimizer, scheduler, 6, loss_of)
        return model[1].weight.detach()

    whole = trained("whole")
    with pytest.raises(CutOffError):
        trained("cut", stop=4)
    assert torch.equal(trained("cut"), whole)


def test_every_image_is_drawn_once_a_pass(module: Module, tmp_path: Path) -> None:
    training, seam = module("training"), module("seam")
    request = seam.job(json.loads(job(tmp_path).read_text()))
    fit = training.Fit(request, lambda *_: None, lambda: None)
    drawn = torch.cat([fit.drawn(step, 2)[:, 0, 0, 0] for step in range(6)]).mul(255).round().int().tolist()
    assert [sorted(drawn[start : start + 3]) for start in range(0, 12, 3)] == [[100, 101, 102]] * 4


def test_a_loss_that_is_no_number_is_refused(module: Module, tmp_path: Path) -> None:
    training, seam = module("training"), module("seam")
    request = seam.job(json.loads(job(tmp_path).read_text()))
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    fit = training.Fit(request, lambda *_: None, lambda: None)
    with pytest.raises(seam.RefusalError, match="diverged"):
        training.train(fit, model, optimizer, scheduler, 2, lambda step: model.weight.sum() / 0)
