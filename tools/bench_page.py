"""What onlookers cost the line: real processes and a pty; the page open on 20 clients beside one that never reads.

    tools/bench_page.py [--pairs N] [--seconds S] [--json]

Pairs of runs in turn, each of its own line: without a page, and with a page that 20 clients follow as browsers do
(every event, every new picture). From the journals: the p99 from a part's trigger to its verdict, and the ratio of each
pair. The clients run at the lowest priority: on a plant they run on other machines. In the last run the page's process
is killed half-way. At the end headless Chromium, where there is one, opens the page of a running line: usable_ms is
from the start of the navigation until the page says RUNNING. The last line on stdout is JSON; exit 1 unless the median
ratio is at most 1.15, no deadline was missed and every part got the verdict that it must.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from radar_edge.benchmark.machine import machine
from radar_edge.runtime.journal_file import read_parts
from radar_edge.simulation.bright import is_bad, write_bundle, write_parts
from radar_edge.simulation.cable import Cable
from radar_edge.simulation.example_line import line_document

CLIENTS = 20
PERIOD_MS = 100
MOST_RATIO = 1.15
WARM_PARTS = 10
MOST_USABLE_MS = 1000
LOADS = 5
CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    parser.add_argument("--clients-of", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.clients_of is not None:
        asyncio.run(watch_all(chosen.clients_of))
        return
    found = measure(chosen.pairs, chosen.seconds)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def measure(pairs: int, seconds: float) -> dict[str, Any]:
    alone: list[dict[str, Any]] = []
    watched: list[dict[str, Any]] = []
    for number in range(pairs):
        alone.append(one_run(seconds, page=False, kill=False))
        watched.append(one_run(seconds, page=True, kill=number == pairs - 1))
        print(f"pair {number + 1}: {alone[-1]} {watched[-1]}", file=sys.stderr)
    usable = usable_ms()
    ratios = [w["p99_ms"] / a["p99_ms"] for a, w in zip(alone, watched, strict=True)]
    runs = [*alone, *watched]
    missed, wrong = sum(run["missed"] for run in runs), sum(run["wrong"] for run in runs)
    median = float(np.median(ratios))
    faults = [f"the median ratio is {median:.3f}, wanted at most {MOST_RATIO}"] if median > MOST_RATIO else []
    faults += [f"{missed} deadlines missed"] if missed else []
    faults += [f"the page was usable after {usable} ms, wanted at most {MOST_USABLE_MS}"] if usable_late(usable) else []
    faults += [f"{wrong} parts with another verdict than they must have"] if wrong else []
    return {
        "clients": CLIENTS, "ratios": [round(r, 3) for r in ratios], "median_ratio": round(median, 3),
        "p99_ms": {"alone": [r["p99_ms"] for r in alone], "watched": [r["p99_ms"] for r in watched]},
        "parts": sum(run["parts"] for run in runs), "missed": missed, "wrong": wrong,
        "events_per_client": round(float(np.mean([r["events"] for r in watched])), 1),
        "usable_ms": usable,
        "page_killed_in_the_last_run": True, "faults": faults,
    }  # fmt: skip


def usable_late(usable: list[float]) -> bool:
    return bool(usable) and float(np.median(usable)) > MOST_USABLE_MS


def usable_ms() -> list[float]:
    """Of LOADS openings, each without a cache; empty without Chromium."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        return []
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for switch in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(switch)
        cable = stack.enter_context(Cable())
        port, _ = started_line(stack, folder, str(cable.a), page=True)
        plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--parts", "100000"]
        started(stack, [*plc, "--period-ms", "200", "--window-ms", "400", "--out", str(folder / "plc.jsonl")])
        driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
        stack.callback(driver.quit)
        driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        return [round(opened_ms(driver, f"http://127.0.0.1:{port}/"), 1) for _ in range(LOADS)]


def opened_ms(driver: Any, url: str) -> float:
    """`performance.now()` counts from the start of the navigation (W3C High Resolution Time)."""
    driver.get("about:blank")
    driver.get(url)
    seen = """const done = arguments[0]; const look = () => {
        if (document.getElementById('banner-word').innerText === 'RUNNING') done(performance.now());
        else requestAnimationFrame(look); }; look();"""
    return float(driver.execute_async_script(seen))


