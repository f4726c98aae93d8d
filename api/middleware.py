"""Around every request: a limit on the body, security headers, metrics and a log line. Plain ASGI, so that streams stay streams."""

from __future__ import annotations

import contextlib
import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.epcis_http import as_epcis
from api.metrics import Metrics
from api.problems import problem_response

log = logging.getLogger("api.access")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class _TooLarge(Exception):
    """The body went over the limit while it was read."""


class BodyLimit:
    """Refuses bodies over a limit: by Content-Length at once, else while they arrive."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        refusal = problem_response(413, "body_too_large", "The request body is too large.", {"bytes_max": self._bytes_max})
        if scope["path"].startswith("/epcis/"):
            refusal = as_epcis(refusal)
        if length.isdigit() and int(length) > self._bytes_max:
            await refusal(scope, receive, send)
            return
        read = 0
        began = over = False

        async def limited() -> Message:
            nonlocal read, over
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._bytes_max:
                    over = True
                    raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal began
            if over:  # whatever the application makes of the broken body, the answer is ours
                return
            began = True
            await send(message)

        with contextlib.suppress(_TooLarge):
            await self._app(scope, limited, watched)
        if over and not began:
            await refusal(scope, receive, send)


class Headers:
    """Security headers on every answer, and no caching of what the API says."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app = app
        self._headers = dict(_SECURITY)
        if https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(("/api/", "/epcis/")):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class Observed:
    """Counts and times every request and logs it, without query strings: they can hold tokens."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        answered = False

        def observe(status: int) -> None:
            nonlocal answered
            answered = True
            seconds = time.perf_counter() - began_s
            route = getattr(scope.get("route"), "name", None) or ("desk" if status < 400 else "none")
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            self._metrics.observe(method, route, status, seconds)
            extra = {"event": "request", "method": method, "path": scope["path"], "status": status, "took_ms": round(seconds * 1000, 1)}
            log.log(logging.INFO if scope["path"].startswith(("/api/", "/epcis/")) else logging.DEBUG, "request", extra=extra)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and not answered:
                observe(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if not answered:
                observe(500)
            raise
