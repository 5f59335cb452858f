"""Half precision as CUDA would have it, under the CPU's own autocast: no GPU takes part."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radar_edge.data.layouts import index
from radar_edge.models import radar
from radar_edge.preprocess import write_png
from radar_edge.training import losses, precision
from radar_edge.training import train as training
from radar_edge.training.checkpoint import load_run
from radar_edge.training.train import TrainConfig

SMALL = {"size_px": 32, "features": 8, "shared": 8, "batch_size": 4, "steps": 12, "warm_up_steps": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for n in range(12):
        write_png(root / "train/good/rgb" / f"{n:03d}.png", rng.integers(0, 255, (40, 40, 3), np.uint8))
        write_png(root / "train/good/tir" / f"{n:03d}.png", rng.integers(30000, 30500, (20, 20), np.uint16))
    return root


def test_the_cpu_computes_in_float32() -> None:
    assert precision.half("cpu") is None
    assert precision.name("cpu") == "float32"
    assert not precision.gradient_scaler("cpu").is_enabled()
    with precision.autocast("cpu"):
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_cuda_computes_in_bfloat16_where_it_can(
    native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert precision.half("cuda") is expected
    assert precision.name("cuda") == str(expected).removeprefix("torch.")


def watch(patch: pytest.MonkeyPatch, owner: Any, name: str, saw: Callable[[Any, Any], None]) -> None:
    plain = getattr(owner, name)

    def watched(*given: Any) -> Any:
        found = plain(*given)
        saw(given, found)
        return found

    patch.setattr(owner, name, watched)


def kinds(values: Any) -> set[torch.dtype]:
    """The floating types in a nest of tensors; of Encoded, those of what a loss reads."""
    if isinstance(values, torch.Tensor):
        return {values.dtype} if values.is_floating_point() else set()
    if isinstance(values, radar.Encoded):
        return kinds((values.shared, [f.restored for f in values.features.values()]))
    nested = values.values() if isinstance(values, Mapping) else values
    return set().union(*map(kinds, nested))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_the_network_computes_in_half_precision_and_the_losses_do_not(
    kind: torch.dtype, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, loss = set(), set()
    for name in ("restoration", "alignment", "spread", "segmentation", "distillation", "attention_hint"):
        watch(monkeypatch, losses, name, lambda given, found: loss.update(kinds((given, found))))
    watch(monkeypatch, radar.Radar, "rebuilt", lambda given, found: networks.update(kinds(found)))
    monkeypatch.setattr(precision, "half", lambda device: kind)
    training.train(index(data), tmp_path / "run", TrainConfig(**SMALL))
    assert networks == {kind}
    assert loss == {torch.float32}
    trained = load_run(tmp_path / "run")
    assert trained.document["machine"]["precision"] == str(kind).removeprefix("torch.")
    weights = trained.model.state_dict()
    assert {x.dtype for x in weights.values() if x.is_floating_point()} == {torch.float32}
    assert all(bool(torch.isfinite(x).all()) for x in weights.values())
    assert all(np.isfinite(list(row.values())).all() for row in trained.document["losses"])


def test_half_precision_trains_towards_the_same(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training.train(index(data), tmp_path / "exact", TrainConfig(**SMALL))
    monkeypatch.setattr(precision, "half", lambda device: torch.bfloat16)
    training.train(index(data), tmp_path / "half", TrainConfig(**SMALL))
    exact, half = (json.loads((tmp_path / name / "run.json").read_text())["losses"][-1] for name in ("exact", "half"))
    assert exact != half
    for name, value in exact.items():
        assert half[name] == pytest.approx(value, rel=0.25, abs=0.05), name


def test_a_scaled_training_resumes_its_scale_and_another_device_needs_none(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(scaler: torch.amp.GradScaler) -> training.State:
        monkeypatch.setattr(precision, "gradient_scaler", lambda device: scaler)
        return training.start(config, training.model_config(config, preprocess), parts, "cpu")

    config = TrainConfig(**SMALL)
    dataset = index(data)
    preprocess = training.fit_preprocess(dataset, config.size_px)
    parts = training.load_data(dataset.select("train", good=True), preprocess, dataset.modalities, config)
    scaled = begun(torch.amp.GradScaler("cpu", init_scale=512.0))
    scaled.scaler.scale(torch.ones(()))
    training.save_state(tmp_path, scaled, "same")
    resumed = begun(torch.amp.GradScaler("cpu"))
    training.load_state(tmp_path, resumed, "same")
    assert resumed.scaler.get_scale() == 512.0
    plain = begun(torch.amp.GradScaler("cpu", enabled=False))
    training.load_state(tmp_path, plain, "same")
    training.save_state(tmp_path, plain, "same")
    training.load_state(tmp_path, begun(torch.amp.GradScaler("cpu")), "same")