def one_run(seconds: float, *, page: bool, kill: bool) -> dict[str, Any]:
    parts = round(seconds * 1000 / PERIOD_MS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cable = stack.enter_context(Cable())
        port, line = started_line(stack, folder, str(cable.a), page=page)
        plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--parts", str(parts)]
        plc += ["--period-ms", str(PERIOD_MS), "--window-ms", "400", "--out", str(folder / "plc.jsonl")]
        clients = started(stack, [sys.executable, __file__, "--clients-of", str(port)]) if page else None
        if clients is not None and clients.stdout is not None:
            clients.stdout.readline()  # all of them are there
        master = started(stack, plc)
        if kill:
            time.sleep(seconds / 2)
            os.kill(page_pid(line.pid), signal.SIGKILL)
        master.wait()
        events = 0
        if clients is not None:
            clients.terminate()
            events = json.loads(clients.communicate()[0].splitlines()[-1])["events"]
        line.terminate()
        line.wait(10)
        return {**figures(read_parts(folder / "journal.sqlite"), parts), "events": events}


def started_line(stack: ExitStack, folder: Path, port: str, *, page: bool) -> tuple[int, subprocess.Popen[str]]:
    """The page's port, and the line's process once it is ready."""
    write_bundle(folder / "bundle", folder / "home" / "keys")
    write_parts(folder / "parts")
    page_port = free_port()
    document = line_document(port) | ({"page": {"port": page_port}} if page else {})
    # on a machine that is busy with clients no camera is lost for a moment's delay
    document["health"] = {"tolerated_drops": 9}
    (folder / "line.yaml").write_text(yaml.safe_dump(document))
    run = [sys.executable, "-m", "radar_edge", "run", str(folder / "line.yaml")]
    line = started(stack, run, env={**os.environ, "RADAR_EDGE_HOME": str(folder / "home")})
    wait_ready(folder / "state.json")
    return page_port, line


def figures(rows: list[dict[str, Any]], parts: int) -> dict[str, Any]:
    judged = rows[WARM_PARTS:]
    wrong = sum(row["code"] != ("REJECT" if is_bad(row["trigger_id"]) else "PASS") for row in rows[:parts])
    return {
        "p99_ms": round(float(np.percentile([row["sent_ms"] for row in judged], 99)), 2),
        "parts": len(rows),
        "missed": sum(row["reason"] == "DEADLINE" for row in rows),
        "wrong": wrong,
    }


def started(stack: ExitStack, command: list[str], env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_ready(state: Path) -> None:
    end = time.monotonic() + 60
    while not (state.exists() and "READY" in json.loads(state.read_text())["status"]):
        if time.monotonic() > end:
            raise SystemExit("the line never became READY")
        time.sleep(0.05)


def page_pid(line: int) -> int:
    tasks = Path(f"/proc/{line}/task").iterdir()
    pids = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return next(pid for pid in pids if b"radar_edge.web.serve" in Path(f"/proc/{pid}/cmdline").read_bytes())


# --- the clients, in a process of their own


async def watch_all(port: int) -> None:
    os.nice(19)
    seen = [0] * CLIENTS
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with socket.create_connection(("127.0.0.1", port)) as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        tasks = [asyncio.create_task(watch(port, seen, n)) for n in range(CLIENTS)]
        while min(seen) == 0 and not stop.is_set():
            await asyncio.sleep(0.05)
        print("watching", flush=True)
        await stop.wait()
        for task in tasks:
            task.cancel()
    print(json.dumps({"events": sum(seen) / CLIENTS}), flush=True)


async def watch(port: int, seen: list[int], number: int) -> None:
    """One browser: when the page goes it asks again, as an EventSource does."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            await follow(port, seen, number)
        await asyncio.sleep(1)


async def follow(port: int, seen: list[int], number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    shown: dict[str, int] = {}
    while line := await reader.readline():
        if not line.startswith(b"data: "):
            continue
        seen[number] += 1
        scene = json.loads(line[6:])
        wanted = {f"/view/{name}.jpg": picture["version"] for name, picture in scene["images"].items()}
        if scene["heat"]:
            wanted["/view/heat.png"] = scene["heat"]["version"]
        for path in [path for path, version in wanted.items() if shown.get(path) != version]:
            await fetch(port, path)
        shown = wanted


async def fetch(port: int, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    await reader.read()
    writer.close()


if __name__ == "__main__":
    main()
