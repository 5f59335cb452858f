"""The estimate against sums by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
import yaml
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from radar_edge.cli import estimate as command
from radar_edge.errors import ConfigError, UsageError
from radar_edge.export.estimate import (
    BANDWIDTH_SHARE,
    LAUNCH_US,
    Estimate,
    costs,
    estimate,
    mode_of,
    needed_mib,
    rate,
    verdict,
)
from radar_edge.simulation.bright import write_bundle
from radar_edge.simulation.example_line import line_document
from radar_edge.targets import Mode, target

MODE = Mode(name="test", int8_tops=20.0, fp16_tflops=10.0, dram_gb_s=100.0)
app = typer.Typer()
command.register(app)


def conv(kind: int = TensorProto.FLOAT, side: int = 64) -> onnx.ModelProto:
    """One 3 x 3 convolution, 32 to 64 channels, and an activation that counts as fused."""
    dtype = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    weight = numpy_helper.from_array(np.zeros((64, 32, 3, 3), dtype), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["y"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("x", kind, [1, 32, side, side])],
        [helper.make_tensor_value_info("z", kind, [1, 64, side, side])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_one_convolution_by_hand() -> None:
    (cost,) = costs(conv())
    macs = 64 * 64 * 64 * 32 * 9
    assert cost.operations == 2 * macs
    assert cost.moved == 4 * (32 * 64 * 64 + 64 * 32 * 9 + 64 * 64 * 64)
    assert cost.precision == "fp32"
    found = estimate(conv(), MODE, efficiency=0.5)
    work_s = 2 * macs / 2.5e12
    assert found.peak_ms == pytest.approx(1e3 * work_s)
    assert found.fast_ms == found.slow_ms == pytest.approx(1e3 * (work_s / 0.5 + LAUNCH_US * 1e-6))
    assert found.compute_bound == 1.0
    assert found.weights_mib == pytest.approx(4 * 64 * 32 * 9 / 2**20)


def test_half_precision_runs_on_the_tensor_cores_and_moves_half() -> None:
    single, half = costs(conv())[0], costs(conv(TensorProto.FLOAT16))[0]
    assert half.moved * 2 == single.moved
    assert rate(MODE, "fp16") == 4 * rate(MODE, "fp32") == rate(MODE, "int8") / 2


def test_a_layer_that_mostly_moves_is_bound_by_memory() -> None:
    slow_memory = Mode(name="slow", int8_tops=1000.0, fp16_tflops=1000.0, dram_gb_s=1.0)
    found = estimate(conv(TensorProto.FLOAT16), slow_memory, efficiency=1.0)
    (cost,) = costs(conv(TensorProto.FLOAT16))
    assert found.compute_bound == 0.0
    assert found.fast_ms == pytest.approx(1e3 * (cost.moved / 1e9 / BANDWIDTH_SHARE + LAUNCH_US * 1e-6))


def test_without_a_published_int8_rate_fp16_stands_in() -> None:
    assert rate(MODE.model_copy(update={"int8_tops": None}), "int8") == rate(MODE, "fp16")


def test_modes() -> None:
    nano = target("orin-nano-8gb")
    assert (mode_of(nano, None).name, mode_of(nano, "15W").name) == ("super", "15W")
    with pytest.raises(ValueError, match="no power mode"):
        mode_of(nano, "100W")


def test_the_verdict_is_open_where_only_the_fast_end_fits() -> None:
    one = Estimate(peak_ms=1, fast_ms=5, slow_ms=20, compute_bound=1, weights_mib=3, activations_mib=2)
    assert [verdict([one], left) for left in (30, 10, 4)] == ["feasible", "open", "not feasible"]
    assert needed_mib([one, one]) == 1500 + 450 + 6 + 2


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(line_document("unused")))
    return tmp_path


def call(place: Path, *more: str) -> Result:
    return CliRunner().invoke(app, [str(place / "bundle"), "--target", "orin-nano-8gb", "--json", *more])


def test_the_command_says_that_nothing_was_measured(place: Path) -> None:
    result = call(place, "--line", str(place / "line.yaml"))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    assert (found["measured"], found["mode"], len(found["engines"])) == (False, "super", 3)
    assert found["deadline"]["verdict"] == "feasible"
    assert found["deadline"]["left_ms"] == 250 - 30 - 100


def test_a_bench_file_takes_the_place_of_the_assumption(place: Path) -> None:
    rows = [{"roofline_share": share} for share in (0.2, 0.3, 0.4, None)]
    (place / "bench.json").write_text(f"text\n{json.dumps({'rows': rows})}\n")
    result = call(place, "--bench", str(place / "bench.json"))
    assert json.loads(result.stdout.splitlines()[-1])["efficiency"] == 0.3
    (place / "bench.json").write_text("nothing")
    assert isinstance(call(place, "--bench", str(place / "bench.json")).exception, UsageError)


def test_a_deadline_that_cannot_be_met_is_refused(place: Path) -> None:
    document = line_document("unused") | {"deadline_ms": 130.001, "pair_wait_ms": 100}
    (place / "line.yaml").write_text(yaml.safe_dump(document))
    assert isinstance(call(place, "--line", str(place / "line.yaml")).exception, ConfigError)


def test_an_unknown_mode_names_the_known_ones(place: Path) -> None:
    error = call(place, "--mode", "100W").exception
    assert isinstance(error, UsageError)
    assert "super" in str(error)
