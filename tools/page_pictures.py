"""The pictures of the status page in docs/images: a real line, its page, and headless Chromium.

    tools/page_pictures.py BUNDLE SET OUT

BUNDLE judges parts of the data set SET (test/good, and every fourth part from another class) behind replay cameras; a
simulated PLC polls over a pty. Cameras are lost by stopping their processes, the PLC by ending it. The picture of
`recalibrate` alone is told, not lived through: the last state with a drift written into it. Prints nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from radar_edge.clock import MonotonicClock
from radar_edge.config import LineConfig, load_config, resolve_paths
from radar_edge.simulation.cable import Cable
from radar_edge.web.process import PageProcess

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
SIZE = (1280, 1000)
Told = tuple[dict[str, Any], dict[str, bytes]]
"""The last state, and the last picture of each modality."""
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        driver = stack.enter_context(browser(folder / "profile"))
        told = real_pictures(folder, chosen.bundle.resolve(), chosen.set.resolve(), chosen.out, driver)
        told_picture(folder, told, chosen.out, driver)


def real_pictures(folder: Path, bundle: Path, data: Path, out: Path, driver: Any) -> Told:
    with Cable() as cable:
        port = write_line(folder, bundle, data, str(cable.a))
        run = [sys.executable, "-m", "radar_edge", "run", str(folder / "line.yaml"), "--allow-unsigned"]
        line = subprocess.Popen(run, stderr=subprocess.DEVNULL)
        command = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--parts", "100000"]
        command += ["--period-ms", "300", "--window-ms", "600", "--out", str(folder / "plc.jsonl")]
        plc = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            until(lambda: (folder / "state.json").exists() and read(folder)["parts"] > 60)
            driver.get(f"http://127.0.0.1:{port}/")
            time.sleep(12)  # the history and the gallery are asked for every ten seconds
            until(lambda: (read_scene(port)["heat"] or {}).get("code") == "REJECT")
            shoot(driver, "RUNNING", out / "page-running.png", settle_s=0)
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
            shoot(driver, "RUNNING", out / "page-phone.png")
            driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            with stopped(folder, "top-tir"):
                shoot(driver, "DEGRADED", out / "page-one-lost.png")
                with stopped(folder, "top-rgb"):
                    shoot(driver, "NOT READY", out / "page-both-lost.png", settle_s=2)
            until(lambda: all(camera["usable"] for camera in read(folder)["cameras"].values()))
            until(lambda: read(folder)["engine"] == "rgb_tir")
            time.sleep(3)
            state = read_scene(port)["state"]
            pictures = {name: fetched(port, f"/view/{name}.jpg") for name in ("rgb", "tir")}
            plc.terminate()
            shoot(driver, "PLC SILENT", out / "page-plc-silent.png")
            return state, pictures
        finally:
            for process in (plc, line):
                process.terminate()
                process.wait(10)


def told_picture(folder: Path, told: Told, out: Path, driver: Any) -> None:
    state, pictures = told
    config = resolve_paths(load_config(LineConfig, folder / "line.yaml"), folder)
    drifting = {
        "state": "recalibrate",
        "direction": "up",
        "evidence": 17.4,
        "limit": 16.8,
        "parts": 912,
        "since_part": 640,
        "lots": [],
    }
    with (
        PageProcess(config, MonotonicClock(), lambda _: None) as page,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        for name, data in pictures.items():
            head = {"kind": "image", "modality": name, "camera": f"top-{name}", "part": 0, "code": "PASS"}
            sender.sendto(json.dumps(head).encode() + b"\n" + data, str(page.address))
        stop = threading.Event()

        def tell() -> None:
            while not stop.wait(0.2):
                told = {**state, "at_ns": time.monotonic_ns(), "drift": {"rgb_tir": drifting}}
                sender.sendto(json.dumps({"kind": "state", "state": told}).encode() + b"\n", str(page.address))

        telling = threading.Thread(target=tell)
        telling.start()
        driver.get(page.url)
        shoot(driver, "RECALIBRATE", out / "page-recalibrate.png")
        stop.set()
        telling.join()


def write_line(folder: Path, bundle: Path, data: Path, port: str) -> int:
    goods = sorted((data / "test" / "good" / "rgb").iterdir())
    bad = [
        path
        for kind in sorted((data / "test").iterdir())
        if kind.name != "good"
        for path in sorted((kind / "rgb").iterdir())[:3]
    ]
    cycle = []
    for number, good in enumerate(goods[:60]):
        cycle.append(bad[(number // 4) % len(bad)] if number % 4 == 3 else good)
    cameras = [
        {
            "backend": "replay", "camera_id": f"top-{name}", "modality": name, "fps": 30,
            "files": [str(next((part.parent.parent / name).glob(f"{part.stem}.*"))) for part in cycle],
        }
        for name in ("rgb", "tir")
    ]  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as server:
        page_port = int(server.getsockname()[1])
    document = {
        "schema_version": 1, "bundle": str(bundle), "engine": "onnxruntime", "deadline_ms": 280, "pair_wait_ms": 120,
        "cameras": cameras, "routing": {"degraded": "may_pass"}, "plc": {"driver": "modbus-slave", "port": port},
        "journal": {"path": "journal.sqlite"}, "evidence": {"folder": "evidence"},
        "page": {"port": page_port, "title": "Press 4"},
    }  # fmt: skip
    (folder / "line.yaml").write_text(yaml.safe_dump(document))
    return page_port


@contextmanager
def stopped(folder: Path, camera: str) -> Iterator[None]:
    """The camera's process hangs; so does each new one."""
    over = threading.Event()

    def hold() -> None:
        while not over.wait(0.05):
            with suppress(OSError, ValueError, KeyError, ProcessLookupError):
                os.kill(read(folder)["pids"][camera], signal.SIGSTOP)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join()
        with suppress(OSError, ValueError, KeyError):  # it may have been killed already
            os.kill(read(folder)["pids"][camera], signal.SIGCONT)


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return found


def fetched(port: int, path: str) -> bytes:
    with urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        data: bytes = answer.read()
        return data


def read_scene(port: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fetched(port, "/api/state"))
    return found


def until(condition: Callable[[], bool], limit_s: float = 90) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("it never came to that")
        time.sleep(0.05)


def shoot(driver: Any, word: str, path: Path, settle_s: float = 1) -> None:
    until(lambda: driver.execute_script("return document.getElementById('banner-word').innerText") == word)
    time.sleep(settle_s)
    driver.save_screenshot(str(path))


@contextmanager
def browser(profile: Path) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        "--lang=en",
    ):
        options.add_argument(switch)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.set_window_size(*SIZE)
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
