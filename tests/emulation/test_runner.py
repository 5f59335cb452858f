"""The TensorRT Runner on the emulated GPU: the Runner contract, and each misuse that the emulation must catch."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tensorrt as trt
from conftest import LIBRARY
from contract_runner import BOTH, RGB, RunnerContract, inputs
from toy_engine import mean_engine

from radar_edge.errors import BundleError, MachineError
from radar_edge.inference import tensorrt_runner
from radar_edge.inference.cuda import CudaDevice, CudaError, open_device
from radar_edge.inference.onnxruntime_runner import open_session as open_ort
from radar_edge.inference.runner import Runner
from radar_edge.inference.tensorrt_runner import Session, TensorRtRunner, open_session
from radar_edge.modality import Subset

BACKENDS = ["pycuda", "cuda-python"]
WAYS = [(backend, mapped) for backend in BACKENDS for mapped in (True, False)]


class Owned(TensorRtRunner):
    """Closes its session too."""

    def close(self) -> None:
        session = self._session
        super().close()
        if session is not None:
            session.close()


class Contract(RunnerContract):
    backend: str
    mapped: bool

    @pytest.fixture(autouse=True)
    def _watched(self, cuda: ctypes.CDLL) -> None:
        """Every test leaves the GPU as it found it."""

    def write(self, folder: Path, subset: Subset) -> Path:
        path = folder / f"{subset}.plan"
        path.write_bytes(trt.make_plan(mean_engine(subset).SerializeToString()))
        return path

    def open(self, model: Path, subset: Subset) -> Runner:
        session = open_session(self.backend)
        try:
            return Owned(model, subset, "fp32", session, mapped=self.mapped)
        except BaseException:
            session.close()
            raise


class TestPycudaMapped(Contract):
    backend, mapped = "pycuda", True


class TestPycudaStaged(Contract):
    backend, mapped = "pycuda", False


class TestCudaPythonMapped(Contract):
    backend, mapped = "cuda-python", True


class TestCudaPythonStaged(Contract):
    backend, mapped = "cuda-python", False


def plan(subset: Subset = BOTH) -> bytes:
    found: bytes = trt.make_plan(mean_engine(subset).SerializeToString())
    return found


@pytest.mark.parametrize(("backend", "mapped"), WAYS)
def test_it_says_what_onnx_runtime_says(cuda: ctypes.CDLL, backend: str, mapped: bool) -> None:
    with open_session(backend) as session, TensorRtRunner(plan(), BOTH, "fp32", session, mapped=mapped) as runner:
        runner.warm_up()
        for seed in range(3):
            given = inputs(BOTH, seed)
            found = runner.infer(given)
            (wanted,) = open_ort(mean_engine(BOTH).SerializeToString()).run(["anomaly_map"], given)
            assert np.array_equal(found.anomaly_map, wanted)


@pytest.mark.parametrize(("backend", "mapped"), WAYS)
def test_three_engines_share_one_scratch_buffer(cuda: ctypes.CDLL, backend: str, mapped: bool) -> None:
    subsets = [RGB, BOTH, Subset(("tir",))]
    with open_session(backend) as session:
        runners = [TensorRtRunner(plan(subset), subset, "fp32", session, mapped=mapped) for subset in subsets]
        for runner in runners:
            runner.warm_up()
        before = cuda.emu_live()
        for seed in range(4):
            for subset, runner in zip(subsets, runners, strict=True):
                given = inputs(subset, seed)
                wanted = np.concatenate(list(given.values()), axis=1).mean(axis=1, keepdims=True)
                np.testing.assert_allclose(runner.infer(given).anomaly_map, wanted, atol=1e-6)
        assert cuda.emu_live() == before  # nothing is allocated once all is warm
        for runner in runners:
            runner.close()


def test_a_graph_is_captured_where_the_seam_has_graphs(cuda: ctypes.CDLL) -> None:
    for backend, graphs in (("pycuda", False), ("cuda-python", True)):
        with open_session(backend) as session, TensorRtRunner(plan(), BOTH, "fp32", session) as runner:
            runner.warm_up()
            assert (runner._graph is not None) is graphs


def test_facts_of_the_gpu(cuda: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMU_INTEGRATED", "0")
    monkeypatch.setenv("EMU_GPU", "Orin (nvgpu)")
    for backend in BACKENDS:
        with open_device(backend) as device:
            facts = device.facts
        assert (facts.name, facts.compute_capability, facts.integrated) == ("Orin (nvgpu)", "8.7", False)
        assert (facts.free_mib, facts.total_mib) == (6000, 8192)


@pytest.mark.parametrize("integrated", [True, False])
def test_memory_is_used_in_place_where_cpu_and_gpu_share_it(
    cuda: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, integrated: bool
) -> None:
    monkeypatch.setenv("EMU_INTEGRATED", str(int(integrated)))
    with open_session() as session, TensorRtRunner(plan(), BOTH, "fp32", session) as runner:
        assert all((slot.device is None) is integrated for slot in runner._slots.values())


# --- plans that are not for here


def test_another_tensorrt_is_told_in_its_own_words(cuda: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan()
    monkeypatch.setattr(trt, "__version__", "10.16.2")
    with open_session() as session, pytest.raises(BundleError, match=r"expecting library version 10\.16\.2") as caught:
        TensorRtRunner(made, BOTH, "fp32", session)
    assert "radar-edge finish" in str(caught.value)


def test_a_plan_of_another_gpu_is_refused(cuda: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan()
    monkeypatch.setenv("EMU_GPU", "Thor")
    with open_session() as session, pytest.raises(BundleError, match="incompatible device"):
        TensorRtRunner(made, BOTH, "fp32", session)


@pytest.mark.parametrize("kind", [onnx.TensorProto.FLOAT16])
def test_tensors_that_are_not_float32_are_refused(cuda: ctypes.CDLL, kind: int) -> None:
    model = mean_engine(RGB)
    model.graph.output[0].type.tensor_type.elem_type = kind
    model.graph.node[-1].output[0] = "wide"
    model.graph.node.append(onnx.helper.make_node("Cast", ["wide"], ["anomaly_map"], to=kind))
    with open_session() as session, pytest.raises(BundleError, match="HALF"):
        TensorRtRunner(trt.make_plan(model.SerializeToString()), RGB, "fp32", session)


# --- misuse: what the runner prevents, done all the same, must show


def run_once(session: Session, **changes: Any) -> np.ndarray:
    with TensorRtRunner(plan(), BOTH, "fp32", session, mapped=changes.pop("mapped", False)) as runner:
        for name, change in changes.items():
            setattr(runner, name, change)
        return runner.infer(inputs(BOTH)).anomaly_map


def wanted() -> np.ndarray:
    return np.concatenate(list(inputs(BOTH).values()), axis=1).mean(axis=1, keepdims=True)


def apart(test: Callable[..., None]) -> Callable[..., None]:
    """The test in a forked process: what it leaves undone is gone with it."""

    @wraps(test)
    def forked(**arguments: Any) -> None:
        read_fd, write_fd = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                test(**arguments)
            except BaseException:  # noqa: BLE001 - told to the parent
                os.write(write_fd, traceback.format_exc()[-60000:].encode())
            finally:
                os._exit(0)
        os.close(write_fd)
        with os.fdopen(read_fd) as pipe:
            failure = pipe.read()
        os.waitpid(pid, 0)
        assert not failure, failure

    return forked


@pytest.fixture
def misused() -> ctypes.CDLL:
    """The emulated driver, of which a fault is expected."""
    LIBRARY.emu_reset()
    return LIBRARY


@pytest.mark.parametrize(("backend", "mapped"), WAYS)
@apart
def test_a_result_that_is_read_before_the_stream_was_synchronised(
    misused: ctypes.CDLL, backend: str, mapped: bool
) -> None:
    session = open_session(backend)
    real = session.device.synchronize
    session.device.synchronize = lambda: None  # type: ignore[method-assign]
    found = run_once(session, mapped=mapped)
    assert not np.allclose(found, wanted(), atol=1e-3, equal_nan=False)
    session.device.synchronize = real  # type: ignore[method-assign]


@pytest.mark.parametrize("backend", BACKENDS)
@apart
def test_memory_that_is_used_after_it_was_freed(misused: ctypes.CDLL, backend: str) -> None:
    session = open_session(backend)
    runner = TensorRtRunner(plan(), BOTH, "fp32", session, mapped=False)
    session.device.free(runner._slots["anomaly_map"].device)  # type: ignore[arg-type]
    with pytest.raises((CudaError, MachineError)):
        runner.infer(inputs(BOTH))
    assert misused.emu_faults()


@pytest.mark.parametrize("backend", BACKENDS)
@apart
def test_memory_that_is_freed_while_work_is_queued(misused: ctypes.CDLL, backend: str) -> None:
    session = open_session(backend)
    runner = TensorRtRunner(plan(), BOTH, "fp32", session, mapped=False)
    runner._place_scratch(session)
    runner._queue()
    session.device.free(runner._slots["rgb"].host)
    with pytest.raises(CudaError):
        session.device.synchronize()
    assert b"freed meanwhile" in misused.emu_last_fault()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(1, 3, 8, 9), (1, 3, 8, 4)], ids=["too much", "too little"])
@apart
def test_a_copy_of_the_wrong_size(misused: ctypes.CDLL, backend: str, shape: tuple[int, ...]) -> None:
    session = open_session(backend)
    runner = TensorRtRunner(plan(RGB), RGB, "fp32", session, mapped=False)
    other = session.device.host(shape, np.dtype(np.float32), mapped=False)
    real = session.device.upload
    session.device.upload = lambda target, _source: real(target, other)  # type: ignore[method-assign]
    given = inputs(RGB)
    try:
        found = runner.infer(given).anomaly_map
    except CudaError:
        assert b"beyond" in misused.emu_last_fault()
    else:
        assert not np.allclose(found, given["rgb"].mean(axis=1, keepdims=True), atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_thread(cuda: ctypes.CDLL, backend: str) -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            runner.infer(inputs(BOTH))
        except RuntimeError as error:
            caught.append(error)

    with open_session(backend) as session, TensorRtRunner(plan(), BOTH, "fp32", session) as runner:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert "another thread" in str(caught[0])


@pytest.mark.parametrize("backend", BACKENDS)
@apart
def test_a_second_thread_without_the_runners_own_check(
    misused: ctypes.CDLL, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[BaseException] = []
    session = open_session(backend)
    runner = TensorRtRunner(plan(), BOTH, "fp32", session, mapped=False)
    monkeypatch.setattr(runner, "_session_here", lambda: session)

    def work() -> None:
        try:
            runner.infer(inputs(BOTH))
        except (CudaError, MachineError) as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught
    assert b"current context" in misused.emu_last_fault()


@pytest.mark.parametrize("backend", BACKENDS)
@apart
def test_a_leak(misused: ctypes.CDLL, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session(backend)
    monkeypatch.setattr(session.device, "free", lambda buffer: kept.append(buffer))
    kept: list[Any] = []
    runner = TensorRtRunner(plan(), BOTH, "fp32", session)
    runner.close()
    session.close()
    assert misused.emu_live() == len(kept) > 0


def test_a_session_does_not_close_under_its_engines(cuda: ctypes.CDLL) -> None:
    with (
        open_session() as session,
        TensorRtRunner(plan(), BOTH, "fp32", session),
        pytest.raises(RuntimeError, match="still open"),
    ):
        session.close()


@apart
def test_an_engine_that_outlives_the_context(misused: ctypes.CDLL) -> None:
    session = open_session()
    runner = TensorRtRunner(plan(), BOTH, "fp32", session)
    session._runners = 0
    session.close()
    runner._context = None
    gc.collect()
    assert b"outlived" in misused.emu_last_fault()


def test_without_a_gpu_nothing_is_left_half_open(cuda: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MachineError("no runtime")

    monkeypatch.setattr(tensorrt_runner, "process_logger", refuse)
    with pytest.raises(MachineError, match="no runtime"):
        open_session()


def test_the_seam_is_the_same_for_both(cuda: ctypes.CDLL) -> None:
    for backend in BACKENDS:
        with open_device(backend) as device:
            assert isinstance(device, CudaDevice)
            host = device.host((4,), np.dtype(np.float32), mapped=False)
            assert host.array.tolist() == [0, 0, 0, 0]
            memory = device.allocate(16)
            host.array[...] = [1, 2, 3, 4]
            device.upload(memory, host)
            device.synchronize()
            host.array[...] = 0
            device.download(host, memory)
            device.synchronize()
            assert host.array.tolist() == [1, 2, 3, 4]
            device.free(memory)
            device.free(host)
