"""The process of the status page and the telemetry: `python -m radar_edge.web.serve`, started by web.process alone.

Its order is one line of JSON on stdin; when stdin ends, the line has ended, and so does it. Sockets are inherited.
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
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import uvicorn

from radar_edge.config import MqttConfig, PageConfig
from radar_edge.web.events import Bell
from radar_edge.web.metrics import CONTENT_TYPE, exposition
from radar_edge.web.mqtt import Mqtt
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
    with ExitStack() as stack:
        feed = stack.enter_context(socket.socket(fileno=order["feed_fd"]))
        feed.setblocking(False)
        teller = None
        if order["mqtt"] is not None:
            teller = Teller(stack.enter_context(Mqtt(MqttConfig.model_validate(order["mqtt"]))))

        def on_news() -> None:
            take_all(feed, scene)
            bell.ring()
            if teller is not None and scene.state is not None:
                teller.tell({**scene.state, **extra()})

        asyncio.get_running_loop().add_reader(feed.fileno(), on_news)
        if order["page"] is None:
            await asyncio.Event().wait()
        await serve_page(order, scene, bell, extra)


async def serve_page(order: dict[str, Any], scene: Scene, bell: Bell, extra: Extra) -> None:
    page = PageConfig.model_validate(order["page"])

    def metrics() -> tuple[bytes, str]:
        state = None if scene.state is None else {**scene.state, **extra()}
        return exposition(state, time.monotonic_ns()), CONTENT_TYPE

    place = Place(page.title, Path(order["journal"]), None if order["evidence"] is None else Path(order["evidence"]))
    token = None if page.token_file is None else page.token_file.read_text(encoding="utf-8").strip()
    app = build(Pages(scene, bell, place, extra, metrics), token=token, local_only=order["local_only"])
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_level="error", access_log=False, server_header=False,
        timeout_keep_alive=30, timeout_graceful_shutdown=1,
    )  # fmt: skip
    with socket.socket(fileno=order["listen_fd"]) as listening:
        await uvicorn.Server(config).serve(sockets=[listening])


def take_all(feed: socket.socket, scene: Scene) -> None:
    """Everything that waits: only the newest is shown."""
    with suppress(BlockingIOError):
        while True:
            scene.take(feed.recv(MOST_BYTES))


class Teller:
    """Passes states on, and each verdict once: a state carries the last ones."""

    def __init__(self, mqtt: Mqtt) -> None:
        self._mqtt = mqtt
        self._told = (0, 0)

    def tell(self, state: dict[str, Any]) -> None:
        recent = state.get("recent", [])
        self._mqtt.offer({name: value for name, value in state.items() if name != "recent"})
        for verdict in recent:
            place = (state["run"], verdict["part"])
            if place > self._told:
                self._told = place
                self._mqtt.verdict({"run": state["run"], **verdict})


if __name__ == "__main__":
    main()
