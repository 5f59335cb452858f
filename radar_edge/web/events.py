"""The scene as server-sent events. A client gets the newest scene, not every one: nothing is queued for anybody.

Source: the event stream format of the HTML standard, section 9.2.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

MOST_CLIENTS = 64
TICK_S = 0.5
"""Without news the scene is looked at so often: silence of the line is news too."""
PATIENCE_S = 20.0
"""A client that takes nothing for so long is let go."""
START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")],
}


class Bell:
    """Wakes every client. Use it from the loop's thread."""

    def __init__(self) -> None:
        self._next = asyncio.Event()
        self.clients = 0

    def ring(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        waited = self._next
        try:
            await asyncio.wait_for(waited.wait(), TICK_S)
        except asyncio.TimeoutError:
            return


class EventStream:
    """An ASGI response: `document` whenever the bell rings and it differs from the last."""

    def __init__(self, bell: Bell, document: Callable[[], dict[str, Any]]) -> None:
        self._bell = bell
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        gone = asyncio.ensure_future(until_gone(receive))
        self._bell.clients += 1
        try:
            await send(START)
            said = b""
            while not gone.done():
                message = b"data: " + json.dumps(self._document()).encode() + b"\n\n"
                if message != said:
                    said = message
                    body: Message = {"type": "http.response.body", "body": message, "more_body": True}
                    await asyncio.wait_for(send(body), PATIENCE_S)
                await self._bell.wait()
        except (asyncio.TimeoutError, OSError):
            return
        finally:
            self._bell.clients -= 1
            gone.cancel()


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
