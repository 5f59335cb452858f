"""The CUDA seam on cuda-python (cuda.bindings.driver). Unlike pycuda it can capture graphs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from radar_edge.errors import MissingPackageError
from radar_edge.inference.cuda import CudaDevice, CudaError, DeviceBuffer, GpuFacts, HostBuffer

MIB = 1 << 20
NAME_BYTES = 256


def load() -> Any:
    """The driver's bindings, under their new or their old name."""
    for package, name in (("cuda.bindings", "cuda.bindings.driver"), ("cuda", "cuda.cuda")):
        with suppress(ModuleNotFoundError):
            if find_spec(package) is not None:
                return import_module(name)
    raise MissingPackageError("cuda-python", "cuda-python", "the tensorrt engine")


class CudaPythonDevice(CudaDevice):
    """The first GPU."""

    def __init__(self) -> None:
        self._driver = driver = load()
        self._context: Any = None
        try:
            self._call(driver.cuInit, 0)
        except RuntimeError as error:  # the bindings' own, where there is no library
            raise CudaError("CUDA does not start", found=str(error), next_step="run this on the unit") from error
        self._device = self._call(driver.cuDeviceGet, 0)
        self._context = self._call(driver.cuDevicePrimaryCtxRetain, self._device)
        self._call(driver.cuCtxPushCurrent, self._context)
        self._stream = self._call(driver.cuStreamCreate, 0)
        self.stream: int = int(self._stream)
        self._graphs: list[tuple[Any, Any]] = []
        self.facts = self._facts()

    def _facts(self) -> GpuFacts:
        driver, attribute = self._driver, self._driver.CUdevice_attribute

        def of(name: str) -> int:
            return int(self._call(driver.cuDeviceGetAttribute, getattr(attribute, name), self._device))

        free, total = self._call(driver.cuMemGetInfo)
        major, minor = (of(f"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_{part}") for part in ("MAJOR", "MINOR"))
        name = self._call(driver.cuDeviceGetName, NAME_BYTES, self._device).split(b"\0")[0].decode()
        integrated = bool(of("CU_DEVICE_ATTRIBUTE_INTEGRATED"))
        return GpuFacts(name, f"{major}.{minor}", integrated, total // MIB, free // MIB)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function's result without its status. Raises CudaError."""
        status, *values = function(*arguments)
        if int(status) != 0:
            _, text = self._driver.cuGetErrorString(status)
            words = text.decode(errors="replace") if text else "no words for it"
            raise CudaError(f"{function.__name__} failed", found=f"{status.name}: {words}")
        return values[0] if len(values) == 1 else tuple(values)

    def host(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, mapped: bool) -> HostBuffer:
        driver = self._driver
        size = int(np.prod(shape)) * dtype.itemsize
        pointer = int(self._call(driver.cuMemHostAlloc, size, driver.CU_MEMHOSTALLOC_DEVICEMAP if mapped else 0))
        memory = (ctypes.c_uint8 * size).from_address(pointer)
        array = np.frombuffer(memoryview(memory), dtype).reshape(shape)
        array[...] = 0
        address = int(self._call(driver.cuMemHostGetDevicePointer, pointer, 0)) if mapped else None
        return HostBuffer(array, address, pointer)

    def allocate(self, size: int) -> DeviceBuffer:
        address = int(self._call(self._driver.cuMemAlloc, size))
        return DeviceBuffer(address, size, address)

    def free(self, buffer: HostBuffer | DeviceBuffer) -> None:
        free = self._driver.cuMemFreeHost if isinstance(buffer, HostBuffer) else self._driver.cuMemFree
        self._call(free, buffer.owner)

    def upload(self, target: DeviceBuffer, source: HostBuffer) -> None:
        self._call(self._driver.cuMemcpyHtoDAsync, target.address, source.owner, source.array.nbytes, self._stream)

    def download(self, target: HostBuffer, source: DeviceBuffer) -> None:
        self._call(self._driver.cuMemcpyDtoHAsync, target.owner, source.address, target.array.nbytes, self._stream)

    def synchronize(self) -> None:
        self._call(self._driver.cuStreamSynchronize, self._stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None] | None:
        driver = self._driver
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call(driver.cuStreamBeginCapture, self._stream, mode)
        work()
        graph = self._call(driver.cuStreamEndCapture, self._stream)
        runnable = self._call(driver.cuGraphInstantiate, graph, 0)
        self._graphs.append((graph, runnable))
        return lambda: self._call(driver.cuGraphLaunch, runnable, self._stream)

    def close(self) -> None:
        if self._context is None:
            return
        driver = self._driver
        self._context = None
        for graph, runnable in self._graphs:
            self._call(driver.cuGraphExecDestroy, runnable)
            self._call(driver.cuGraphDestroy, graph)
        self._call(driver.cuStreamDestroy, self._stream)
        self._call(driver.cuCtxPopCurrent)
        self._call(driver.cuDevicePrimaryCtxRelease, self._device)
