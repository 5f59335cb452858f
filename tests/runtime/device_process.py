"""Work on a camera's back end in a process of its own, which may load what the tests' own process must not."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from radar_edge.config import Camera
from radar_edge.errors import MachineError
from radar_edge.runtime.capture import introspection
from radar_edge.runtime.capture.backend import open_backend

T = TypeVar("T")


class Grabbed(NamedTuple):
    """What a back end gave, without its samples. `age_ns`: from its own stamp to the grab's end."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    stamp_ns: int | None
    age_ns: int
    device_ns: int | None


def grab(camera: Camera, n: int) -> list[Grabbed]:
    """The whole frames among `n` grabs."""
    backend, found = open_backend(camera), []
    for _ in range(n):
        image = backend.grab(0)
        if image is not None:
            stamp = backend.stamp_ns
            age = time.monotonic_ns() - (stamp or 0)
            found.append(Grabbed(image.dtype, image.shape, stamp, age, backend.device_ns))
    return found


def has(namespace: str, version: str) -> bool:
    try:
        introspection.load(namespace, version, "")
    except MachineError:
        return False
    return True


def load(namespace: str, version: str, package: str) -> None:
    introspection.load(namespace, version, package)


def apart(work: Callable[..., T], *arguments: object) -> T:
    """What `work`, a function of this module, returns or raises in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result(60)
