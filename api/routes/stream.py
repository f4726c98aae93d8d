"""The event stream: alerts as they happen, by server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Query, Security
from psycopg.rows import dict_row
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from api.accounts import User
from api.deps import Parts, PartsDep, bearer, current_user
from api.errors import StreamsClosed
from api.problems import documented
from api.routes.common import router
from api.stream import QUERIES, event_data
from api.tokens import Audience, NotAuthenticated

routes = router("stream")
HEARTBEAT_S = 15.0
REPLAY_ROWS = 500
RETRY_MS = 1000

_EXAMPLE = (
    'id: 42\nevent: alert\ndata: {"alert_id": "alert_4f0c", "severity": "P1", "status": "OPEN", "event": {"event_id": 42, "kind": "OPENED"}}\n\n'
    'event: heartbeat\ndata: {"now": "2020-03-09T06:00:00Z"}\n\n'
)


def _stream_user(parts: Parts, token: str | None, stream_token: str | None) -> User:
    if stream_token is None:
        return current_user(parts, token)
    claims = parts.tokens.check(stream_token, Audience.STREAM)
    user = parts.user(claims.user_id)
    if user is None or not user.active or user.tenant_id != claims.tenant_id:
        raise NotAuthenticated
    return user


def _after(parts: Parts, tenant: str, after: int) -> list[dict[str, Any]]:
    with parts.pool.connection() as conn, conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(QUERIES["events_after"], {"after": after, "tenant": tenant, "limit": REPLAY_ROWS}).fetchall()


def _frame(event: str, data: Any, event_id: int | None = None) -> bytes:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


async def _events(parts: Parts, user: User, after: int | None, request: Request) -> AsyncIterator[bytes]:
    subscription = parts.hub.subscribe(user.tenant_id)
    replayed: set[int] = set()
    try:
        yield f"retry: {RETRY_MS}\n\n".encode()
        yield _frame("heartbeat", {"now": parts.clock.now().isoformat().replace("+00:00", "Z")})
        while after is not None:
            rows = await run_in_threadpool(_after, parts, user.tenant_id, after)
            for row in rows:
                replayed.add(row["event_id"])
                yield _frame("alert", event_data(row), parts.hub.resume_id(row["event_id"]))
            after = rows[-1]["event_id"] if len(rows) == REPLAY_ROWS else None
        while True:
            try:
                item = await asyncio.wait_for(subscription.queue.get(), HEARTBEAT_S)
            except TimeoutError:
                yield _frame("heartbeat", {"now": parts.clock.now().isoformat().replace("+00:00", "Z")})
                continue
            if item is None:
                return
            if item.event_id not in replayed:
                yield _frame("alert", item.data, item.resume_id)
    finally:
        parts.hub.unsubscribe(subscription)


@routes.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}},
        **documented(401, 422, 500, 503),
    },
)
async def stream(
    request: Request,
    parts: PartsDep,
    token: Annotated[str | None, Security(bearer)] = None,
    stream_token: Annotated[str | None, Query(max_length=2000, description="From `POST auth/stream-token`")] = None,
    last_event_id: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Resume after this event")] = None,
    last_event_id_header: Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=2**63 - 1)] = None,
) -> StreamingResponse:
    """Alerts as they happen.

    Event `alert`: the alert's row as it is now and under `event` what happened to it. Without a last event id the stream begins
    now; with one it first sends everything after it. An id may be sent again after a reconnect; `event.event_id` tells.
    A stream ends when its client is too slow; reconnect with the last id.
    """
    user = await run_in_threadpool(_stream_user, parts, token, stream_token)
    if parts.hub.closed:
        raise StreamsClosed
    after = last_event_id_header if last_event_id_header is not None else last_event_id
    return StreamingResponse(
        _events(parts, user, after, request),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
