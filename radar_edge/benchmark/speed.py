"""How fast contenders are, side by side: each runs once a round, in a new order every round, in one process.

Milliseconds are this machine's at this moment. What may be compared are the ratios of one measurement: a contender
against the reference in the same round, so that what slows the machine slows both. Where other processes take turns on
the cores, the processor's own time says more than the clock's, and the roofline is held against that. Prints nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radar_edge.benchmark.contenders import RADAR, ROOFLINE, RUNNER, Contender
from radar_edge.benchmark.memory import memory_mib
from radar_edge.errors import UsageError
from radar_edge.inference.bench import PERCENTILES, Progress

Times = npt.NDArray[np.float64]
"""Milliseconds `[rounds]`; NaN in a round that a slow contender sat out."""
Memory = Callable[[Contender], float | None]
SLOW_MS, SLOW_EVERY = 1000.0, 5
"""Contenders slower than this run in every fifth round only."""
SPREAD = (5, 50, 95)
MIB = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A contender that is open, with one number of threads."""

    contender: Contender
    threads: int
    call: Callable[[], object]
    startup_ms: float
    every: int


@dataclass(frozen=True)
class Measured:
    """What an Entry took: by the clock, and of the processor by all its threads."""

    wall: Times
    cpu: Times


def measure(
    contenders: Sequence[Contender],
    threads: Sequence[int],
    rounds: int,
    progress: Progress = lambda *_: None,
    memory: Memory = memory_mib,
) -> dict[str, Any]:
    """`models`, one a contender, and `rows`, one a contender and number of threads.

    Of a model: `parameters`, `gmac`, `memory_mib` (what opening and running it adds to the peak memory of a process of
    its own, library included, at one thread). Of a row: `n` runs, `latency_ms`, `startup_ms` until the first result,
    `ratio` to the reference's latency in the same rounds, `slower_in`, the share of them in which it took longer;
    `cpu_ms` of the processor, all threads together, `cpu_ratio`, `gmac_s` of that time and `roofline_share` (None for a
    plan, whose work is the GPU's). Medians where nothing else is said. Plans run with the first of `threads` only: they
    use none. `load_average`: of the last minute, before and after.
    """
    first = reference_of(contenders)
    load = [os.getloadavg()[0]]
    with ExitStack() as stack:
        entries = [start(stack, one, n) for n in threads for one in contenders if one.runner is None or n == threads[0]]
        times = round_robin(entries, rounds, progress)
    load.append(os.getloadavg()[0])
    roofs = {n: roof(entries, times, n) for n in threads}
    shown = [one for one in contenders if one.kind != ROOFLINE]
    models = []
    for done, one in enumerate(shown):
        models.append(model_of(one, memory(one)))
        progress("memory", done + 1, len(shown))
    return {
        "rounds": rounds,
        "reference": [first.name, first.precision, first.library],
        "load_average": [round(value, 2) for value in load],
        "models": models,
        "rows": [
            row(entry, mine, times[place_of(entries, first, entry.threads)], roofs[entry.threads])
            for entry, mine in zip(entries, times, strict=True)
            if entry.contender.kind != ROOFLINE
        ],
        "roofline_gmac_s": {str(n): round(float(np.nanmedian(found)), 1) for n, found in roofs.items()},
    }


def start(stack: ExitStack, contender: Contender, threads: int) -> Entry:
    begun = time.perf_counter()
    call = stack.enter_context(contender.opened(threads))
    call()
    startup_ms = 1e3 * (time.perf_counter() - begun)
    wall_ms, _ = run_ms(call)
    return Entry(contender, threads, call, startup_ms, SLOW_EVERY if wall_ms > SLOW_MS else 1)


