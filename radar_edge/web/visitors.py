"""Who may see the page: the door in front of every request. Knows nothing of what is behind it.

On loopback the Host header must name this machine: a foreign page whose name resolves to 127.0.0.1 is turned away.
With a token every request carries it: as a bearer, or as the cookie that `/?token=...` hands out.
"""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "radar_edge_token"
LOCAL = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Door:
    """Middleware. `token` None: whoever reaches the address may look."""

    def __init__(self, app: ASGIApp, *, token: str | None, local_only: bool) -> None:
        if token == "":
            raise ValueError("an empty token would let everybody in")
        self._app = app
        self._token = token
        self._local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, dressed)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self._token is None:
            host = headers.get("host", "")
            if self._local_only and host.rpartition(":")[0] not in LOCAL and host not in LOCAL:
                return PlainTextResponse("this page answers to localhost only", 400)
            return None
        if self._known(headers.get("authorization", "").removeprefix("Bearer ")):
            return None
        if self._known(cookie_parser(headers.get("cookie", "")).get(COOKIE, "")):
            return None
        if scope["path"] == "/" and self._known(QueryParams(scope["query_string"].decode("latin-1")).get("token", "")):
            welcome = RedirectResponse("/", 303)
            welcome.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return welcome
        return PlainTextResponse("a token is needed: open /?token=..., or send it as a bearer", 401)

    def _known(self, word: str) -> bool:
        return self._token is not None and hmac.compare_digest(word.encode(), self._token.encode())
