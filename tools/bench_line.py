"""Ten minutes of a real line in real time: two GigE Vision cameras, and every fault that `radar-edge simulate` knows.

    tools/bench_line.py [--minutes N] [--json]

The cameras are Aravis' fake GigE cameras, processes of their own in a network namespace (unshare -rn: two of them need
two addresses), 512 x 512, RGB8 and Mono16 at 25 fps. Engines that cost nothing, SQLite on disk, a simulated PLC on a
cable; 5 parts a second. Each round of faults hits both cameras with each of theirs, then the line with each of its own.

The last line on stdout is JSON: the findings of `simulate`, the kills' figures, `faults` and the machine; exit 1 if
there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from radar_edge.benchmark.machine import machine
from radar_edge.config import LineConfig, load_config, resolve_paths
from radar_edge.simulation.bright import CALIBRATION, write_bundle, write_parts
from radar_edge.simulation.example_line import line_document
from radar_edge.simulation.faults import CAMERA_FAULTS, LINE_FAULTS, FaultPlan
from radar_edge.simulation.rehearsal import rehearse, unfinished
from radar_edge.simulation.rehearsal_report import findings

FAKE = "arv-fake-gv-camera-0.8"
CAMERAS = {"rgb": ("10.9.0.1", "RGB8"), "tir": ("10.9.0.2", "Mono16")}
FPS = 25
INSIDE = "RADAR_EDGE_BENCH_NAMESPACE"
FIRST_S, PAUSE_S = 5.0, 18.0
"""A GigE camera that lost its process keeps its control for 3 s, and is back some seconds later."""
LASTS_S = {"disk_full": 8.0, "engine_hang": 1.0, "plc_silence": 2.0, "unplug": 2.0}
CAMERA_LASTS_S = 3.0
LIMITS = {"threshold": 0.9, "ng_threshold": 1.5}
"""Above the fake cameras' pattern: its parts pass."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    minutes = parser.parse_args().minutes
    if shutil.which(FAKE) is None:
        raise SystemExit(f"{FAKE} is not installed (make peers)")
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), minutes)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def measure(folder: Path, minutes: float) -> dict[str, Any]:
    os.environ["RADAR_EDGE_HOME"] = str(folder / "home")
    write_bundle(folder / "bundle", folder / "home" / "keys", CALIBRATION.model_copy(update=LIMITS))
    write_parts(folder / "parts")
    (folder / "line.yaml").write_text(yaml.safe_dump(line()))
    (folder / "faults.yaml").write_text(yaml.safe_dump(plan(60 * minutes)))
    config = resolve_paths(load_config(LineConfig, folder / "line.yaml"), folder)
    faults = load_config(FaultPlan, folder / "faults.yaml")
    with ExitStack() as stack:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for number, (address, _) in enumerate(CAMERAS.values()):
            subprocess.run(["ip", "address", "add", f"{address}/24", "dev", "lo"], check=True)
            camera = subprocess.Popen(
                [FAKE, "-i", address, "-s", f"GV{number}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(camera.kill)
        time.sleep(1)
        run = rehearse(config, faults, folder / "out", report=lambda text: print(text, file=sys.stderr, flush=True))
    found = findings(run, config)
    found["faults"] += [f"{name} did not come to its end" for name in unfinished(faults, run.done)]
    kills = [figures for figures in found["rehearsed"] if figures["fault"] == "kill"]
    found["kill_told_ms"] = sorted(figures["told_ms"] for figures in kills)
    found["kill_bar_ms"] = kills[0]["bar_ms"]
    found["minutes"] = minutes
    return found


def line() -> dict[str, Any]:
    """The line.yaml of the tiny bundle, with GigE cameras."""
    document = line_document("none")
    document["cameras"] = [
        {
            "backend": "aravis",
            "camera_id": f"{name}-camera",
            "modality": name,
            "fps": FPS,
            "device": address,
            "pixel_format": pixel_format,
        }
        for name, (address, pixel_format) in CAMERAS.items()
    ]
    return document


def plan(seconds: float) -> dict[str, Any]:
    """Rounds of all faults, one after the other, as many as fit."""
    faults: list[dict[str, Any]] = []
    at_s = FIRST_S
    cameras = [(fault, f"{name}-camera") for fault in CAMERA_FAULTS for name in CAMERAS]
    one_round = [*cameras, *((fault, None) for fault in LINE_FAULTS)]
    for number in range(10_000):
        fault, camera = one_round[number % len(one_round)]
        for_s = LASTS_S.get(fault, CAMERA_LASTS_S)
        if at_s + for_s + PAUSE_S > seconds:
            break
        faults.append({"fault": fault, "camera": camera, "at_s": at_s, "for_s": for_s})
        at_s += for_s + PAUSE_S
    return {"schema_version": 1, "seconds": seconds, "faults": faults}


if __name__ == "__main__":
    main()
