"""The CUDA seam on pycuda. Never imports pycuda.autoinit, which makes a context of its own. It has no CUDA graphs."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from radar_edge.errors import MissingPackageError
from radar_edge.inference.cuda import CudaDevice, CudaError, DeviceBuffer, GpuFacts, HostBuffer

MIB = 1 << 20


class PycudaDevice(CudaDevice):
    """The first GPU."""

    def __init__(self) -> None:
        try:
            import pycuda.driver as cuda
        except ModuleNotFoundError as error:
            raise MissingPackageError("pycuda", "trt", "the tensorrt engine") from error
        except ImportError as error:
            raise no_driver(error) from error
        self._cuda = cuda
        self._context: Any = None
        with self._told("CUDA does not start"):
            cuda.init()
            device = cuda.Device(0)
            self._context = device.retain_primary_context()
            self._context.push()
            self._stream = cuda.Stream()
            free, total = cuda.mem_get_info()
            self.facts = GpuFacts(
                device.name(),
                "{}.{}".format(*device.compute_capability()),
                bool(device.get_attribute(cuda.device_attribute.INTEGRATED)),
                total // MIB,
                free // MIB,
            )
        self.stream: int = self._stream.handle

    @contextmanager
    def _told(self, problem: str) -> Iterator[None]:
        try:
            yield
        except self._cuda.Error as error:
            raise CudaError(problem, found=str(error), next_step="see what `radar-edge doctor` says") from error

    def host(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, mapped: bool) -> HostBuffer:
        flags = self._cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        with self._told(f"no page-locked memory for {list(shape)}"):
            array = self._cuda.pagelocked_zeros(shape, dtype, mem_flags=flags)
            address = int(array.base.get_device_pointer()) if mapped else None
        return HostBuffer(array, address, array.base)

    def allocate(self, size: int) -> DeviceBuffer:
        with self._told(f"no GPU memory for {size} bytes"):
            allocation = self._cuda.mem_alloc(size)
        return DeviceBuffer(int(allocation), size, allocation)

    def free(self, buffer: HostBuffer | DeviceBuffer) -> None:
        with self._told("memory cannot be freed"):
            buffer.owner.free()

    def upload(self, target: DeviceBuffer, source: HostBuffer) -> None:
        with self._told("a copy to the GPU failed"):
            self._cuda.memcpy_htod_async(target.address, source.array, self._stream)

    def download(self, target: HostBuffer, source: DeviceBuffer) -> None:
        with self._told("a copy from the GPU failed"):
            self._cuda.memcpy_dtoh_async(target.array, source.address, self._stream)

    def synchronize(self) -> None:
        with self._told("the GPU failed"):
            self._stream.synchronize()

    def close(self) -> None:
        if self._context is None:
            return
        context, self._context, self._stream = self._context, None, None
        with self._told("the context cannot be given back"):
            context.detach()
        # pycuda takes it that this pops the context too, which is so for all but the primary one.
        ctypes.CDLL("libcuda.so.1").cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


def no_driver(error: Exception) -> CudaError:
    return CudaError(
        "there is no CUDA driver here",
        found=str(error),
        wanted="libcuda.so.1, which comes with JetPack or the GPU's driver",
        next_step="run this on the unit, or use engine: onnxruntime",
    )
