"""The process of the status page: `python -m radar_edge.web.serve`, started by web.process alone.

Its order is one line of JSON on stdin; when stdin ends, the line has ended, and so does it. Both sockets are inherited.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from radar_edge.web.events import Bell
from radar_edge.web.metrics import CONTENT_TYPE, exposition
from radar_edge.web.scene import Scene
from radar_edge.web.server import Pages, Place, build
from radar_edge.web.temperatures import temperatures_c

NICE = 10
"""Whoever looks must not slow the line."""
TEMPERATURES_EVERY_S = 2.0
MOST_BYTES = 1 << 18


class Extra:
    """What this process adds to the scene: temperatures, read now and then."""

    def __init__(self) -> None:
        self._read_s = -TEMPERATURES_EVERY_S
        self._found: dict[str, float] = {}

    def __call__(self) -> dict[str, Any]:
        now_s = time.monotonic()
        if now_s - self._read_s >= TEMPERATURES_EVERY_S:
            self._found, self._read_s = temperatures_c(), now_s
        return {"temperatures_c": self._found}


def main() -> None:
    order = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the line, which then ends this process
    os.nice(NICE)
    threading.Thread(target=end_with_the_line, daemon=True).start()
    asyncio.run(serve(order))


def end_with_the_line() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(0)


async def serve(order: dict[str, Any]) -> None:
    scene, bell, extra = Scene(), Bell(), Extra()
    with socket.socket(fileno=order["feed_fd"]) as feed, socket.socket(fileno=order["listen_fd"]) as listening:
        feed.setblocking(False)
        asyncio.get_running_loop().add_reader(feed.fileno(), lambda: take_all(feed, scene, bell))
        evidence = None if order["evidence"] is None else Path(order["evidence"])
        place = Place(order["title"], Path(order["journal"]), evidence)

        def metrics() -> tuple[bytes, str]:
            state = scene.state if scene.fresh(time.monotonic_ns()) else None
            return exposition(None if state is None else {**state, **extra()}), CONTENT_TYPE

        token = None if order["token_file"] is None else Path(order["token_file"]).read_text(encoding="utf-8").strip()
        app = build(Pages(scene, bell, place, extra, metrics), token=token, local_only=order["local_only"])
        config = uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False,
            timeout_keep_alive=30, timeout_graceful_shutdown=1,
        )  # fmt: skip
        await uvicorn.Server(config).serve(sockets=[listening])


def take_all(feed: socket.socket, scene: Scene, bell: Bell) -> None:
    """Everything that waits: only the newest is shown."""
    try:
        while True:
            scene.take(feed.recv(MOST_BYTES))
    except BlockingIOError:
        bell.ring()


if __name__ == "__main__":
    main()
