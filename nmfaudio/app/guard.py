"""Let in only the page that the app itself has opened: no other computer, and no other page in the same browser."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Pass on requests whose address begins with the token and that come from this app's own page.

    Parameters
    ----------
    app : ASGI application
        Gets the addresses without the token.
    token : str
        Secret that addresses begin with.
    port : int
        Port that the app listens on.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        fault = self._fault(scope)
        if fault:
            await PlainTextResponse(f"{fault}\n", 404 if fault == "not found" else 403)(scope, receive, send)
            return
        root = f"/{self._token}"

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        inner = {**scope, "path": scope["path"][len(root) :] or "/", "root_path": ""}
        await self._app(inner, receive, send_guarded)

    def _fault(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:  # a name that was made to point here
            return "this app answers at 127.0.0.1 alone"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "this app answers its own page alone"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "this app answers its own page alone"
        token = scope["path"].split("/")[1]
        return None if secrets.compare_digest(token.encode(), self._token.encode()) else "not found"
