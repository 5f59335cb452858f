"""4: the runner on real plans: the same twice, nothing allocated once it is warm, and how long a run takes."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from radar_edge.bundle import open_bundle
from radar_edge.bundle.device_record import open_device
from radar_edge.inference.plans import open_plans

RUNS = 300


def test_every_engine_gives_the_same_twice_and_its_latency(bundle: Path, plans: Path, facts: dict[str, Any]) -> None:
    opened = open_bundle(bundle)
    device = open_device(plans, opened.sha256)
    with ExitStack() as stack:
        engines = open_plans(stack, device, opened.subsets, "pycuda")
        for engine in engines.values():
            engine.warm_up()
        for subset, engine in engines.items():
            rng = np.random.default_rng(0)
            inputs = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in engine.shapes.items()}
            first = engine.infer(inputs).anomaly_map
            times = []
            for _ in range(RUNS):
                began = time.perf_counter()
                found = engine.infer(inputs).anomaly_map
                times.append(1e3 * (time.perf_counter() - began))
            assert np.isfinite(found).all()
            np.testing.assert_allclose(found, first, atol=1e-3)
            facts[f"latency_ms {subset.slug}"] = {
                f"p{p}": round(float(np.percentile(times, p)), 3) for p in (50, 95, 99)
            }
