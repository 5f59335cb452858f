"""How often a steady line is told to recalibrate, and how soon a drifting one is; on simulated scores.

    tools/bench_drift.py [--streams N] [--parts N] [--json]

steady   --streams of --parts good parts each, like the held-out ones: false alarms, and those of the first 1,000 parts
shift    after 5,000 steady parts the mean rises so that false rejects of 1 % become 5 %: parts until `recalibrate`
start    the same shift from the first part on: how many of --streams are told within 5,000 parts
slow     the mean rises evenly over 20,000 parts, to false rejects of 15 %: the rate of false rejects when it is told
burst    20 parts in a row in the review band, or any number in the ng band: alarms
lots     steady, but each 500 parts are off by N(0, s): streams with an alarm within 20,000 parts. Not exchangeable, so
         no bound holds; s is in deviations of one lot's scores

Normal scores; only ranks count, so any other continuous distribution gives the same. `held_out` good parts set the
thresholds. The last line on stdout is JSON with the figures, `faults` and the machine; exit 1 if a figure falls short.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from radar_edge.benchmark.machine import machine
from radar_edge.runtime.score_drift import HEAD_START, LIMIT, DriftState, ScoreDrift
from radar_edge.scoring import calibrate

Scores = npt.NDArray[np.float64]

HELD_OUT = {19: 0.05, 100: 0.01, 300: 0.01}
"""Held-out parts, and the false-reject rate that they are to guarantee."""
SHIFT, LARGE_SHIFT = 0.6815, 1.290
"""In deviations: false rejects of 1 % become 5 %, 15 %."""
BEFORE, WITHIN = 5_000, 5_000
START_PARTS = 1_000
SLOW_PARTS = 20_000
BURST = 20
MOST_DELAY = 600
"""For 100 held-out parts and more: some 30 false rejects at 5 %."""


def main() -> None:
    given = parse()
    begun = time.monotonic()
    found: dict[str, Any] = {
        "streams": given.streams,
        "parts": given.parts,
        "stated_share": round(2 * (given.parts + HEAD_START) / LIMIT, 5),
        "held_out": {n: about(n, given.streams, given.parts) for n in HELD_OUT},
        "us_a_part": cost_us(),
    }
    found["seconds"] = round(time.monotonic() - begun, 1)
    found["faults"] = faults(found)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    return parser.parse_args()


class Stream:
    """A line with its own held-out parts. `number` sets them and all its scores."""

    def __init__(self, held_out: int, number: int) -> None:
        self.rng = np.random.default_rng([held_out, number])
        self.calibration = calibrate(self.normal(held_out).tolist(), HELD_OUT[held_out])
        self.drift = ScoreDrift(self.calibration)

    def normal(self, parts: int) -> Scores:
        return self.rng.normal(size=parts)

    def told(self, scores: Scores) -> int | None:
        """How many of `scores` it took until `recalibrate`."""
        for number, score in enumerate(scores.tolist(), start=1):
            self.drift.add(score)
            if self.drift.state is DriftState.RECALIBRATE:
                return number
        return None


def about(held_out: int, streams: int, parts: int) -> dict[str, Any]:
    few = max(streams // 5, 1)
    return {
        "steady": steady([Stream(held_out, n) for n in range(streams)], parts),
        "shift": shift([Stream(held_out, n) for n in range(streams)]),
        "start": start([Stream(held_out, n) for n in range(streams)]),
        "slow": slow([Stream(held_out, n) for n in range(few)]),
        "burst_alarms": burst([Stream(held_out, n) for n in range(streams)]),
        "lots": {str(s): lots([Stream(held_out, n) for n in range(few)], s) for s in (0.05, 0.1, 0.2)},
    }


def steady(streams: Sequence[Stream], parts: int) -> dict[str, Any]:
    told = [stream.told(stream.normal(parts)) for stream in streams]
    alarms = [number for number in told if number is not None]
    return {
        "false_alarms": len(alarms),
        "of_the_start": sum(number <= START_PARTS for number in alarms),
        "share": len(alarms) / len(streams),
    }


def shift(streams: Sequence[Stream]) -> dict[str, Any]:
    steady_ones = [stream for stream in streams if stream.told(stream.normal(BEFORE)) is None]
    told = [stream.told(stream.normal(WITHIN) + SHIFT) for stream in steady_ones]
    return {"shifted": len(told), **summary(told)}


def start(streams: Sequence[Stream]) -> dict[str, Any]:
    return summary([stream.told(stream.normal(WITHIN) + SHIFT) for stream in streams])


def summary(told: Sequence[int | None]) -> dict[str, Any]:
    parts = [number for number in told if number is not None]
    return {
        "told": len(parts),
        "median_parts": float(np.median(parts)) if parts else None,
        "max_parts": max(parts, default=None),
    }


def slow(streams: Sequence[Stream]) -> dict[str, Any]:
    """The false-reject rate that the true distribution has when the drift is told, for a threshold of exactly 1 %."""
    rates, missed = [], 0
    for stream in streams:
        if stream.told(stream.normal(BEFORE)) is not None:
            continue
        told = stream.told(stream.normal(SLOW_PARTS) + np.linspace(0, LARGE_SHIFT, SLOW_PARTS))
        if told is None:
            missed += 1
        else:
            rates.append(false_rejects(LARGE_SHIFT * told / SLOW_PARTS))
    return {
        "told": len(rates),
        "missed": missed,
        "median_frr": round(float(np.median(rates)), 4) if rates else None,
        "max_frr": round(max(rates), 4) if rates else None,
    }


def false_rejects(deviations: float) -> float:
    """Of a threshold that a normal score passes in 1 % of good parts, after the mean rose."""
    return 1 - NormalDist(deviations).cdf(NormalDist().inv_cdf(0.99))


def burst(streams: Sequence[Stream]) -> dict[str, int]:
    review = ng = 0
    for stream in streams:
        if stream.told(stream.normal(BEFORE)) is not None:
            continue
        threshold = stream.calibration.ng_threshold
        ng += stream.told(np.full(1000, threshold + 1)) is not None
        review += stream.told(np.full(BURST, threshold)) is not None
    return {"review": review, "ng": ng}


def lots(streams: Sequence[Stream], deviation: float, parts: int = 20_000, lot: int = 500) -> dict[str, int]:
    told = [
        stream.told(stream.normal(parts) + np.repeat(stream.normal(parts // lot) * deviation, lot))
        for stream in streams
    ]
    return {"streams": len(told), "alarms": sum(number is not None for number in told)}


def cost_us(parts: int = 20_000) -> float:
    stream = Stream(300, 0)
    scores = stream.normal(parts).tolist()
    begun = time.perf_counter()
    for score in scores:
        stream.drift.add(score)
    return round((time.perf_counter() - begun) / parts * 1e6, 1)


def faults(found: dict[str, Any]) -> list[str]:
    wrong = []
    for held_out, one in found["held_out"].items():
        if one["steady"]["share"] > found["stated_share"]:
            wrong.append(f"{held_out} held out: {one['steady']['false_alarms']} false alarms")
        if any(one["burst_alarms"].values()):
            wrong.append(f"{held_out} held out: a burst of defects was told as drift")
        shifted = one["shift"]
        late = shifted["max_parts"] is None or (held_out >= 100 and shifted["max_parts"] > MOST_DELAY)
        if shifted["told"] != shifted["shifted"] or late:
            wrong.append(f"{held_out} held out: a shift was told after {shifted['max_parts']} parts, or never")
    return wrong


if __name__ == "__main__":
    main()
