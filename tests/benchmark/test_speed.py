"""What a measurement holds and refuses, on graphs that take microseconds. No test looks at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import bench_speed
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from radar_edge.benchmark import contenders, speed
from radar_edge.benchmark.contenders import BASELINE, RADAR, ROOFLINE, Contender, baselines, of_bundle, of_plans
from radar_edge.benchmark.counting import Cost, cost_of
from radar_edge.benchmark.memory import memory_mib
from radar_edge.benchmark.roofline import roofs
from radar_edge.benchmark.speed import measure, shortfalls
from radar_edge.benchmark.speed_tables import speed_page
from radar_edge.bundle import Bundle
from radar_edge.bundle.device_record import Device
from radar_edge.errors import UsageError
from radar_edge.inference.fake_runner import FakeRunner
from radar_edge.modality import Subset

ROOT = Path(__file__).parents[2]
SIZE_PX = 32
BOTH = Subset(("rgb", "tir"))


def write_graph(path: Path, inputs: tuple[str, ...], channels: int = 3, size_px: int = SIZE_PX) -> Path:
    """A 3 x 3 convolution of every input, added up."""
    shape = [1, channels, size_px, size_px]
    weight = np.ones((1, channels, 3, 3), np.float32)
    nodes = [helper.make_node("Conv", [name, "w"], [f"{name}_y"], pads=[1, 1, 1, 1]) for name in inputs]
    nodes.append(helper.make_node("Sum", [f"{name}_y" for name in inputs], ["anomaly_map"]))
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs],
        [helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, [1, 1, size_px, size_px])],
        [numpy_helper.from_array(weight, "w")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def write_baseline(folder: Path, name: str, **graph: int) -> None:
    write_graph(folder / f"{name}.onnx", ("image",), **graph)
    (folder / f"{name}.json").write_text(json.dumps({"what": f"{name} of a test"}))


def ours(folder: Path, subset: Subset) -> Contender:
    path = write_graph(folder / f"{subset}.onnx", subset.modalities)
    return Contender(subset.slug, RADAR, "fp32", path, cost_of(onnx.load(path)), subset)


def roof(folder: Path) -> Contender:
    path = write_graph(folder / "roof.onnx", ("x",))
    return Contender("convolution", ROOFLINE, "fp32", path, cost_of(onnx.load(path)))


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Any]:
    write_baseline(tmp_path / "models", "draem")
    field = [ours(tmp_path, BOTH), ours(tmp_path, Subset(("rgb",))), *baselines(tmp_path / "models", SIZE_PX)]
    return measure([*field, roof(tmp_path)], (1, 2), 10, memory=lambda _: 1.5)


def test_every_contender_has_a_row_for_each_number_of_threads(found: dict[str, Any]) -> None:
    rows = [(row["name"], row["threads"], row["n"]) for row in found["rows"]]
    assert rows == [(name, threads, 10) for threads in (1, 2) for name in ("rgb_tir", "rgb", "draem")]
    for row in found["rows"]:
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p95"] <= row["latency_ms"]["p99"]
        assert row["ratio"]["p5"] <= row["ratio"]["p50"] <= row["ratio"]["p95"]
        assert row["gmac_s"] > 0
        assert 0 <= row["slower_in"] <= 1
    assert set(found["roofline_gmac_s"]) == {"1", "2"}
    assert len(found["load_average"]) == 2


def test_the_reference_is_as_fast_as_itself(found: dict[str, Any]) -> None:
    mine = [row for row in found["rows"] if row["name"] == "rgb_tir"]
    assert [(row["ratio"], row["slower_in"]) for row in mine] == [({"p50": 1.0, "p5": 1.0, "p95": 1.0}, 0.0)] * 2


def test_models_say_what_they_cost_and_where_they_come_from(found: dict[str, Any]) -> None:
    models = {one["name"]: one for one in found["models"]}
    assert set(models) == {"rgb_tir", "rgb", "draem"}
    layer = SIZE_PX * SIZE_PX * 3 * 9
    assert models["rgb_tir"]["gmac"] == round(2 * layer / 1e9, 4)
    assert models["draem"]["parameters"] == 27
    assert models["draem"]["about"] == {"what": "draem of a test"}
    assert models["draem"]["memory_mib"] == 1.5


def test_the_page_has_a_line_for_every_row_and_a_sentence_for_every_baseline(found: dict[str, Any]) -> None:
    for row in found["rows"]:
        row.update(latency_ms={"p50": 12.34, "p95": 20, "p99": 30}, cpu_ms=4.56, roofline_share=0.5, slower_in=0.9)
        row.update(ratio={"p5": 1, "p50": 1.5, "p95": 2}, cpu_ratio={"p5": 1, "p50": 1.25, "p95": 2})
    found["rows"][1].update(roofline_share=None)
    found["models"][0].update(memory_mib=None)
    page = speed_page({**found, "date": "2026-01-02", "cpu": "a CPU", "cores": 2, "onnxruntime": "1.2", "input_px": 32})
    lines = page.splitlines()
    times = "12.3 | 20.0 | 30.0 | 1.50 (1.00 to 2.00) | 4.6 | 1.25 (1.00 to 2.00)"
    assert lines.count(f"| **rgb_tir fp32** | 10 | {times} | 50% |") == 2
    assert f"| **rgb fp32** | 10 | {times} | - |" in lines
    assert "| draem | draem of a test | 0.00 | 0.00 | 0.0 | 2 |" in lines
    assert "| **rgb_tir fp32** | RADAR | 0.00 | 0.00 | 0.0 | - |" in lines
    assert [line for line in lines if line.startswith("- ")] == [
        "- draem takes 1.50 (1.00 to 2.00) times as long as rgb_tir FP32 with 1 thread, and 1.25 (1.00 to 2.00) times "
        "the processor's time; slower in 90% of 10 rounds."
    ]
    assert "a CPU, 2 cores, ONNX Runtime 1.2 on the CPU, batch 1, 32 px, 10 rounds" in lines[0]


def test_without_both_cameras_the_largest_engine_is_the_reference(tmp_path: Path) -> None:
    rgb = ours(tmp_path, Subset(("rgb",)))
    found = measure([rgb, roof(tmp_path)], (1,), 3, memory=lambda _: None)
    assert found["reference"] == ["rgb", "fp32", "onnxruntime"]
    with pytest.raises(UsageError, match="no engine to compare with"):
        measure([roof(tmp_path)], (1,), 3)


def test_a_slow_contender_sits_rounds_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SLOW_MS", 0.0)
    found = measure([ours(tmp_path, BOTH), roof(tmp_path)], (1,), 11, memory=lambda _: None)
    assert [row["n"] for row in found["rows"]] == [3]


def test_ratios_are_of_the_rounds_that_both_ran() -> None:
    one = Contender("a", BASELINE, "fp32", Path(), Cost(10**6, 1))
    entry = speed.Entry(one, 1, lambda: None, startup_ms=1.0, every=2)
    wall, cpu = np.array([30.0, np.nan, 10.0]), np.array([8.0, np.nan, 4.0])
    against = speed.Measured(np.array([10.0, 1.0, 20.0]), np.array([4.0, 1.0, 4.0]))
    row = speed.row(entry, speed.Measured(wall, cpu), against, np.array([0.5, 0.5, 0.5]))
    assert (row["n"], row["slower_in"]) == (2, 0.5)
    assert row["ratio"]["p50"] == (3.0 + 0.5) / 2
    assert row["cpu_ratio"]["p50"] == (2.0 + 1.0) / 2
    assert row["gmac_s"] == round((1 / 8 + 1 / 4) / 2, 2)
    assert row["roofline_share"] == (1 / 8 + 1 / 4) / 2 / 0.5


def test_memory_is_that_of_a_process_of_its_own(tmp_path: Path) -> None:
    memory = memory_mib(ours(tmp_path, BOTH))
    assert memory is not None
    assert memory > 0


def test_the_roofs_cost_what_their_graphs_do(tmp_path: Path) -> None:
    for one in roofs(tmp_path):
        assert one.cost == cost_of(onnx.load(one.model))


def test_a_bundle_brings_every_engine_that_shipped_with_its_own_file(tmp_path: Path) -> None:
    engines = [
        SimpleNamespace(subset="rgb_tir", precision=precision, file=f"onnx/{precision}.onnx", macs=7, parameters=3)
        for precision in ("fp32", "int8")
    ]
    for engine in engines:
        write_graph(tmp_path / engine.file, BOTH.modalities)
    manifest = SimpleNamespace(engines=engines)
    bundle = SimpleNamespace(modalities=BOTH.modalities, manifest=manifest, path=lambda file: tmp_path / file)
    found = of_bundle(cast(Bundle, bundle))
    assert [(one.name, one.precision, one.cost, one.subset) for one in found] == [
        ("rgb_tir", "fp32", Cost(7, 3), BOTH),
        ("rgb_tir", "int8", Cost(7, 3), BOTH),
    ]
    with found[1].opened(1) as call:
        assert getattr(call(), "anomaly_map").shape == (1, 1, SIZE_PX, SIZE_PX)  # noqa: B009 - an object to the caller


def test_plans_run_once_and_no_process_measures_their_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "plans" / "rgb_tir.plan"
    model.parent.mkdir()
    model.write_text(json.dumps({"inputs": {"rgb": [1, 3, 8, 8], "tir": [1, 1, 8, 8]}}))
    runner = FakeRunner(model, BOTH, "fp16")
    asked = []

    def opened(stack: ExitStack, device: object, subsets: object, cuda: str) -> dict[Subset, FakeRunner]:
        asked.append((subsets, cuda))
        return {BOTH: stack.enter_context(runner)}

    monkeypatch.setattr(contenders, "open_plans", opened)
    engine = SimpleNamespace(subset="rgb_tir", macs=7, parameters=3)
    bundle = cast(Bundle, SimpleNamespace(subsets=(BOTH,), manifest=SimpleNamespace(engines=[engine])))
    device = cast(Device, SimpleNamespace(folder=tmp_path, entry=lambda _: SimpleNamespace(file="plans/rgb_tir.plan")))
    with ExitStack() as stack:
        plans = of_plans(stack, bundle, device, "pycuda")
        assert memory_mib(plans[0]) is None
        found = measure([ours(tmp_path, BOTH), *plans, roof(tmp_path)], (1, 2), 10, memory=lambda _: None)
    assert asked == [((BOTH,), "pycuda")]
    rows = [(row["library"], row["precision"], row["threads"]) for row in found["rows"]]
    assert rows == [("onnxruntime", "fp32", 1), ("tensorrt", "fp16", 1), ("onnxruntime", "fp32", 2)]
    assert [row["roofline_share"] is None for row in found["rows"]] == [False, True, False]


def test_a_rival_that_is_faster_or_absent_is_a_shortfall() -> None:
    rows = [{"name": name, "threads": 1, "ratio": {"p50": ratio}} for name, ratio in (("draem", 70.0), ("stpm", 0.9))]
    assert shortfalls(
        {"rows": rows, "reference": ["rgb_tir", "fp32", "onnxruntime"]}, ("draem", "stpm", "patchcore")
    ) == [
        "stpm takes 0.9 times as long as rgb_tir fp32, wanted more than 1",
        "patchcore was not measured",
    ]


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no models"):
        baselines(tmp_path, SIZE_PX)


def test_every_model_that_cannot_be_measured_is_named_at_once(tmp_path: Path) -> None:
    write_baseline(tmp_path, "good")
    write_baseline(tmp_path, "large", size_px=2 * SIZE_PX)
    write_baseline(tmp_path, "bare")
    (tmp_path / "bare.json").unlink()
    (tmp_path / "damaged.onnx").write_bytes((tmp_path / "good.onnx").read_bytes()[:-40])
    with pytest.raises(UsageError) as caught:
        baselines(tmp_path, SIZE_PX)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["bare.onnx", "damaged.onnx", "large.onnx"]
    assert "[(1, 3, 64, 64)]" in caught.value.faults[2]


def called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[object, str, str]:
    """The tool in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["bench_speed.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        bench_speed.main()
    return ended.value.code, *capsys.readouterr()


def test_the_tool_ends_with_one_message_and_2(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\xff\xfe no protobuf")
    command = [sys.executable, str(ROOT / "tools/bench_speed.py"), "--models", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--models", "absent"], "error: "),
        (["--device", "."], "error: "),
        (["."], "error: "),
        (["--rounds", "0"], "usage: "),
    ],
)
def test_every_mistake_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = called(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(said)


@pytest.mark.timeout(900)
def test_the_tool_measures_a_network_with_first_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("draem", "padim"):
        write_baseline(tmp_path / "models", name)
    out = tmp_path / "speed.json"
    options = ("--size-px", SIZE_PX, "--rounds", 3, "--threads", 1, "--out", out)
    code, printed, said = called(monkeypatch, capsys, "--models", tmp_path / "models", *options)
    found = json.loads(printed)
    assert (code, found) == (1, json.loads(out.read_text())), said
    assert "patchcore was not measured" in found["faults"]
    assert (found["weights"], found["input_px"], found["rounds"]) == ("first", SIZE_PX, 3)
    assert found["cpu"]
    engines = [(one["name"], one["precision"]) for one in found["models"] if one["kind"] == RADAR]
    assert engines == [(s, p) for s in ("rgb", "tir", "rgb_tir") for p in ("fp32", "fp16", "int8")]
    assert all(one["memory_mib"] > 0 for one in found["models"])
    cost = {(one["name"], one["precision"]): (one["gmac"], one["parameters"]) for one in found["models"]}
    assert cost["rgb", "fp32"] == cost["rgb", "int8"] < cost["rgb_tir", "int8"]
