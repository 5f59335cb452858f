from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from contract_runner import RGB, SHAPES, RunnerContract

from radar_edge.inference.fake_runner import FakeRunner
from radar_edge.inference.runner import Runner, open_runner
from radar_edge.modality import Subset


def write_fake(folder: Path, subset: Subset) -> Path:
    path = folder / f"{subset}.json"
    path.write_text(json.dumps({"inputs": {name: SHAPES[name] for name in subset}}))
    return path


class TestFakeRunner(RunnerContract):
    def write(self, folder: Path, subset: Subset) -> Path:
        return write_fake(folder, subset)

    def open(self, model: Path, subset: Subset) -> Runner:
        return FakeRunner(model, subset, "fp32")


def test_a_bright_spot_is_a_bright_spot_in_the_map(tmp_path: Path) -> None:
    part = np.zeros(SHAPES["rgb"], np.float32)
    part[0, :, 2, 5] = 3
    with open_runner("fake", write_fake(tmp_path, RGB), RGB, "fp32") as runner:
        anomaly_map = runner.infer({"rgb": part}).anomaly_map
    assert np.argwhere(anomaly_map).tolist() == [[0, 0, 2, 5]]
    assert anomaly_map.max() == 3
