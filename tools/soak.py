"""A million parts through a simulated line with random mishaps, and every promise checked.

    tools/soak.py [--parts N] [--jobs N] [--out FILE] [--json]

The stations, the Modbus codec, routing, scoring and the SQLite journal are the product's own; the clock, the cameras,
the engines and the PLC are simulated (radar_edge/simulation/world.py), with some sixty kinds of mishap. Runs of 20,000
parts each, with seeds 0, 1, 2 ...; a finished run is a line of FILE and is not done again. Then 100 faults are planted
in the records of a run, one at a time, and the checker must find each.

The last line on stdout is JSON with the totals, `faults` and the machine; exit 1 if there is any fault, if a planted
one was missed, or if a kind of mishap or of verdict never came.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from radar_edge.benchmark.machine import machine
from radar_edge.runtime.journal_file import read_parts
from radar_edge.simulation.mishaps import kinds
from radar_edge.simulation.soak_check import Record, faults, record_of
from radar_edge.simulation.soak_plants import PLANTS
from radar_edge.simulation.world import MODALITIES, World

RUN_PARTS = 20_000
PLANTED = 100
PLANTED_PARTS = 2_000
MOST_FAULTS_TOLD = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="finished runs, one JSON line each; those that are there are kept")
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    options = parser.parse_args()
    found = total(soak(options.parts, options.jobs, options.out), plant(PLANTED))
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def soak(parts: int, jobs: int, out: Path | None) -> list[dict[str, Any]]:
    """One result a run."""
    wanted = {seed: min(RUN_PARTS, parts - at) for seed, at in enumerate(range(0, parts, RUN_PARTS))}
    known = [] if out is None or not out.exists() else [json.loads(line) for line in out.read_text().splitlines()]
    done = [result for result in known if wanted.get(result["seed"]) == result["parts"]]
    left = {seed: size for seed, size in wanted.items() if seed not in {result["seed"] for result in done}}
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for run in as_completed(pool.submit(one_run, seed, size) for seed, size in left.items()):
            done.append(run.result())
            if out is not None:
                with out.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
            print(f"{sum(result['parts'] for result in done)} of {parts} parts", file=sys.stderr, flush=True)
    return done


def run_world(seed: int, parts: int) -> tuple[World, Record]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        world = World(path, parts, seed)
        world.run()
        return world, record_of(world, read_parts(path))


def one_run(seed: int, parts: int) -> dict[str, Any]:
    begun = time.monotonic()
    world, record = run_world(seed, parts)
    return {
        "seed": seed,
        "parts": parts,
        "triggers": len(record.told),
        "faults": faults(record)[:MOST_FAULTS_TOLD],
        "outcomes": Counter(row["outcome"] for row in record.plc),
        "late_pass": record.counts["late_pass"],
        "reasons": Counter(row["reason"] for row in record.journal),
        "states": Counter(row["state"] for row in record.journal),
        "subsets": Counter(row["subset"] or "none" for row in record.journal),
        "mishaps": world.mishaps.counts,
        "seconds": round(time.monotonic() - begun, 1),
    }


def total(results: Sequence[dict[str, Any]], missed: list[str]) -> dict[str, Any]:
    sums = {
        name: dict(sum((Counter(result[name]) for result in results), Counter[str]()))
        for name in ("outcomes", "reasons", "states", "subsets", "mishaps")
    }
    found = [f"seed {result['seed']}: {fault}" for result in results for fault in result["faults"]]
    found += [f"the checker missed: {name}" for name in missed]
    found += [f"the mishap {kind.name} never came" for kind in kinds(MODALITIES) if kind.name not in sums["mishaps"]]
    wanted = ("GOOD", "ANOMALY", "DEADLINE", "NO_FRAME", "ENGINE_FAULT", "JOURNAL", "BUSY", "DEGRADED", "STOPPED")
    found += [f"no verdict had the reason {name}" for name in wanted if name not in sums["reasons"]]
    return {
        "parts": sum(result["parts"] for result in results),
        "triggers": sum(result["triggers"] for result in results),
        "late_pass": sum(result["late_pass"] for result in results),
        **sums,
        "planted": PLANTED,
        "planted_caught": PLANTED - len(missed),
        "seconds": round(sum(result["seconds"] for result in results), 1),
        "faults": found[:MOST_FAULTS_TOLD],
    }


def plant(count: int) -> list[str]:
    """The names of planted faults that the checker did not find."""
    _, record = run_world(0, PLANTED_PARTS)
    clean = faults(record)
    chance = random.Random(0)
    names = [list(PLANTS)[i % len(PLANTS)] for i in range(count)]
    return [name for name in names if not set(faults(PLANTS[name](record, chance))) - set(clean)]


if __name__ == "__main__":
    main()
