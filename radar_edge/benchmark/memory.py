"""What a contender needs of memory, in a process of its own. Measures no time."""

from __future__ import annotations

import multiprocessing

from radar_edge.benchmark.contenders import Contender
from radar_edge.inference.bench import peak_mib


def memory_mib(contender: Contender) -> float | None:
    """None for a plan: most of what it holds is the GPU's."""
    if contender.runner is not None:
        return None
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return float(pool.apply(growth_mib, (contender,)))


def growth_mib(contender: Contender) -> float:
    before = peak_mib()
    with contender.opened(1) as call:
        call()
        return peak_mib() - before
