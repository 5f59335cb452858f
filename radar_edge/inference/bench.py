"""How fast engines are, measured side by side: each runs once a round, so that what slows the machine slows all.

Milliseconds are this machine's at this moment; ratios within one bench are what may be compared. Knows Runners; prints
nothing.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from radar_edge.inference.runner import Runner, open_runner
from radar_edge.modality import Subset

Progress = Callable[[str, int, int], None]
Times = npt.NDArray[np.float64]
PERCENTILES = (50, 95, 99)
KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Case:
    """One engine file, in one library, with one number of threads."""

    runner: str
    model: Path
    subset: Subset
    precision: str
    threads: int
    macs: int


@dataclass(frozen=True)
class Roofline:
    """A large convolution through the same library: its work, and one run of it with so many threads."""

    macs: int
    threads: int
    run: Callable[[], object]


def bench(
    cases: Sequence[Case], roofs: Sequence[Roofline], rounds: int, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """`rows`, one a case, and `roofline`, one a number of threads; in interleaved runs.

    Of a row: `latency_ms` {p50, p95, p99}, `startup_ms` until the first result, `memory_mib` of a process of its own,
    `gmac_s`, `roofline_share` (None without a roofline for its threads), `of_all_modalities` (p50 over that of the
    largest Subset with the same runner, precision and threads).
    """
    with ExitStack() as stack:
        started, calls = [], []
        for case in cases:
            begun = time.perf_counter()
            runner = stack.enter_context(open_case(case))
            runner.warm_up()
            started.append(1e3 * (time.perf_counter() - begun))
            calls.append(call_of(runner))
        calls += [roof.run for roof in roofs]
        times = interleaved(calls, rounds, progress)
    peaks = {roof.threads: gmac_s(roof.macs, one) for roof, one in zip(roofs, times[len(cases) :], strict=True)}
    largest = max((case.subset for case in cases), key=len)
    whole = {key_of(c): float(np.median(t)) for c, t in zip(cases, times, strict=False) if c.subset == largest}
    rows = [
        {
            "subset": case.subset.slug,
            "precision": case.precision,
            "runner": case.runner,
            "threads": case.threads,
            "latency_ms": {f"p{p}": float(np.percentile(one, p)) for p in PERCENTILES},
            "startup_ms": start,
            "memory_mib": memory_mib(case),
            "gmac": case.macs / 1e9,
            "gmac_s": gmac_s(case.macs, one),
            "roofline_share": gmac_s(case.macs, one) / peaks[case.threads] if case.threads in peaks else None,
            "of_all_modalities": float(np.median(one)) / whole[key_of(case)] if key_of(case) in whole else None,
        }
        for case, one, start in zip(cases, times, started, strict=False)
    ]
    return {"rounds": rounds, "rows": rows, "roofline_gmac_s": {str(n): peak for n, peak in peaks.items()}}


def open_case(case: Case) -> Runner:
    return open_runner(case.runner, case.model, case.subset, case.precision, threads=case.threads)


def key_of(case: Case) -> tuple[str, str, int]:
    return case.runner, case.precision, case.threads


def call_of(runner: Runner) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    inputs = {name: rng.standard_normal(shape, np.float32) for name, shape in runner.shapes.items()}
    return lambda: runner.infer(inputs)


def interleaved(calls: Sequence[Callable[[], object]], rounds: int, progress: Progress) -> list[Times]:
    """Milliseconds `[rounds]` of every call, each run once a round."""
    times = np.zeros((len(calls), rounds))
    for n in range(rounds):
        for i, call in enumerate(calls):
            begun = time.perf_counter()
            call()
            times[i, n] = 1e3 * (time.perf_counter() - begun)
        progress("measure", n + 1, rounds)
    return list(times)


def gmac_s(macs: int, times_ms: Times) -> float:
    """At the median."""
    return macs / 1e6 / float(np.median(times_ms))


def memory_mib(case: Case) -> float:
    """What opening and running the engine adds to the peak memory of a fresh process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return float(pool.apply(peak_growth_mib, (case,)))


def peak_growth_mib(case: Case) -> float:
    before = peak_mib()
    with open_case(case) as runner:
        runner.warm_up()
        return peak_mib() - before


def peak_mib() -> float:
    """VmHWM and not ru_maxrss, which a child inherits from its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / KIB_PER_MIB
