"""How fast a camera's health tells a fault, and how often it tells one that is none; on simulated heartbeats.

    tools/bench_health.py [--frames N] [--injections N] [--json]

false alarms  --frames of a living camera at 30 fps, jitter N(0, T/16), single drops of 1 in 10,000
deaths        --injections of a camera that stops after a random number of frames
pictures      frozen, black and saturated frames, each --injections times: frames until FAILED
shutter       24 h of a thermal camera at 26 fps whose shutter closes every 3 min for 23 frames, without telemetry

The runtime's own classes, fed as the capture thread feeds them, polled every 10 ms. The last line on stdout is JSON
with the figures, `faults` and the machine; exit 1 if a figure falls short.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from typing import Any

from radar_edge.benchmark.machine import machine
from radar_edge.config import HealthConfig
from radar_edge.records import Cause, HealthState
from radar_edge.runtime.capture.seam import Heartbeat
from radar_edge.runtime.capture.watch import POLL_NS
from radar_edge.runtime.frame_faults import Expected
from radar_edge.runtime.health import CameraHealth, period_ns

FPS = 30.0
T = period_ns(FPS)
DROPS = 1e-4
MAX_PERIODS = 2.5
PICTURE_FRAMES = 3
FFC_FPS, FFC_EVERY_S, FFC_FRAMES, FFC_MAX_MS = 26.0, 180, 23, 1500


class Camera:
    """A simulated camera, its health, and the time."""

    def __init__(self, period_ns: int = T, expected: Expected | None = None) -> None:
        self.period_ns = period_ns
        self.health = CameraHealth("camera", "tir", period_ns, HealthConfig(), 0, expected)
        self.now_ns = self.number = self.last_ns = 0
        self.failures = 0
        self._failed = True

    def beat(self, at_ns: int, *, content: int | None = None, mean: float = 0.4, clipped: float = 0.0) -> None:
        self.number += 1
        self.last_ns = at_ns
        frame_id = (self.number - 1) % 65535 + 1
        self.health.update(Heartbeat("camera", frame_id, at_ns, self.number if content is None else content,
                                     mean, clipped, True))  # fmt: skip

    def poll(self, until_ns: int) -> HealthState:
        """Look every 10 ms up to `until_ns`, which is looked at as well; counts how often it goes down."""
        while True:
            self.now_ns = min(self.now_ns + POLL_NS, until_ns)
            state = self.health.tick(self.now_ns).state
            failed = state is HealthState.FAILED
            self.failures += failed and not self._failed
            self._failed = failed
            if self.now_ns >= until_ns:
                return state

    def run(self, frames: int, noise: random.Random, drops: float) -> None:
        """A living camera; every frame arrives with its jitter, single ones do not."""
        missed = False
        start_ns, first = self.now_ns, 1
        for k in range(first, frames + 1):
            jitter = max(-0.45, min(0.45, noise.gauss(0, 1 / 16)))
            arrival_ns = start_ns + round((k + jitter) * self.period_ns)
            self.poll(arrival_ns)
            missed = not missed and noise.random() < drops
            if not missed:
                self.beat(arrival_ns)


def main() -> None:
    arguments = parse()
    begun = time.monotonic()
    found: dict[str, Any] = {
        **alarms(arguments.frames),
        **deaths(arguments.injections),
        "pictures": pictures(arguments.injections),
        **shutter(),
    }
    found["seconds"] = round(time.monotonic() - begun, 1)
    found["faults"] = faults(found)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=3_000_000)
    parser.add_argument("--injections", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    return parser.parse_args()


def alarms(frames: int) -> dict[str, Any]:
    camera = Camera()
    camera.run(frames, random.Random(1), DROPS)
    return {"frames": frames, "false_alarms": camera.failures}


def deaths(injections: int) -> dict[str, Any]:
    noise = random.Random(2)
    periods = []
    for _ in range(injections):
        camera = Camera()
        camera.run(noise.randrange(10, 60), noise, 0)
        camera.now_ns += noise.randrange(POLL_NS)
        while camera.poll(camera.now_ns + POLL_NS) is not HealthState.FAILED:
            pass
        periods.append((camera.now_ns - camera.last_ns) / T)
    return {
        "injected": injections,
        "detected": len(periods),
        "max_periods": round(max(periods), 4),
        "median_periods": round(sorted(periods)[len(periods) // 2], 4),
        "poll_periods": round(POLL_NS / T, 4),
    }


def pictures(injections: int) -> dict[str, int]:
    """Frames until FAILED for its own cause, the worst case of each."""
    kinds: dict[Cause, dict[str, Any]] = {
        Cause.FROZEN: {"content": 7},
        Cause.BLACK: {"mean": 0.0},
        Cause.SATURATED: {"mean": 0.99, "clipped": 0.97},
    }
    noise = random.Random(3)
    worst = dict.fromkeys(kinds, 0)
    for cause, changes in kinds.items():
        for _ in range(injections):
            camera = Camera()
            camera.run(noise.randrange(10, 60), noise, 0)
            frames = 0
            while camera.health.tick(camera.now_ns).state is not HealthState.FAILED:
                frames += 1
                camera.now_ns += T
                camera.beat(camera.now_ns, **changes)
            if camera.health.tick(camera.now_ns).cause is not cause:
                raise AssertionError(f"{cause} was told as {camera.health.tick(camera.now_ns).cause}")
            worst[cause] = max(worst[cause], frames)
    return {cause.value: frames for cause, frames in worst.items()}


def shutter() -> dict[str, Any]:
    """24 h; between shutter events the frames come with their jitter."""
    camera = Camera(period_ns(FFC_FPS), Expected(ffc_max_ns=FFC_MAX_MS * 1_000_000))
    noise = random.Random(4)
    events = 24 * 3600 // FFC_EVERY_S
    for _ in range(events):
        camera.run(round(FFC_EVERY_S * FFC_FPS) - FFC_FRAMES, noise, DROPS)
        for _ in range(FFC_FRAMES):
            camera.poll(camera.now_ns + camera.period_ns)
            camera.beat(camera.now_ns, content=-1)
    return {"shutter_events": events, "shutter_failures": camera.failures}


def faults(found: dict[str, Any]) -> list[str]:
    wrong = []
    if found["false_alarms"]:
        wrong.append(f"{found['false_alarms']} false alarms")
    if found["detected"] != found["injected"] or found["max_periods"] > MAX_PERIODS + found["poll_periods"]:
        wrong.append(f"a death was told after {found['max_periods']} periods")
    wrong += [f"{name} after {n} frames" for name, n in found["pictures"].items() if n > PICTURE_FRAMES]
    if found["shutter_failures"]:
        wrong.append(f"{found['shutter_failures']} shutter events were failures")
    return wrong


if __name__ == "__main__":
    main()
