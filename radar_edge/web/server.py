"""The pages: what is asked by GET, and what is answered. Changes nothing, and reads no file but what it names itself.

/                 the page                          /events              the scene, as server-sent events
/static/NAME      its parts, from memory            /api/state           the scene, once
/view/M.jpg       a camera's last picture           /api/history/H       the journal's last 1, 8 or 24 hours
/view/heat.png    the map to lay over it            /api/gallery         kept parts that did not pass
/metrics          for Prometheus                    /evidence/RUN/PART/M.jpg
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from radar_edge.web.events import MOST_CLIENTS, Bell, EventStream
from radar_edge.web.gallery import newest, picture
from radar_edge.web.history import HOURS, history, part_facts
from radar_edge.web.overlay import overlay
from radar_edge.web.scene import Scene
from radar_edge.web.visitors import Door

STATIC = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
KEPT_S = 5.0
"""An answer from the disk serves everybody for so long."""


@dataclass(frozen=True)
class Place:
    """Where the line keeps what is shown."""

    title: str
    journal: Path
    evidence: Path | None


class Kept:
    """Answers that cost a disk, made by one thread at a time and kept for KEPT_S."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._answers: dict[str, tuple[float, Any]] = {}

    async def get(self, name: str, make: Callable[[], Any]) -> Any:
        async with self._lock:
            made_s, answer = self._answers.get(name, (-KEPT_S, None))
            if time.monotonic() - made_s >= KEPT_S:
                answer = await asyncio.to_thread(make)
                self._answers[name] = (time.monotonic(), answer)
            return answer


class Pages:
    """The handlers. `extra()` is joined to the scene: what this process knows itself."""

    def __init__(
        self,
        scene: Scene,
        bell: Bell,
        place: Place,
        extra: Callable[[], dict[str, Any]],
        metrics: Callable[[], tuple[bytes, str]],
    ) -> None:
        self._scene = scene
        self._bell = bell
        self._place = place
        self._extra = extra
        self._metrics = metrics
        self._kept = Kept()
        folder = files("radar_edge.web") / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}
        self._heat: tuple[int, bytes] = (0, b"")

    def routes(self) -> list[Route]:
        return [
            Route("/", self.index),
            Route("/static/{name}", self.static),
            Route("/events", self.events),
            Route("/api/state", self.state),
            Route("/api/history/{hours}", self.history),
            Route("/api/gallery", self.gallery),
            Route("/view/heat.png", self.heat),
            Route("/view/{modality}.jpg", self.view),
            Route("/evidence/{run}/{part}/{modality}.jpg", self.evidence),
            Route("/metrics", self.metrics),
        ]

    def document(self) -> dict[str, Any]:
        return {"title": self._place.title, **self._scene.document(time.monotonic_ns()), **self._extra()}

    async def index(self, _: Request) -> Response:
        return Response(self._static["index.html"], media_type=STATIC["index.html"])

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._static:
            return nothing()
        return Response(self._static[name], media_type=STATIC[name])

    async def events(self, _: Request) -> Any:
        if self._bell.clients >= MOST_CLIENTS:
            return PlainTextResponse("too many pages are open", 429)
        return EventStream(self._bell, self.document)

    async def state(self, _: Request) -> Response:
        return JSONResponse(self.document())

    async def history(self, request: Request) -> Response:
        hours = request.path_params["hours"]
        if hours not in {str(h) for h in HOURS}:
            return nothing()
        now = datetime.now(timezone.utc)
        return JSONResponse(
            await self._kept.get(f"history {hours}", lambda: history(self._place.journal, int(hours), now))
        )

    async def gallery(self, _: Request) -> Response:
        folder = self._place.evidence
        if folder is None:
            return JSONResponse({"kept": False, "parts": []})

        def make() -> Any:
            return newest(folder, lambda run, part: part_facts(self._place.journal, run, part))

        return JSONResponse({"kept": True, "parts": await self._kept.get("gallery", make)})

    async def view(self, request: Request) -> Response:
        found = self._scene.images.get(request.path_params["modality"])
        return nothing() if found is None else Response(found.data, media_type="image/jpeg")

    async def heat(self, _: Request) -> Response:
        heat = self._scene.heat
        if heat is None:
            return nothing()
        if self._heat[0] != heat.version:
            self._heat = (heat.version, overlay(heat.data))
        return Response(self._heat[1], media_type="image/png")

    async def evidence(self, request: Request) -> Response:
        folder, asked = self._place.evidence, request.path_params
        if folder is None:
            return nothing()
        data = await asyncio.to_thread(picture, folder, asked["run"], asked["part"], asked["modality"])
        return nothing() if data is None else Response(data, media_type="image/jpeg")

    async def metrics(self, _: Request) -> Response:
        text, kind = self._metrics()
        return Response(text, media_type=kind)


def nothing() -> Response:
    return PlainTextResponse("there is nothing here", 404)


def build(pages: Pages, *, token: str | None, local_only: bool) -> Starlette:
    return Starlette(routes=pages.routes(), middleware=[Middleware(Door, token=token, local_only=local_only)])
