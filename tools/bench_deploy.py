"""SIGKILL of a deployment at random moments, on both sides: the unit must always start a whole, verified bundle.

    tools/bench_deploy.py [--times N] [--json]

A real ssh server on this machine with a scratch root as the unit (radar_edge/simulation/sshd.py). Two bundles are
deployed in turn with `radar-edge deploy`; at a random moment of each, everything of it is killed: the workstation's
processes, and what the server has started. Then `current` must lead to a bundle that opens, of the two. Every tenth
deployment is let be and must succeed. The last line on stdout is JSON with the figures, `faults` and the machine; exit
1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from radar_edge.benchmark.machine import machine
from radar_edge.device.slots import Slots
from radar_edge.errors import RadarEdgeError
from radar_edge.simulation.bright import CALIBRATION, write_bundle
from radar_edge.simulation.sshd import Sshd

LET_BE_EVERY = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    times = parser.parse_args().times
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), times)
    found["seconds"] = round(time.monotonic() - begun, 1)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def measure(folder: Path, times: int) -> dict[str, Any]:
    home = folder / "home"
    os.environ["RADAR_EDGE_HOME"] = str(home)
    keys = home / "keys"
    write_bundle(folder / "bundle0", keys)
    (keys / "signing.pub").rename(keys / "first.pub")
    (keys / "signing.key").unlink()
    write_bundle(folder / "bundle1", keys, CALIBRATION.model_copy(update={"target_frr": 0.31}))
    slots, chance = Slots(folder / "unit"), random.Random(0)
    faults: list[str] = []
    ended: Counter[str] = Counter()
    with Sshd(folder / "sshd", home) as sshd:
        took_s = deploy(folder, sshd, 0, None, faults)
        known = {slots.verify(slots.current or "a").sha256}
        for number in range(1, times + 1):
            kill_at_s = None if number % LET_BE_EVERY == 0 else chance.uniform(0.0, 1.1 * took_s)
            before = slots.current
            seconds = deploy(folder, sshd, number % 2, kill_at_s, faults)
            took_s = seconds if kill_at_s is None else took_s
            try:
                known.add(slots.verify(slots.current or "a").sha256)
            except RadarEdgeError as error:
                faults.append(f"deployment {number}, killed at {kill_at_s}: {error.problem}")
            ended["switched" if slots.current != before else "as it was"] += 1
            print(f"{number} of {times}: {dict(ended)}", file=sys.stderr, flush=True)
    if len(known) != 2:
        faults.append(f"{len(known)} bundles were started from, not 2")
    return {"times": times, "ended": dict(ended), "deployment_s": round(took_s, 1), "faults": faults[:20]}


def deploy(folder: Path, sshd: Sshd, number: int, kill_at_s: float | None, faults: list[str]) -> float:
    """One deployment, killed after so long or let be; how long it took."""
    command = [sys.executable, "-m", "radar_edge", "deploy", str(folder / f"bundle{number}"), sshd.host]
    command += ["--engine", "onnxruntime", "--root", str(folder / "unit"), "--take-over", "--port", str(sshd.port)]
    command += ["--identity", str(sshd.identity), "--remote-command", str(sshd.command)]
    command += [word for option in sshd.options for word in ("--ssh-option", option)]
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, text = process.communicate(timeout=kill_at_s)
        if process.returncode != 0:
            faults.append(f"a deployment that was let be failed: {text.decode()[-300:]}")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        kill_below(sshd.pid)
        process.communicate()
    return time.monotonic() - begun


def kill_below(pid: int) -> None:
    """All that the server has started, but not the server."""
    for child in children(pid):
        kill_below(child)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    main()
