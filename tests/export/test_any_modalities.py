"""One, two and three modalities of any name and kind go through the same code, from images to a bundle that judges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from modality_set import SMALL, picture, write_good
from small_run import write_run

from radar_edge.benchmark.counting import cost_of
from radar_edge.benchmark.untrained import Untrained
from radar_edge.bundle import Bundle, create_key, open_bundle
from radar_edge.data.layouts import index
from radar_edge.errors import RunError
from radar_edge.export.build import build_bundle, open_workshop
from radar_edge.export.onnx_export import export_onnx
from radar_edge.export.specialize import run, specialize
from radar_edge.inference.runner import open_runner
from radar_edge.modality import all_subsets
from radar_edge.models.radar import Radar, RadarConfig
from radar_edge.scoring import image_score
from radar_edge.training.checkpoint import TrainedRun, load_run
from radar_edge.training.torch_runner import TorchRunner
from radar_edge.training.train import TrainConfig, train

PIXEL_LIMIT = 1e-4
"""Between ONNX Runtime and torch, on every logit of the map, as in test_build."""


@dataclass(frozen=True)
class Case:
    kinds: dict[str, tuple[int, type]]
    size_px: int
    side: int
    """Of the images, px."""


CASES = {
    "one": Case({"xray": (1, np.uint16)}, 48, 60),
    # The order is not that of the names.
    "two": Case({"uv": (3, np.uint16), "depth": (1, np.uint8)}, 64, 50),
    "three": Case({"rgb": (3, np.uint8), "pol": (1, np.uint8), "audio": (1, np.uint16)}, 32, 40),
}


@dataclass(frozen=True)
class Built:
    case: Case
    data: Path
    run: TrainedRun
    bundle: Bundle


@pytest.fixture(scope="module", params=CASES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Trained for four steps and exported, FP32 alone."""
    case, folder = CASES[request.param], tmp_path_factory.mktemp(request.param)
    data = write_good(folder / "data", case.kinds, side=case.side)
    (data / "dataset.yaml").write_text(yaml.safe_dump({"modalities": {n: {} for n in case.kinds}}, sort_keys=False))
    train(index(data), folder / "run", TrainConfig(**{**SMALL, "steps": 4, "size_px": case.size_px}))
    signer = create_key(folder / "keys")
    shop = open_workshop(folder / "run", data, work=folder / "work", ranges_folder=folder / "ranges")
    build_bundle(shop, folder / "bundle", target_frr=0.2, signer=signer, precisions=[])
    return Built(
        case, data, load_run(folder / "run"), open_bundle(folder / "bundle", {signer.key_id: signer.key.public_key()})
    )


def test_order_kinds_and_size_come_from_the_data_and_the_configuration(built: Built) -> None:
    names = tuple(built.case.kinds)
    assert built.run.modalities == built.bundle.modalities == names
    assert tuple(built.run.preprocess.modalities) == names
    for name, (channels, kind) in built.case.kinds.items():
        spec = built.bundle.manifest.preprocess.modalities[name]
        assert (spec.channels, spec.bit_depth) == (channels, np.dtype(kind).itemsize * 8)
        # A single channel of 16 bit is taken as thermal: it brings its distance from the frame's median.
        assert spec.input_channels == (2 if (channels, kind) == (1, np.uint16) else channels)
        assert (spec.height, spec.width) == (built.case.size_px, built.case.size_px)


def test_every_subset_has_an_engine_that_equals_the_network(built: Built) -> None:
    subsets = all_subsets(built.case.kinds)
    assert built.bundle.subsets == subsets
    assert len(subsets) == 2 ** len(built.case.kinds) - 1
    images = {name: picture(f"new/{name}", c, kind, built.case.side) for name, (c, kind) in built.case.kinds.items()}
    inputs = built.bundle.manifest.preprocess(images)
    for subset in subsets:
        given = {name: inputs[name] for name in subset}
        file = built.bundle.path(built.bundle.engine(subset, "fp32").file)
        with open_runner("onnxruntime", file, subset, "fp32") as engine, TorchRunner(built.run.model, subset) as wanted:
            found, said = engine.infer(given), wanted.infer(given)
        np.testing.assert_allclose(found.anomaly_map, said.anomaly_map, atol=PIXEL_LIMIT)
        assert (found.contribution is None) is (said.contribution is None) is (len(subset) == 1)
        if said.contribution is not None and found.contribution is not None:
            assert found.contribution.shape[1] == len(subset)
            np.testing.assert_allclose(found.contribution, said.contribution, atol=PIXEL_LIMIT)


def test_every_engine_has_its_own_threshold_and_judges(built: Built) -> None:
    images = {name: picture(f"new/{name}", c, kind, built.case.side) for name, (c, kind) in built.case.kinds.items()}
    inputs = built.bundle.manifest.preprocess(images)
    for subset in built.bundle.subsets:
        entry = built.bundle.engine(subset, "fp32")
        assert entry.calibration.groups == 5
        with open_runner("onnxruntime", built.bundle.path(entry.file), subset, "fp32") as engine:
            score = image_score(engine.infer({name: inputs[name] for name in subset}).anomaly_map)
        assert 0 < entry.calibration.p_value(score) <= 1


@pytest.mark.parametrize("built", ["two"], indirect=True)
def test_a_trained_network_costs_what_an_untrained_one_does(built: Built) -> None:
    """Zeros and equal tensors, of which first weights are full, would be folded and merged."""
    network = Untrained(built.run.model.config)
    engines = {s.slug: built.bundle.path(built.bundle.engine(s, "fp32").file) for s in built.bundle.subsets}
    trained = {slug: cost_of(onnx.load(path)) for slug, path in engines.items()}
    assert trained == {s.slug: cost_of(network.fp32(s)) for s in network.subsets}


def test_any_number_of_channels_and_a_picture_that_is_not_square() -> None:
    channels = {"a": 2, "b": 5}
    torch.manual_seed(0)
    model = Radar(RadarConfig(channels=channels, height=32, width=48, features=8, shared=8)).eval()
    shapes = {name: (1, count, 32, 48) for name, count in channels.items()}
    full = export_onnx(model, shapes)
    rng = np.random.default_rng(0)
    inputs = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    for subset in all_subsets(channels):
        given = {name: inputs[name] for name in subset}
        found = run(specialize(full, subset, tuple(channels)), given)["anomaly_map"]
        with TorchRunner(model, subset) as runner:
            np.testing.assert_allclose(found, runner.infer(given).anomaly_map, atol=PIXEL_LIMIT)


def test_a_run_that_names_other_modalities_than_its_network_is_damaged(tmp_path: Path) -> None:
    path = write_run(tmp_path) / "run.json"
    for names in (["rgb", "nir"], ["rgb"], ["rgb", "tir", "uv"]):
        path.write_text(json.dumps({**json.loads(path.read_text()), "modalities": names}))
        with pytest.raises(RunError, match="damaged"):
            load_run(tmp_path)
