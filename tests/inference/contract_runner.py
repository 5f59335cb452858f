"""What every Runner promises. Test modules subclass RunnerContract and say how to open an engine."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np
import pytest

from radar_edge.errors import BundleError, UsageError
from radar_edge.inference.runner import Runner, Tensor
from radar_edge.modality import Subset

RGB, BOTH = Subset(("rgb",)), Subset(("rgb", "tir"))
SHAPES = {"rgb": (1, 3, 8, 8), "tir": (1, 1, 8, 8)}


def inputs(subset: Subset, seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(SHAPES[name], np.float32) for name in subset}


class RunnerContract:
    @abstractmethod
    def write(self, folder: Path, subset: Subset) -> Path:
        """An engine file of `subset` with inputs of SHAPES."""

    @abstractmethod
    def open(self, model: Path, subset: Subset) -> Runner: ...

    def runner(self, folder: Path, subset: Subset) -> Runner:
        return self.open(self.write(folder, subset), subset)

    def test_it_says_what_it_is(self, tmp_path: Path) -> None:
        with self.runner(tmp_path, BOTH) as runner:
            assert (runner.subset, runner.precision, runner.shapes) == (BOTH, "fp32", SHAPES)

    def test_a_map_of_logits_and_the_weight_of_each_modality(self, tmp_path: Path) -> None:
        with self.runner(tmp_path, BOTH) as runner:
            inference = runner.infer(inputs(BOTH))
        assert (inference.anomaly_map.shape, inference.anomaly_map.dtype) == ((1, 1, 8, 8), np.float32)
        assert inference.contribution is not None
        assert inference.contribution.shape[:2] == (1, 2)
        np.testing.assert_allclose(inference.contribution.sum(axis=1), 1, atol=1e-6)

    def test_one_modality_has_no_contribution(self, tmp_path: Path) -> None:
        with self.runner(tmp_path, RGB) as runner:
            assert runner.infer(inputs(RGB)).contribution is None

    def test_equal_inputs_give_equal_results_and_others_do_not(self, tmp_path: Path) -> None:
        with self.runner(tmp_path, BOTH) as runner:
            first, again, other = (runner.infer(inputs(BOTH, seed)).anomaly_map for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_a_result_is_the_callers_own(self, tmp_path: Path) -> None:
        with self.runner(tmp_path, BOTH) as runner:
            first = runner.infer(inputs(BOTH)).anomaly_map
            kept = first.copy()
            runner.infer(inputs(BOTH, 1))
        assert np.array_equal(first, kept)

    def test_every_wrong_input_is_named(self, tmp_path: Path) -> None:
        wrong = {"rgb": np.zeros((1, 3, 8, 9), np.float32), "depth": np.zeros((1, 1, 8, 8), np.float32)}
        with self.runner(tmp_path, BOTH) as runner, pytest.raises(UsageError) as caught:
            runner.infer(wrong)
        assert caught.value.faults == (
            "missing input 'tir'",
            "extra input 'depth'",
            "input 'rgb' is float32 [1, 3, 8, 9], wanted float32 [1, 3, 8, 8]",
        )

    def test_another_type_is_refused(self, tmp_path: Path) -> None:
        doubles = {name: array.astype(np.float64) for name, array in inputs(RGB).items()}
        with self.runner(tmp_path, RGB) as runner, pytest.raises(UsageError, match="float64"):
            runner.infer(doubles)  # type: ignore[arg-type]

    def test_it_warms_up_on_its_own(self, tmp_path: Path) -> None:
        with self.runner(tmp_path, BOTH) as runner:
            runner.warm_up()

    def test_closed_it_runs_no_more_and_closes_again(self, tmp_path: Path) -> None:
        runner = self.runner(tmp_path, RGB)
        runner.close()
        runner.close()
        with pytest.raises(ValueError, match="closed"):
            runner.infer(inputs(RGB))

    def test_the_engine_of_another_subset_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="no engine for the subset rgb_tir"):
            self.open(self.write(tmp_path, RGB), BOTH)

    @pytest.mark.parametrize("data", [b"", b"garbage", b"{}", b"[]"])
    def test_what_is_no_engine_is_refused(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "engine").write_bytes(data)
        with pytest.raises(BundleError, match="can load"):
            self.open(tmp_path / "engine", RGB)

    def test_an_absent_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="can load"):
            self.open(tmp_path / "absent", RGB)
