"""The Runner on TensorRT 10.3 to 11: plans that were built on this unit. Knows no bundle and no device record.

    Session   one CUDA device, one TensorRT runtime, one scratch buffer that all engines share: one runs at a time
    Runner    a plan's execution context and its fixed buffers

    inputs --copy--> page-locked [--upload--> GPU] --execute_async_v3--> [GPU --download-->] page-locked --copy--> map

On a GPU that shares the CPU's memory the page-locked buffers are read in place (`mapped`), elsewhere they are staging.
Where the CUDA seam captures graphs, all of it is queued as one. Run on an emulation of CUDA only, not on hardware.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from radar_edge.errors import BundleError, MachineError
from radar_edge.inference.cuda import CudaDevice, DeviceBuffer, HostBuffer, open_device
from radar_edge.inference.runner import Inference, Runner, Tensor
from radar_edge.inference.trt_log import process_logger
from radar_edge.modality import Subset

OUTPUT_MAP, OUTPUT_CONTRIBUTION = "anomaly_map", "contribution"
FLOAT32 = np.dtype(np.float32)


class Session:
    """What the engines of one thread share. A context manager; its runners must be closed first."""

    def __init__(self, device: CudaDevice, trt: Any) -> None:
        self.device = device
        self.trt = trt
        self.logger = process_logger(trt)
        self.thread = threading.get_ident()
        self.runtime: Any = trt.Runtime(self.logger)
        self._scratch: DeviceBuffer | None = None
        self._runners = 0

    def opened(self) -> None:
        self._runners += 1

    def closed(self) -> None:
        self._runners -= 1

    def scratch(self, size: int) -> int:
        """Address of at least `size` bytes. A larger request moves it, so it is asked for before every run."""
        if self._scratch is None or self._scratch.size < size:
            if self._scratch is not None:
                self.device.free(self._scratch)
            self._scratch = self.device.allocate(max(size, 1))
        return self._scratch.address

    def close(self) -> None:
        """Runtime, scratch, then the device. Raises RuntimeError while a runner is open: it would outlive them."""
        if self.runtime is None:
            return
        if self._runners:
            raise RuntimeError(f"{self._runners} engines are still open")
        self.runtime = None
        if self._scratch is not None:
            self.device.free(self._scratch)
        self.device.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def open_session(cuda: str = "pycuda") -> Session:
    """For this thread. Raises MachineError without TensorRT or the CUDA package, CudaError without a GPU."""
    try:
        import tensorrt as trt
    except ImportError as error:
        raise no_tensorrt(error) from error
    if not hasattr(trt, "Runtime"):  # the empty package that the stubs alone leave behind
        raise no_tensorrt("an empty package of that name")
    device = open_device(cuda)
    try:
        return Session(device, trt)
    except BaseException:
        device.close()
        raise


def no_tensorrt(found: object) -> MachineError:
    """JetPack 6 has its own TensorRT, which PyPI does not have: pip would bring one that does not run there."""
    return MachineError(
        "TensorRT's Python module cannot be imported",
        found=found,
        next_step="on a Jetson: apt-get install python3-libnvinfer, in a virtual environment made with "
        "--system-site-packages; see `radar-edge doctor`",
    )


@dataclass(frozen=True, eq=False)
class Slot:
    """One tensor's fixed buffers; `device` is None where the GPU uses the host's in place."""

    host: HostBuffer
    device: DeviceBuffer | None

    @property
    def address(self) -> int:
        address = self.host.address if self.device is None else self.device.address
        if address is None:
            raise ValueError("a buffer without an address")
        return address


class TensorRtRunner(Runner):
    """One plan of one Subset. `mapped`: whether buffers are used in place; by default where GPU and CPU share memory.

    Raises BundleError with TensorRT's own lines if the plan cannot be loaded or is of another subset.
    """

    def __init__(
        self, plan: Path | bytes, subset: Subset, precision: str, session: Session, *, mapped: bool | None = None
    ) -> None:
        self._session: Session | None = session
        self._engine, self._name = load_plan(session, plan)
        self._context: Any = None
        self._slots: dict[str, Slot] = {}
        self._graph: Any = None
        shapes, outputs = tensors(session.trt, self._engine)
        check_tensors(self._name, subset, shapes, outputs)
        super().__init__(subset, precision, {name: shapes[name] for name in subset})
        self._outputs = outputs
        self._mapped = session.device.facts.integrated if mapped is None else mapped
        with ExitStack() as undo:
            undo.callback(self._free)
            self._prepare({**shapes, **outputs})
            undo.pop_all()
        session.opened()

    def _prepare(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        session, trt = self._session_here(), self._session_here().trt
        for name, shape in shapes.items():
            host = session.device.host(shape, FLOAT32, mapped=self._mapped)
            device = None if self._mapped else session.device.allocate(prod(shape) * FLOAT32.itemsize)
            self._slots[name] = Slot(host, device)
        context = self._engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None:
            raise self._failed("the engine's context cannot be made")
        self._context = context
        for name, slot in self._slots.items():
            if not context.set_tensor_address(name, slot.address):
                raise self._failed(f"TensorRT refuses the buffer of {name}")
        self._scratch_address = 0

    def _session_here(self) -> Session:
        """The session, in the thread that opened it. Raises ValueError once closed, RuntimeError in another thread."""
        if self._session is None:
            raise ValueError("the runner is closed")
        if threading.get_ident() != self._session.thread:
            raise RuntimeError("a TensorRT engine was used from another thread than the one that opened it")
        return self._session

    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        session = self._session_here()
        for name, array in inputs.items():
            self._slots[name].host.array[...] = array
        self._place_scratch(session)
        if self._graph is not None:
            self._graph()
        else:
            self._queue()
        session.device.synchronize()
        results = {name: self._slots[name].host.array.copy() for name in self._outputs}
        return Inference(results[OUTPUT_MAP], results.get(OUTPUT_CONTRIBUTION))

    def _place_scratch(self, session: Session) -> None:
        """The shared scratch buffer, which a larger engine may have moved: then a captured graph is void."""
        size = self._engine.device_memory_size_v2
        address = session.scratch(size)
        if address != self._scratch_address:
            self._context.set_device_memory(address, size)
            self._scratch_address, self._graph = address, None

    def _queue(self) -> None:
        session = self._session_here()
        for name in self.shapes:
            slot = self._slots[name]
            if slot.device is not None:
                session.device.upload(slot.device, slot.host)
        if not self._context.execute_async_v3(session.device.stream):
            raise self._failed("TensorRT cannot run the engine")
        for name in self._outputs:
            slot = self._slots[name]
            if slot.device is not None:
                session.device.download(slot.host, slot.device)

    def warm_up(self) -> None:
        """Runs once, and then captures the graph: TensorRT allocates what it needs in the first run."""
        super().warm_up()
        self._graph = self._session_here().device.capture(self._queue)

    def _failed(self, problem: str) -> MachineError:
        lines = [] if self._session is None else self._session.logger.lines[-10:]
        return MachineError(f"{self._name}: {problem}", faults=lines, next_step="radar-edge doctor, then finish again")

    def close(self) -> None:
        """Context and buffers, then the engine."""
        if self._session is None:
            return
        self._session_here()
        self._free()
        self._session.closed()
        self._session = None

    def _free(self) -> None:
        session = self._session_here()
        self._graph = self._context = None
        for slot in self._slots.values():
            session.device.free(slot.host)
            if slot.device is not None:
                session.device.free(slot.device)
        self._slots = {}
        self._engine = None


def load_plan(session: Session, plan: Path | bytes) -> tuple[Any, str]:
    """The engine and its name for messages."""
    name = "the plan" if isinstance(plan, bytes) else str(plan)
    session.logger.lines.clear()
    try:
        data = plan if isinstance(plan, bytes) else plan.read_bytes()
    except OSError as error:
        raise BundleError(f"{name} is not a plan that TensorRT can load", found=error.strerror) from error
    engine = session.runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise BundleError(
            f"{name} is not a plan that TensorRT can load here",
            faults=session.logger.lines[:10],
            next_step="build the plans again on this unit with `radar-edge finish`",
        )
    return engine, name


def tensors(trt: Any, engine: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes of inputs and outputs. Raises BundleError for one that is not float32."""
    found: dict[Any, dict[str, tuple[int, ...]]] = {trt.TensorIOMode.INPUT: {}, trt.TensorIOMode.OUTPUT: {}}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
            raise BundleError(f"the plan's tensor {name} is {engine.get_tensor_dtype(name)}", wanted="FLOAT")
        shape = engine.get_tensor_shape(name)  # a Dims, which is no iterable by its stubs
        found[engine.get_tensor_mode(name)][name] = tuple(int(shape[axis]) for axis in range(len(shape)))
    return found[trt.TensorIOMode.INPUT], found[trt.TensorIOMode.OUTPUT]


def check_tensors(
    name: str, subset: Subset, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]
) -> None:
    """Raises BundleError unless they are those of an engine of `subset` with fixed shapes."""
    wanted = {OUTPUT_MAP} if len(subset) == 1 else {OUTPUT_MAP, OUTPUT_CONTRIBUTION}
    if set(inputs) != set(subset) or not wanted <= set(outputs):
        raise BundleError(
            f"{name} is no engine for the subset {subset}",
            found=f"inputs {sorted(inputs)}, outputs {sorted(outputs)}",
            wanted=f"inputs {sorted(subset)}, outputs {sorted(wanted)}",
        )
    moving = [tensor for tensor, shape in {**inputs, **outputs}.items() if any(side < 1 for side in shape)]
    if moving:
        raise BundleError(f"{name} has tensors without a fixed shape", found=", ".join(moving))
