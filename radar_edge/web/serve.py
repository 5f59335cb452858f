"""The process of the status page and the telemetry: `python -m radar_edge.web.serve`, started by web.process alone.

Its order is one line of JSON on stdin; when stdin ends, the line has ended, and so does it. Sockets are inherited.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radar_edge.config import MqttConfig, PageConfig
from radar_edge.web.events import Bell
from radar_edge.web.scene import Scene
from radar_edge.web.temperatures import temperatures_c

if TYPE_CHECKING:
    from radar_edge.web.mqtt import Mqtt

NICE = 10
"""Whoever looks must not slow the line."""
TEMPERATURES_EVERY_S = 2.0
MOST_BYTES = 1 << 18
END_S = 3.0


class Extra:
    """What this process adds to the scene: temperatures, read now and then, and how the broker is."""

    def __init__(self, mqtt: Mqtt | None) -> None:
        self._mqtt = mqtt
        self._read_s = -TEMPERATURES_EVERY_S
        self._found: dict[str, float] = {}

    def __call__(self) -> dict[str, Any]:
        now_s = time.monotonic()
        if now_s - self._read_s >= TEMPERATURES_EVERY_S:
            self._found, self._read_s = temperatures_c(), now_s
        return {"temperatures_c": self._found, "mqtt": None if self._mqtt is None else broker(self._mqtt)}


def broker(mqtt: Mqtt) -> dict[str, Any]:
    return {"trouble": mqtt.trouble, "verdicts_dropped": mqtt.verdicts_dropped}


def main() -> None:
    order = json.loads(sys.stdin.readline())
    os.nice(NICE)
    asyncio.run(serve(order))


def end_with_the_line(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Tell when the line has ended; and end for good if that is not obeyed."""
    while sys.stdin.read(1):
        pass
    loop.call_soon_threadsafe(ended.set)
    time.sleep(END_S)
    os._exit(0)


async def serve(order: dict[str, Any]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=end_with_the_line, args=(loop, ended), daemon=True).start()
    scene, bell = Scene(time.time_ns() // 1_000_000), Bell()
    with ExitStack() as stack:
        feed = stack.enter_context(socket.socket(fileno=order["feed_fd"]))
        feed.setblocking(False)
        teller = open_teller(stack, order["mqtt"])
        extra = Extra(None if teller is None else teller.mqtt)

        def on_news() -> None:
            take_all(feed, scene)
            bell.ring()
            if teller is not None and scene.state is not None:
                teller.tell({**scene.state, "temperatures_c": extra()["temperatures_c"]})

        loop.add_reader(feed.fileno(), on_news)
        if order["page"] is None:
            await ended.wait()
        else:
            await serve_page(order, scene, bell, extra, ended)
        on_news()  # the line's last words


def open_teller(stack: ExitStack, config: Any) -> Teller | None:
    if config is None:
        return None
    from radar_edge.web.mqtt import Mqtt

    return Teller(stack.enter_context(Mqtt(MqttConfig.model_validate(config))))


async def serve_page(order: dict[str, Any], scene: Scene, bell: Bell, extra: Extra, ended: asyncio.Event) -> None:
    import uvicorn

    from radar_edge.web.metrics import CONTENT_TYPE, exposition
    from radar_edge.web.server import Pages, Place, build

    page = PageConfig.model_validate(order["page"])

    def metrics() -> tuple[bytes, str]:
        state = None if scene.state is None else {**scene.state, **extra()}
        return exposition(state, time.monotonic_ns()), CONTENT_TYPE

    place = Place(page.title, Path(order["journal"]), None if order["evidence"] is None else Path(order["evidence"]))
    app = build(Pages(scene, bell, place, extra, metrics), token=order["token"], local_only=order["local_only"])
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_level="error", access_log=False, server_header=False,
        timeout_keep_alive=30, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)

    async def end() -> None:
        await ended.wait()
        server.should_exit = True

    ending = asyncio.ensure_future(end())
    with socket.socket(fileno=order["listen_fd"]) as listening:
        await server.serve(sockets=[listening])
    ending.cancel()


def take_all(feed: socket.socket, scene: Scene) -> None:
    """Everything that waits: only the newest is shown."""
    with suppress(BlockingIOError):
        while True:
            scene.take(feed.recv(MOST_BYTES))


class Teller:
    """Passes states on, and each verdict once: a state carries the last ones. Says what is wrong with the broker."""

    def __init__(self, mqtt: Mqtt) -> None:
        self.mqtt = mqtt
        self._told = (0, 0)
        self._said: str | None = None

    def tell(self, state: dict[str, Any]) -> None:
        recent = state.get("recent", [])
        self.mqtt.offer({name: value for name, value in state.items() if name != "recent"})
        for verdict in recent:
            place = (state["run"], verdict["seq"])
            if place > self._told:
                self._told = place
                self.mqtt.verdict({"run": state["run"], **verdict})
        trouble = self.mqtt.trouble
        if trouble != self._said:
            self._said = trouble
            sys.stderr.write(f"MQTT: {trouble or 'connected'}\n")


if __name__ == "__main__":
    main()
