"""The CUDA seam: memory and one stream of one GPU. Knows no engine; imports no CUDA by itself.

A device belongs to the thread that opened it: the current context is a thread's own, and what another thread does with
it fails far from the mistake. It uses the primary context, which TensorRT and others in the process share. Everything
queued runs in order; nothing of it is to be read before `synchronize`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from radar_edge.errors import MachineError, UsageError

BACKENDS = {
    "pycuda": ("radar_edge.inference.pycuda_device", "PycudaDevice"),
    "cuda-python": ("radar_edge.inference.cuda_python_device", "CudaPythonDevice"),
}


class CudaError(MachineError):
    """CUDA refused something: no GPU, no memory, another driver."""


@dataclass(frozen=True)
class GpuFacts:
    """What a plan depends on, and what decides how memory is used. `integrated`: it shares the CPU's memory."""

    name: str
    compute_capability: str
    integrated: bool
    total_mib: int
    free_mib: int


@dataclass(frozen=True, eq=False)
class HostBuffer:
    """Page-locked memory. `address`: under which the GPU reads it in place, where it can."""

    array: npt.NDArray[Any]
    address: int | None
    owner: Any


@dataclass(frozen=True, eq=False)
class DeviceBuffer:
    """Memory of the GPU."""

    address: int
    size: int
    owner: Any


class CudaDevice(ABC):
    """One GPU and one stream. Raises CudaError."""

    facts: GpuFacts
    stream: int
    """The stream's handle."""

    @abstractmethod
    def host(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, mapped: bool) -> HostBuffer:
        """Page-locked memory of zeros; `mapped`: the GPU is to read it in place."""

    @abstractmethod
    def allocate(self, size: int) -> DeviceBuffer: ...

    @abstractmethod
    def free(self, buffer: HostBuffer | DeviceBuffer) -> None:
        """Nothing that was queued may still use it."""

    @abstractmethod
    def upload(self, target: DeviceBuffer, source: HostBuffer) -> None:
        """Queue a copy of all of `source`."""

    @abstractmethod
    def download(self, target: HostBuffer, source: DeviceBuffer) -> None:
        """Queue a copy that fills all of `target`."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait for everything queued."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None] | None:  # noqa: ARG002
        """What `work` queues as one graph, to be queued by calling the result; None where there are no graphs."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Give the context back. All buffers must be freed, and all that TensorRT made be gone. May be called twice."""

    def __enter__(self) -> CudaDevice:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def open_device(backend: str = "pycuda") -> CudaDevice:
    """The first GPU. Raises UsageError for an unknown name, MissingPackageError without its package, CudaError
    without a GPU."""
    if backend not in BACKENDS:
        raise UsageError("unknown CUDA back end", found=backend, wanted=", ".join(BACKENDS))
    module, name = BACKENDS[backend]
    device: CudaDevice = getattr(import_module(module), name)()
    return device
