"""Random requests against a running status page: none may bring a fault of ours, or a file from outside.

    tools/fuzz_page.py [--requests N] [--seed S] [--json]

Paths, methods, queries and headers are drawn, broken and mixed with traversal; some requests are cut off, some
clients leave at once. Counted: answers of 500 and above; bodies that hold the secret lying beside the evidence folder;
growth of the process's memory from the second tenth on; open files at the end. Exit 1 if any of it is not as it must.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from radar_edge.benchmark.machine import machine
from radar_edge.clock import MonotonicClock
from radar_edge.config import LineConfig
from radar_edge.config.base import validate
from radar_edge.simulation.example_line import line_document
from radar_edge.web.process import PageProcess

SECRET = b"the-secret-beside-the-folder"
WORDS = """/ events api state history 8 24 gallery view rgb.jpg heat.png static page.js evidence 1 .. %2e%2e ..%2f %00
secret secret.png journal.sqlite metrics %ff * -1 rgb .jpg etc/passwd ?token=x # % index.html"""
PIECES = (*WORDS.split(), "", "\\", "\xe9", "a" * 3000, "9" * 40)
METHODS = (*["GET"] * 12, "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW", "")
MOST_GROWTH_MIB = 8.0
FILES_MARGIN = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="as every tool takes it; the output is JSON anyway")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz(Path(folder), chosen.requests, random.Random(chosen.seed))
    print(json.dumps({"requests": chosen.requests, "seed": chosen.seed, **found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def fuzz(folder: Path, requests: int, rng: random.Random) -> dict[str, Any]:
    part = folder / "evidence" / "1" / "1"
    part.mkdir(parents=True)
    picture = cv2.imencode(".png", np.zeros((16, 16), np.uint8))[1].tobytes()
    (part / "rgb.png").write_bytes(picture)
    for name in ("secret", "secret.png", "journal.sqlite"):
        (folder / name).write_bytes(picture[:8] + SECRET)
    answers: Counter[str] = Counter()
    leaks = 0
    memory = []
    with PageProcess(config(folder), MonotonicClock(), lambda _: None) as page:
        port = int((page.url or "").rsplit(":", 1)[1].strip("/"))
        feed(page.address)
        ask(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        files = open_files(page.pid)
        for number in range(requests):
            answer = ask(port, request(rng), leave=rng.random() < 0.05)
            answers[answer[9:12].decode("latin-1") or "none"] += 1
            leaks += SECRET in answer
            if number % max(1, requests // 10) == 0:
                feed(page.address)
                memory.append(rss_mib(page.pid))
        time.sleep(0.5)
        left = open_files(page.pid) - files
        lives = page.pid > 0 and rss_mib(page.pid) > 0
    growth = memory[-1] - memory[min(1, len(memory) - 1)]
    faults = [f"{count} answers {code}" for code, count in answers.items() if code.startswith("5")]
    faults += [f"{leaks} answers held a foreign file"] if leaks else []
    faults += [f"memory grew by {growth:.1f} MiB"] if growth > MOST_GROWTH_MIB else []
    faults += [f"{left} files were left open"] if left > FILES_MARGIN else []
    faults += [] if lives else ["the process died"]
    return {
        "answers": dict(answers),
        "leaks": leaks,
        "growth_mib": round(growth, 2),
        "files_left": left,
        "faults": faults,
    }


def config(folder: Path) -> LineConfig:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    document = {
        **line_document("unused"), "page": {"port": port},
        "journal": {"path": str(folder / "journal.sqlite")}, "evidence": {"folder": str(folder / "evidence")},
    }  # fmt: skip
    return validate(LineConfig, document, "line.yaml")


def feed(address: Path) -> None:
    state = {"kind": "state", "state": {"at_ns": time.monotonic_ns(), "cameras": {}, "status": []}}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(json.dumps(state).encode() + b"\n", str(address))


def request(rng: random.Random) -> bytes:
    path = "/" + "/".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6)))
    if rng.random() < 0.1:
        path = "".join(chr(rng.randint(33, 255)) for _ in range(rng.randint(1, 80)))
    headers = {
        "Host": rng.choice((*["localhost"] * 8, "127.0.0.1:80", "evil.example", "", "[::1]")),
        "Connection": "close",
    }
    for _ in range(rng.randint(0, 3)):
        headers[rng.choice(("Cookie", "Range", "Authorization", "Accept", "X-" + "y" * 20, "Content-Length"))] = (
            "".join(chr(rng.randint(32, 126)) for _ in range(rng.choice((0, 3, 40, 9000))))
        )
    text = f"{rng.choice(METHODS)} {path} HTTP/1.{rng.choice('011129')}\r\n"
    text += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    data = text.encode("latin-1")
    return data[: rng.randint(1, len(data))] if rng.random() < 0.05 else data


def ask(port: int, data: bytes, *, leave: bool = False) -> bytes:
    """The beginning of the answer; empty if there was none. An event stream is left after its first piece."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        found = b""
        try:
            connection.sendall(data)
            if leave:
                return b""
            if not data.endswith(b"\r\n\r\n"):
                connection.shutdown(socket.SHUT_WR)
            while len(found) < 1 << 20 and (chunk := connection.recv(65536)):
                found += chunk
                if b"text/event-stream" in found:
                    break
        except OSError:
            return found
        return found


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def rss_mib(pid: int) -> float:
    line = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
