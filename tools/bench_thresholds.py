#!/usr/bin/env python
"""Do thresholds keep what they promise on a set? Held-out and test good parts of a run, as they are and re-divided.

    tools/bench_thresholds.py RUN --data DIR [--target-frr 0.05] [--draws 2000]

Prints one JSON document: for every subset the realised false-reject rate with its interval, the chance of that many
rejects or more if all is well (`chance`), the Kolmogorov-Smirnov p of held-out against test scores (`ks_p`), and how
often a random re-division of the same parts gives an interval above the target (`above_by_chance`; `any` = in any
subset). Needs the extras train and dev. Ungrouped parts are assumed: one part a group.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.stats import ks_2samp

from radar_edge.data.layouts import index
from radar_edge.evaluation.evaluate import Judged, judge
from radar_edge.evaluation.metrics import rate_interval
from radar_edge.export.parts import held_out_parts
from radar_edge.modality import all_subsets
from radar_edge.scoring import calibrate, chance_of_rejects
from radar_edge.training.checkpoint import load_run
from radar_edge.training.torch_runner import TorchRunner


def scores_of(run_folder: Path, data: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """slug -> scores of held-out and of test good parts."""
    torch.set_num_threads(1)
    run, dataset = load_run(run_folder), index(data)
    with ExitStack() as stack:
        runners = {s: stack.enter_context(TorchRunner(run.model, s)) for s in all_subsets(run.modalities)}
        held_out = judge(runners, held_out_parts(dataset.samples, run.held_out), run.preprocess)
        tested = judge(runners, dataset.select("test", good=True), run.preprocess)
    return {s.slug: (scores_in(held_out[s]), scores_in(tested[s])) for s in runners}


def scores_in(parts: Sequence[Judged]) -> np.ndarray:
    return np.array([part.score for part in parts])


@cache
def interval(rejected: int, parts: int) -> tuple[float, float]:
    found = rate_interval(np.arange(parts) < rejected, [str(i) for i in range(parts)])
    assert found is not None  # only no parts at all have none
    return found


def about(held: np.ndarray, test: np.ndarray, target: float) -> dict[str, object]:
    rejected = int((test > calibrate(held.tolist(), target).threshold).sum())
    return {
        "held_out": len(held),
        "test": len(test),
        "frr": rejected / len(test),
        "frr_ci": interval(rejected, len(test)),
        "chance": chance_of_rejects(len(held), target, rejected, len(test)),
        "ks_p": float(ks_2samp(held, test).pvalue),
    }


def redivided(scores: dict[str, tuple[np.ndarray, np.ndarray]], target: float, draws: int) -> dict[str, float]:
    """slug -> share of random divisions whose interval lies above the target."""
    rng = np.random.default_rng(0)
    above = {slug: np.zeros(draws, bool) for slug in scores}
    size, count = (sum(map(len, next(iter(scores.values())))), len(next(iter(scores.values()))[0]))
    for n in range(draws):
        order = rng.permutation(size)
        for slug, sides in scores.items():
            mixed = np.concatenate(sides)[order]
            rejected = int((mixed[count:] > calibrate(mixed[:count].tolist(), target).threshold).sum())
            above[slug][n] = interval(rejected, size - count)[0] > target
    return {slug: float(flags.mean()) for slug, flags in above.items()} | {
        "any": float(np.any(list(above.values()), axis=0).mean())
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--target-frr", type=float, default=0.05)
    parser.add_argument("--draws", type=int, default=2000)
    given = parser.parse_args()
    scores = scores_of(given.run, given.data)
    result = {
        "target_frr": given.target_frr,
        "subsets": {slug: about(*sides, given.target_frr) for slug, sides in scores.items()},
        "above_by_chance": redivided(scores, given.target_frr, given.draws),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
