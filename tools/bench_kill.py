"""SIGKILL of the running line at random moments, again and again, while a PLC goes on announcing parts.

    tools/bench_kill.py [--times N] [--json]

Real processes on a pty, SQLite on disk; 10 parts a second, every fifth one bad. The truth is the PLC's own record and
what the parts show. After the last life:

wrong      parts that the PLC passed although they are bad
twice      trigger ids that it passed more than once
lost       parts that it passed and whose PASS is not in the journal as an intent
unreadable lives after which the journal could not be read

The last line on stdout is JSON with the figures, `faults` and the machine; exit 1 if any of them is not 0.
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
from pathlib import Path
from typing import Any

import yaml

from radar_edge.benchmark.machine import machine
from radar_edge.errors import StorageError
from radar_edge.runtime.journal_file import read_parts
from radar_edge.simulation.bright import is_bad, write_bundle, write_parts
from radar_edge.simulation.cable import Cable
from radar_edge.simulation.example_line import line_document

PER_S = 10
LONGEST_S = 1.5
"""A life after READY, at most."""
ANY_NUMBER = 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    times = parser.parse_args().times
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), times)
    found["seconds"] = round(time.monotonic() - begun, 1)
    found["faults"] = [f"{found[name]} {name}" for name in ("wrong", "twice", "lost", "unreadable") if found[name]]
    if not found["passed"]:
        found["faults"].append("no part was passed: nothing was tested")
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def measure(folder: Path, times: int) -> dict[str, Any]:
    write_bundle(folder / "bundle", folder / "home" / "keys")
    write_parts(folder / "parts")
    chance = random.Random(1)
    unreadable = 0
    with Cable() as cable:
        (folder / "line.yaml").write_text(yaml.safe_dump(line_document(str(cable.a))))
        plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--parts", str(ANY_NUMBER)]
        plc += ["--period-ms", str(1000 / PER_S), "--window-ms", "400", "--out", str(folder / "plc.jsonl")]
        master = subprocess.Popen(plc, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(times):
                live_and_die(folder, chance)
                unreadable += not readable(folder / "journal.sqlite")
        finally:
            master.terminate()
            master.wait(10)
    return {"times": times, "unreadable": unreadable, **judge(folder)}


def live_and_die(folder: Path, chance: random.Random) -> None:
    """One life of the line, ended by SIGKILL at a random moment after READY."""
    state = folder / "state.json"
    state.unlink(missing_ok=True)
    environment = {**os.environ, "RADAR_EDGE_HOME": str(folder / "home")}
    run = [sys.executable, "-m", "radar_edge", "run", str(folder / "line.yaml")]
    with (folder / "run.log").open("ab") as log:
        line = subprocess.Popen(run, env=environment, stdout=log, stderr=log)
        begun = time.monotonic()
        while not (state.exists() and "READY" in json.loads(state.read_text())["status"]):
            if line.poll() is not None or time.monotonic() - begun > 60:
                raise SystemExit(f"the line did not become READY: {(folder / 'run.log').read_text()[-2000:]}")
            time.sleep(0.01)
        time.sleep(chance.uniform(0, LONGEST_S))
        line.send_signal(signal.SIGKILL)
        line.wait()


def readable(journal: Path) -> bool:
    try:
        read_parts(journal)
    except StorageError:
        return False
    return True


def judge(folder: Path) -> dict[str, Any]:
    text = (folder / "plc.jsonl").read_text()
    rows = [json.loads(row) for row in text[: text.rfind("\n") + 1].splitlines()]
    passed = [row["trigger_id"] for row in rows if row["accepted"]]
    journal = read_parts(folder / "journal.sqlite")
    intents = {row["trigger_id"] for row in journal if row["intent_code"] == "PASS"}
    states = Counter(row["state"] for row in journal)
    return {
        "parts": len(rows),
        "passed": len(passed),
        "wrong": sum(is_bad(trigger_id) for trigger_id in passed),
        "twice": sum(count > 1 for count in Counter(passed).values()),
        "lost": sum(trigger_id not in intents for trigger_id in passed),
        "journalled": len(journal),
        "closed_after_a_kill": states["restart"],
    }


if __name__ == "__main__":
    main()
