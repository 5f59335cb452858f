#!/usr/bin/env python
"""Speed and size side by side: our engines and the baselines' ONNX files, interleaved in one process.

    tools/bench_speed.py [BUNDLE [--device FOLDER]] [--models FOLDER] [--rounds N] [--threads N ...] [--out FILE]
    tools/bench_speed.py --size-only [--out FILE]

Without a bundle the engines are those of a network with first weights at 256 px: time and size do not depend on what
the weights are. FOLDER holds NAME.onnx and NAME.json of other networks, batch 1, the same picture size. Everything runs
on ONNX Runtime's CPU provider with the same options, beside a large convolution and a large matrix product as the roof;
with --device also the TensorRT plans that `radar-edge finish` built for the bundle on this unit.

latency_ms      p50, p95, p99 of `n` runs by the clock; cpu_ms: median of the processor's time, all threads together
ratio           of the latency to that of our FP32 engine of all modalities with as many threads, in the same round:
                median, 5th and 95th percentile; cpu_ratio: of the processor's time
memory_mib      what opening and running the file adds to the peak memory of a fresh process
roofline_share  multiply-accumulates a second of the processor's, as a share of the faster of the two roofs

--size-only counts parameters and multiply-accumulates of each subset's graph at 256 px. The last line on stdout is JSON
with the figures, `faults` and the machine; exit 1 if a bar is missed: that engine is faster at one thread than each of
RIVALS (with --models), or the bars of radar_edge/benchmark/size.py. Exit 2 for files that cannot be used.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from radar_edge import files
from radar_edge.errors import RadarEdgeError, UsageError

RIVALS = ("efficientad", "draem", "stpm", "patchcore")
"""Baselines that must be slower, by how their names begin. PaDiM is shown beside them."""


def main() -> None:
    chosen = parse()
    try:
        found = size(chosen.size_px) if chosen.size_only else speed(chosen)
    except RadarEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if chosen.out is not None:
        files.write_json(chosen.out, found)
    print(json.dumps(found, sort_keys=True))
    sys.exit(1 if found["faults"] else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--device", type=Path, help="folder of the unit's plans")
    parser.add_argument("--cuda", choices=("pycuda", "cuda-python"), default="pycuda")
    parser.add_argument("--models", type=Path, help="folder of NAME.onnx and NAME.json")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size-px", type=int, default=256, help="of the network with first weights")
    parser.add_argument("--size-only", action="store_true")
    parser.add_argument("--out", type=Path, help="a file for the document")
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    chosen = parser.parse_args()
    if min(chosen.rounds, *chosen.threads) < 1:
        parser.error("--rounds and --threads are at least 1")
    return chosen


# Each process that measures one file's memory begins by importing this module: what is heavy is imported where needed.


def size(size_px: int) -> dict[str, Any]:
    from radar_edge.benchmark.size import sizes
    from radar_edge.benchmark.untrained import untrained

    return sizes(untrained(size_px))


def speed(chosen: argparse.Namespace) -> dict[str, Any]:
    from radar_edge.benchmark.contenders import baselines
    from radar_edge.benchmark.machine import machine
    from radar_edge.benchmark.roofline import roofs
    from radar_edge.benchmark.speed import measure, shortfalls
    from radar_edge.cli import bench
    from radar_edge.cli.progress import progress_bar, shower

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        show = shower(stack.enter_context(progress_bar()))
        facts, make_ours = engines(chosen, folder, stack)
        rivals = [] if chosen.models is None else baselines(chosen.models, facts["input_px"], show)
        found = measure([*make_ours(show), *rivals, *roofs(folder)], chosen.threads, chosen.rounds, show)
    missed = [] if chosen.models is None else shortfalls(found, RIVALS)
    return {**machine(), **bench.machine(), **facts, **found, "faults": missed}


def engines(chosen: argparse.Namespace, folder: Path, stack: ExitStack) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """What the document says of our engines, and what makes the contenders."""
    from radar_edge.benchmark.contenders import of_bundle, of_plans, of_untrained

    if chosen.bundle is None:
        if chosen.device is not None:
            raise UsageError("plans are of a bundle", next_step="name the bundle before --device")

        def first(show: Any) -> Any:
            from radar_edge.benchmark.untrained import untrained

            return of_untrained(untrained(chosen.size_px), folder, show)

        return {"input_px": chosen.size_px, "weights": "first"}, first
    from radar_edge.bundle import open_bundle
    from radar_edge.bundle.device_record import open_device

    bundle = open_bundle(chosen.bundle)
    facts = {"input_px": bundle.manifest.model.shape["height"], "weights": "trained", "sha256": bundle.sha256}
    plans = []
    if chosen.device is not None:
        plans = of_plans(stack, bundle, open_device(chosen.device, bundle.sha256), chosen.cuda)
    return facts, lambda _: [*of_bundle(bundle), *plans]


if __name__ == "__main__":
    main()
