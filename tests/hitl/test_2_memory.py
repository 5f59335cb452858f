"""2: copies through page-locked memory, in place and staged, are what was written."""

from __future__ import annotations

import numpy as np

from radar_edge.inference.cuda import open_device


def test_a_copy_to_the_gpu_and_back() -> None:
    with open_device() as device:
        host = device.host((1 << 20,), np.dtype(np.float32), mapped=False)
        memory = device.allocate(host.array.nbytes)
        wanted = np.random.default_rng(0).standard_normal(1 << 20).astype(np.float32)
        host.array[...] = wanted
        device.upload(memory, host)
        device.synchronize()
        host.array[...] = 0
        device.download(host, memory)
        device.synchronize()
        same = np.array_equal(host.array, wanted)
        device.free(memory)
        device.free(host)
    assert same


def test_memory_that_is_used_in_place_has_an_address() -> None:
    with open_device() as device:
        host = device.host((16,), np.dtype(np.float32), mapped=True)
        address = host.address
        device.free(host)
    assert address
