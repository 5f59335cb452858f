"""`radar-edge finish` and a line on its plans, on the emulated GPU and the double of TensorRT."""

from __future__ import annotations

import ctypes
import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorrt as trt
import typer
from finish_bundle import PARTS, good_parts, write_bundle
from typer.testing import CliRunner, Result

from radar_edge.bundle import open_bundle
from radar_edge.bundle.device_record import DeviceRecord, open_device
from radar_edge.cli import finish
from radar_edge.config import LineConfig, validate
from radar_edge.device import finish as finishing
from radar_edge.errors import BundleError, MachineError, ShortfallError, UsageError
from radar_edge.inference.plans import l4t_release, open_plans
from radar_edge.modality import all_subsets
from radar_edge.runtime.compose import calibrations, open_engines
from radar_edge.simulation.bright import MODALITIES
from radar_edge.simulation.example_line import line_document

app = typer.Typer()
finish.register(app)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with keys, a bundle and its plans, which tests copy."""
    folder = tmp_path_factory.mktemp("finish")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADAR_EDGE_HOME", str(folder / "home"))
        patch.setenv("EMU_GPU", "Orin (nvgpu)")
        write_bundle(folder / "bundle", folder / "home" / "keys")
        made(call(folder))
    return folder


@pytest.fixture
def place(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: ctypes.CDLL) -> Path:
    """Before the plans are built."""
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EMU_GPU", "Orin (nvgpu)")
    for name in ("home", "bundle"):
        shutil.copytree(made_once / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def finished(made_once: Path, place: Path) -> Path:
    """With the plans."""
    shutil.copytree(made_once / "device", place / "device")
    return place


def call(place: Path, *more: str) -> Result:
    arguments = [str(place / "bundle"), "--out", str(place / "device"), "--target", "orin-nano-8gb", "--json"]
    return CliRunner().invoke(app, [*arguments, *more])


def made(result: Result) -> tuple[bool, DeviceRecord]:
    assert result.exit_code == 0, (result.output, result.exception)
    document = json.loads(result.stdout.splitlines()[-1])
    return document["built"], DeviceRecord.model_validate(document["record"])


@pytest.mark.parametrize("cuda_name", ["pycuda", "cuda-python"])
def test_every_subset_gets_a_tested_plan_with_its_own_threshold(place: Path, cuda_name: str) -> None:
    built, record = made(call(place, "--cuda", cuda_name))
    assert built
    assert {(plan.subset, plan.precision) for plan in record.plans} == {
        ("rgb", "int8"), ("tir", "int8"), ("rgb_tir", "int8"),
    }  # fmt: skip
    assert (record.gpu, record.compute_capability, record.tensorrt, record.target) == (
        "Orin (nvgpu)", "8.7", "10.3.0", "orin-nano-8gb",
    )  # fmt: skip
    for plan in record.plans:
        assert (plan.recalibrated, plan.parts, plan.flipped, plan.instead_of) == (True, PARTS, 0, ())
        assert plan.score_gap < 1e-3
        assert plan.calibration.groups == PARTS
        assert min(plan.mapped_ms, plan.staged_ms) > 0
    assert (place / "device/timing.cache").read_bytes() == b"EMUCACHE"


def test_plans_that_fit_are_left_alone(finished: Path) -> None:
    before = (finished / "device/device.json").read_bytes()
    built, _ = made(call(finished, "--if-needed"))
    assert not built
    assert (finished / "device/device.json").read_bytes() == before


@pytest.mark.parametrize("what", ["tensorrt", "gpu", "bundle"])
def test_what_changed_is_noticed_and_the_plans_are_built_again(
    finished: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "tensorrt":
        monkeypatch.setattr(trt, "__version__", "10.16.2")
    elif what == "gpu":
        monkeypatch.setenv("EMU_GPU", "Thor (nvgpu)")
    else:
        (finished / "home/keys/signing.key").unlink()
        (finished / "bundle").rename(finished / "former")
        write_bundle(finished / "bundle", finished / "home" / "keys", off=1e-4)
    built, _ = made(call(finished, "--if-needed"))
    assert built


def test_a_plan_that_does_not_judge_as_its_makers_engine_falls_back_with_the_reason(
    place: Path, tmp_path: Path
) -> None:
    (place / "home/keys/signing.key").unlink()
    (place / "bundle").rename(place / "former")
    write_bundle(place / "bundle", place / "home" / "keys", off=0.5)
    _, record = made(call(place))
    assert {plan.precision for plan in record.plans} == {"fp16"}
    assert all("does not judge" in plan.instead_of[0] for plan in record.plans)


def test_int8_that_did_not_take_falls_back(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMU_INT8_LAYERS", "0")
    _, record = made(call(place))
    assert {plan.precision for plan in record.plans} == {"fp16"}
    assert all("INT8" in plan.instead_of[0] for plan in record.plans)


def test_without_any_plan_that_passes_nothing_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ShortfallError("it judges otherwise")

    monkeypatch.setattr(finishing, "check_test", refuse)
    error = call(place).exception
    assert isinstance(error, ShortfallError)
    assert len(error.faults) == 3
    assert not (place / "device").exists()


def test_too_little_memory_is_said_before_anything_is_built(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radar_edge.device import unit

    monkeypatch.setattr(unit, "available_mib", lambda: 900)
    error = call(place).exception
    assert isinstance(error, MachineError)
    assert "900 MiB free" in str(error)


def test_another_board_than_was_said_is_refused(place: Path) -> None:
    error = call(place, "--target", "thor-t5000").exception
    assert isinstance(error, MachineError)
    assert "not that of a thor-t5000" in str(error)


def test_an_unknown_precision_is_refused(place: Path) -> None:
    assert isinstance(call(place, "--precision", "int4").exception, UsageError)


# --- the line on these plans


def config(place: Path) -> LineConfig:
    document = line_document("unused")
    document |= {"engine": "tensorrt", "device": str(place / "device"), "bundle": str(place / "bundle")}
    return validate(LineConfig, document, "test")


def test_the_line_judges_with_the_plans(finished: Path) -> None:
    bundle = open_bundle(finished / "bundle")
    device = open_device(finished / "device", bundle.sha256)
    subsets = all_subsets(MODALITIES)
    found = calibrations(config(finished), bundle, device, subsets)
    assert {subset.slug: c for subset, c in found.items()} == {p.subset: p.calibration for p in device.record.plans}
    goods = good_parts()
    with ExitStack() as stack:
        engines = open_engines(stack, config(finished), bundle, subsets, device)
        for subset, engine in engines.items():
            engine.warm_up()
            found_map = engine.infer({name: goods[name][:1] for name in subset}).anomaly_map
            wanted = np.mean([goods[name][:1].mean(axis=1, keepdims=True) for name in subset], axis=0)
            np.testing.assert_allclose(found_map, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"), [("tensorrt", "tensorrt was 10.3.0, and is 10.16.2"), ("gpu", "gpu was Orin")]
)
def test_plans_for_another_unit_are_refused_before_they_are_loaded(
    finished: Path, monkeypatch: pytest.MonkeyPatch, change: str, words: str
) -> None:
    device = open_device(finished / "device", open_bundle(finished / "bundle").sha256)
    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", lambda *_: pytest.fail("it was loaded"))
    if change == "tensorrt":
        monkeypatch.setattr(trt, "__version__", "10.16.2")
    else:
        monkeypatch.setenv("EMU_GPU", "Thor")
    with ExitStack() as stack, pytest.raises(BundleError, match="not for this unit") as caught:
        open_plans(stack, device, all_subsets(MODALITIES), "pycuda")
    assert words in str(caught.value)
    assert "radar-edge finish" in str(caught.value)


def test_another_jetpack_is_noticed(finished: Path, tmp_path: Path) -> None:
    device = open_device(finished / "device", open_bundle(finished / "bundle").sha256)
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n")
    assert l4t_release(tmp_path / "root") == "36.4.3"
    with ExitStack() as stack, pytest.raises(BundleError, match=r"l4t was None, and is 36\.4\.3"):
        open_plans(stack, device, all_subsets(MODALITIES), "pycuda", root=tmp_path / "root")


@pytest.mark.parametrize("file", ["device.json", "device.sig", "plans/rgb.plan"])
def test_a_changed_byte_is_refused(finished: Path, file: str) -> None:
    path = finished / "device" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError):
        open_device(finished / "device", open_bundle(finished / "bundle").sha256)


def test_plans_of_another_bundle_or_unit_are_refused(finished: Path) -> None:
    with pytest.raises(BundleError, match="another bundle"):
        open_device(finished / "device", "f" * 64)
    trusted: dict[str, Any] = {}
    with pytest.raises(BundleError, match="another unit"):
        open_device(finished / "device", open_bundle(finished / "bundle").sha256, trusted)
