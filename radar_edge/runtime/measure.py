"""How long the engines and the preprocessing of a line take on this machine. Knows no camera and no PLC."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from radar_edge.bundle import open_bundle
from radar_edge.clock import NS_PER_MS, MonotonicClock
from radar_edge.config import LineConfig, SyntheticCamera
from radar_edge.preprocess import ModalityPreprocess
from radar_edge.records import Image
from radar_edge.runtime.compose import product_of


def measure(config: LineConfig, rounds: int, *, allow_unsigned: bool = False) -> tuple[float, float]:
    """The p99 of preprocessing and of the slowest engine of any product, each in ms, over `rounds` after the warm-up.

    Raw images have a synthetic camera's size, else the model's: replayed files tell nothing of a real sensor.
    Raises BundleError, ConfigError, MachineError.
    """
    each = [_measure(one, rounds, allow_unsigned) for one in config.by_product().values()]
    preprocess_ms, engine_ms = (max(times) for times in zip(*each, strict=True))
    return preprocess_ms, engine_ms


def _measure(config: LineConfig, rounds: int, allow_unsigned: bool) -> tuple[float, float]:
    clock = MonotonicClock()
    bundle = open_bundle(config.bundle, allow_unsigned=allow_unsigned)
    product = product_of(config, bundle)
    preprocess = product.preprocess
    images = {name: sample(config, name, preprocess.modalities[name]) for name in bundle.modalities}
    before, within = [], []
    with ExitStack() as stack:
        engines = product.open_engines(stack)
        for subset, engine in engines.items():
            engine.warm_up()
            for _ in range(rounds):
                began_ns = clock.now_ns()
                inputs = preprocess({name: images[name] for name in subset})
                ready_ns = clock.now_ns()
                engine.infer(inputs)
                before.append(ready_ns - began_ns)
                within.append((subset, clock.now_ns() - ready_ns))
    slowest = max(np.percentile([ns for of, ns in within if of == subset], 99) for subset in engines)
    return float(np.percentile(before, 99)) / NS_PER_MS, float(slowest) / NS_PER_MS


def sample(config: LineConfig, modality: str, spec: ModalityPreprocess) -> Image:
    """Noise of the kind that the modality's camera delivers."""
    height, width = spec.height, spec.width
    for camera in config.cameras:
        if camera.modality == modality and isinstance(camera, SyntheticCamera):
            height, width = camera.height, camera.width
    shape = (height, width) if spec.channels == 1 else (height, width, spec.channels)
    pixels = np.random.default_rng(0).integers(0, 2**spec.bit_depth, shape)
    return pixels.astype(np.uint8) if spec.bit_depth == 8 else pixels.astype(np.uint16)