def run_ms(call: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of the processor."""
    begun, worked = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - begun), 1e3 * (time.process_time() - worked)


def round_robin(entries: Sequence[Entry], rounds: int, progress: Progress) -> list[Measured]:
    times = np.full((len(entries), 2, rounds), np.nan)
    rng = np.random.default_rng(0)
    for n in range(rounds):
        for i in rng.permutation(len(entries)):
            if n % entries[i].every == 0:
                times[i, :, n] = run_ms(entries[i].call)
        progress("measure", n + 1, rounds)
    return [Measured(wall, cpu) for wall, cpu in times]


def reference_of(contenders: Sequence[Contender]) -> Contender:
    """Our FP32 engine of the most modalities. Raises UsageError without one."""
    ours = [one for one in contenders if (one.kind, one.precision, one.library) == (RADAR, "fp32", RUNNER)]
    if not ours:
        raise UsageError("there is no engine to compare with", wanted="an FP32 engine, which every bundle has")
    return max(ours, key=lambda one: 0 if one.subset is None else len(one.subset))


def place_of(entries: Sequence[Entry], contender: Contender, threads: int) -> int:
    return next(i for i, entry in enumerate(entries) if entry.contender is contender and entry.threads == threads)


def roof(entries: Sequence[Entry], times: Sequence[Measured], threads: int) -> Times:
    """GMAC `[rounds]` a second of the processor's, of the roofline whose median is higher."""
    rates = [
        rate(entry, mine)
        for entry, mine in zip(entries, times, strict=True)
        if entry.contender.kind == ROOFLINE and entry.threads == threads
    ]
    return max(rates, key=lambda found: float(np.nanmedian(found)))


def rate(entry: Entry, mine: Measured) -> Times:
    """GMAC `[rounds]` a second of the processor's."""
    return entry.contender.cost.macs / 1e6 / mine.cpu


def row(entry: Entry, mine: Measured, against: Measured, peak: Times) -> dict[str, Any]:
    ratios = shared(mine.wall, against.wall)
    on_cpu = entry.contender.runner is None
    reached = rate(entry, mine)
    return {
        "name": entry.contender.name,
        "precision": entry.contender.precision,
        "library": entry.contender.library,
        "threads": entry.threads,
        "n": int((~np.isnan(mine.wall)).sum()),
        "latency_ms": {f"p{p}": round(float(np.nanpercentile(mine.wall, p)), 2) for p in PERCENTILES},
        "startup_ms": round(entry.startup_ms, 1),
        "ratio": spread(ratios),
        "slower_in": round(float((ratios > 1).mean()), 3),
        "cpu_ms": round(float(np.nanmedian(mine.cpu)), 2),
        "cpu_ratio": spread(shared(mine.cpu, against.cpu)),
        "gmac_s": round(float(np.nanmedian(reached)), 2) if on_cpu else None,
        "roofline_share": round(float(np.nanmedian(reached / peak)), 4) if on_cpu else None,
    }


def shared(mine: Times, against: Times) -> Times:
    """Ratios of the rounds in which both ran."""
    ratios: Times = mine / against
    return ratios[~np.isnan(ratios)]


def spread(ratios: Times) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(ratios, p)), 3) for p in SPREAD}


def model_of(contender: Contender, memory: float | None) -> dict[str, Any]:
    return {
        "name": contender.name,
        "kind": contender.kind,
        "precision": contender.precision,
        "library": contender.library,
        "parameters": contender.cost.parameters,
        "gmac": round(contender.cost.macs / 1e9, 4),
        "file_mib": round(contender.model.stat().st_size / MIB, 2),
        "memory_mib": None if memory is None else round(memory, 1),
        "about": dict(contender.about),
    }


def shortfalls(found: dict[str, Any], rivals: Sequence[str], threads: int = 1) -> list[str]:
    """What is missing of: the reference is faster than every rival (baselines whose names begin so)."""
    name, precision, _ = found["reference"]
    rows = [row for row in found["rows"] if row["threads"] == threads]
    faults = []
    for rival in rivals:
        mine = [row for row in rows if row["name"].startswith(rival)]
        if not mine:
            faults.append(f"{rival} was not measured")
        faults += [
            f"{row['name']} takes {row['ratio']['p50']} times as long as {name} {precision}, wanted more than 1"
            for row in mine
            if row["ratio"]["p50"] <= 1
        ]
    return faults
