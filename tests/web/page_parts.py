"""A running status page whose line is played by the test."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from example_state import example_state

from radar_edge.clock import MonotonicClock
from radar_edge.config import LineConfig
from radar_edge.config.base import validate
from radar_edge.simulation.example_line import line_document
from radar_edge.web.process import PageProcess


def recent(part: int = 41, code: str = "PASS", reason: str = "GOOD") -> dict[str, Any]:
    return {
        "part": part, "seq": part, "trigger_id": part, "code": code, "reason": reason, "subset": "rgb_tir",
        "degraded": False,
        "score": 0.3, "threshold": 0.5, "p_value": 0.4, "contributions": {"rgb": 0.25, "tir": 0.75}, "sent_ms": 12.5,
    }  # fmt: skip


def well(**changes: Any) -> dict[str, Any]:
    """A line at work, now."""
    cameras = {
        f"top-{name}": {
            "modality": name, "state": "ok", "cause": "none", "usable": True, "ne107": 1, "since_s": 90.0
        }
        for name in ("rgb", "tir")
    }  # fmt: skip
    said = {
        "at_ns": time.monotonic_ns(), "run": 1, "status": ["READY"], "cameras": cameras, "engine": "rgb_tir",
        "drift": {}, "recent": [recent(40), recent()], "degraded_policy": "may_pass",
    }  # fmt: skip
    return example_state(**{**said, **changes})


def lost(*names: str) -> dict[str, Any]:
    """The cameras of a line that has lost these modalities."""
    cameras = well()["cameras"]
    for name in names:
        cameras[f"top-{name}"] |= {"state": "failed", "cause": "dead", "usable": False, "ne107": 5, "since_s": 3.0}
    return cameras


class Played:
    """The line's end of a page's feed."""

    def __init__(self, process: PageProcess) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(20)
        self.process = process
        self.port = int((process.url or "").rsplit(":", 1)[1].strip("/"))

    def send(self, header: dict[str, Any], data: bytes = b"") -> None:
        self._socket.sendto(json.dumps(header).encode() + b"\n" + data, str(self.process.address))

    def state(self, **changes: Any) -> None:
        self.send({"kind": "state", "state": well(**changes)})

    def pictures(self) -> None:
        grey = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))
        for name in ("rgb", "tir"):
            image = cv2.imencode(".jpg", grey)[1].tobytes()
            self.send({"kind": "image", "modality": name, "camera": f"top-{name}", "part": 41, "code": "PASS"}, image)
        heat = cv2.imencode(".png", grey)[1].tobytes()
        self.send({"kind": "heat", "subset": "rgb_tir", "modalities": ["rgb", "tir"], "part": 41, "code": "PASS"}, heat)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def until(self, path: str, wanted: str, limit_s: float = 30) -> dict[str, Any]:
        """The JSON at `path` once `wanted` stands in it."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            text = self.get(path)[2].decode()
            if wanted in text:
                found: dict[str, Any] = json.loads(text)
                return found
            time.sleep(0.05)
        raise AssertionError(f"{wanted} never stood in {path}")

    def fresh(self) -> dict[str, Any]:
        """The scene while it is fresh: told again and again, for a busy machine is late."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            self.state()
            found: dict[str, Any] = json.loads(self.get("/api/state")[2])
            if found["fresh"]:
                return found
        raise AssertionError("it was never fresh")

    def close(self) -> None:
        self._socket.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def line_config(folder: Path, **page: Any) -> LineConfig:
    document = {
        **line_document("unused"),
        "journal": {"path": str(folder / "journal.sqlite")},
        "evidence": {"folder": str(folder / "evidence")},
        "page": {"port": free_port(), "title": "Press 4", **page},
    }
    return validate(LineConfig, document, "line.yaml")


@contextmanager
def running_page(folder: Path, **page: Any) -> Iterator[Played]:
    config = line_config(folder, **page)
    with PageProcess(config, MonotonicClock(), lambda _: None) as process:
        played = Played(process)
        try:
            yield played
        finally:
            played.close()
