"""What the line itself costs: real processes and a pty, two cameras of full size, an engine that costs nothing.

    tools/bench_pipeline.py [--minutes M] [--json]

5 triggers a second; RGB 1920 x 1200 and TIR 640 x 512 (16 bit) at 30 fps. From the journal of the run:

overhead_ms   from the grab of a part's last frame to its verdict at the link, without preprocess and engine
bare_ms       the same frame through two copies, two checksums and a write to a pty, in this process, meanwhile
ready_s       from the start of the process until its status says READY
memory        of the line and of its cameras, every second; growth between the second and the last fifth of the run

The last line on stdout is JSON with the figures, `faults` and the machine; exit 1 if a figure falls short: p99 of the
overhead at most 2 ms, or twice that of the bare copy; READY within 3 s; no growth of more than 2 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from radar_edge.benchmark.machine import machine
from radar_edge.runtime.capture.ring import checksum
from radar_edge.runtime.journal_file import read_parts
from radar_edge.simulation.bright import write_bundle
from radar_edge.simulation.cable import Cable
from radar_edge.simulation.example_line import line_document

PER_S = 5
SIZES = {"rgb": (1200, 1920, 3, 8), "tir": (512, 640, 1, 16)}
PERCENTILES = (50, 95, 99)
READY_S, MOST_MS, BARE_TIMES, GROWTH = 3.0, 2.0, 2.0, 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), round(minutes * 60 * PER_S))
    found["faults"] = faults(found)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def measure(folder: Path, parts: int) -> dict[str, Any]:
    write_bundle(folder / "bundle", folder / "home" / "keys")
    environment = {**os.environ, "RADAR_EDGE_HOME": str(folder / "home")}
    with Cable() as cable:
        (folder / "line.yaml").write_text(yaml.safe_dump(document(str(cable.a))))
        plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--parts", str(parts)]
        plc += ["--period-ms", str(1000 / PER_S), "--window-ms", "400", "--out", str(folder / "plc.jsonl")]
        begun = time.monotonic()
        line = subprocess.Popen([sys.executable, "-m", "radar_edge", "run", str(folder / "line.yaml")], env=environment,
                                stderr=subprocess.DEVNULL)  # fmt: skip
        master = subprocess.Popen(plc, stdout=subprocess.PIPE, text=True)
        try:
            ready_s = wait_ready(folder / "state.json", begun)
            memory, bare = watch(line, master)
            cpu_s = cpu_seconds(line.pid)
            summary = json.loads((master.communicate()[0]).splitlines()[-1])
        finally:
            for process in (master, line):
                process.terminate()
                process.wait(10)
    rows = [row for row in read_parts(folder / "journal.sqlite") if row["state"] != "not_delivered"]
    return {
        "parts": len(rows),
        "missing": summary["missing"],
        "overhead_ms": spread([overhead_ms(row) for row in rows if "engine" in row["latency_ms"]]),
        "preprocess_ms": spread([row["latency_ms"]["preprocess"] for row in rows if "engine" in row["latency_ms"]]),
        "bare_ms": spread(bare),
        "ready_s": round(ready_s, 2),
        "cpu_ms_per_part": {name: round(1e3 * seconds / len(rows), 2) for name, seconds in cpu_s.items()},
        "memory_mib": {name: growth(values) for name, values in memory.items()},
    }


def document(port: str) -> dict[str, Any]:
    cameras = [
        {"backend": "synthetic", "camera_id": f"{name}-camera", "modality": name, "fps": 30, "height": height,
         "width": width, "channels": channels, "bit_depth": bits}
        for name, (height, width, channels, bits) in SIZES.items()
    ]  # fmt: skip
    return {**line_document(port), "cameras": cameras}


def wait_ready(state: Path, begun: float) -> float:
    while time.monotonic() - begun < 60:
        if state.exists() and "READY" in json.loads(state.read_text())["status"]:
            return time.monotonic() - begun
        time.sleep(0.02)
    raise SystemExit("the line never became READY")


def watch(line: subprocess.Popen[bytes], master: subprocess.Popen[str]) -> tuple[dict[str, list[float]], list[float]]:
    """Memory every second, and bare copies in between, until the PLC has seen every part."""
    image = np.random.default_rng(0).integers(0, 255, (1200, 1920, 3)).astype(np.uint8)
    shared = np.zeros_like(image)
    memory: dict[str, list[float]] = {"line": [], "cameras": []}
    bare: list[float] = []
    with Cable() as cable:
        ends = [os.open(end, os.O_RDWR | os.O_NOCTTY) for end in (cable.a, cable.b)]
        while master.poll() is None:
            children = children_of(line.pid)
            memory["line"].append(rss_mib(line.pid))
            memory["cameras"].append(sum(rss_mib(child) for child in children))
            until = time.monotonic() + 1
            while time.monotonic() < until:
                bare.append(bare_copy(image, shared, ends))
                time.sleep(0.15)
        for end in ends:
            os.close(end)
    return memory, bare


def bare_copy(image: np.ndarray, shared: np.ndarray, ends: list[int]) -> float:
    begun = time.perf_counter()
    before = checksum(image)
    shared[:] = image
    copy = shared.copy()
    if checksum(copy) != before:
        raise AssertionError
    os.write(ends[0], b"verdict\n")
    os.read(ends[1], 64)
    return 1e3 * (time.perf_counter() - begun)


def overhead_ms(row: dict[str, Any]) -> float:
    """Sent minus grabbed, without preprocess and engine."""
    laps = row["latency_ms"]
    grabbed = laps["frames"] - laps["frame_age"]
    return float(row["sent_ms"] - grabbed - laps["preprocess"] - laps["engine"])


def spread(values: list[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(values, p)), 3) for p in PERCENTILES}


def growth(values: list[float]) -> dict[str, float]:
    """Of the median: the last fifth against the second."""
    fifth = max(len(values) // 5, 1)
    early, late = (float(np.median(part)) for part in (values[fifth : 2 * fifth], values[-fifth:]))
    return {"early": round(early, 1), "late": round(late, 1), "growth": round(late / early - 1, 4)}


def rss_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")) / 1024


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def cpu_seconds(pid: int) -> dict[str, float]:
    tick = os.sysconf("SC_CLK_TCK")

    def of(one: int) -> float:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / tick

    return {"line": of(pid), "cameras": sum(of(child) for child in children_of(pid))}


def faults(found: dict[str, Any]) -> list[str]:
    wrong = []
    p99, bare = found["overhead_ms"]["p99"], found["bare_ms"]["p99"]
    if p99 > max(MOST_MS, BARE_TIMES * bare):
        wrong.append(f"the line adds {p99} ms, a bare copy takes {bare} ms")
    if found["ready_s"] > READY_S:
        wrong.append(f"READY after {found['ready_s']} s")
    if found["missing"]:
        wrong.append(f"{found['missing']} parts without a verdict")
    wrong += [f"memory of the {name} grows by {one['growth']:.1%}" for name, one in found["memory_mib"].items()
              if one["growth"] > GROWTH]  # fmt: skip
    return wrong


if __name__ == "__main__":
    main()
