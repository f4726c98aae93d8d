"""The event stream: alerts as they happen, by server-sent events."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import psycopg
from fastapi import Header, Query, Security
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout, TooManyRequests
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api.deps import Parts, PartsDep, Session, bearer, session_of
from api.errors import StreamsClosed
from api.problems import documented
from api.routes.common import router
from api.stream import QUERIES, event_data
from api.tokens import Audience

log = logging.getLogger(__name__)

routes = router("stream")
REPLAY_ROWS = 500
RETRY_MS = 1000

_EXAMPLE = (
    'id: 42\nevent: alert\ndata: {"alert_id": "alert_4f0c", "severity": "P1", "status": "OPEN", "event": {"event_id": 42, "kind": "OPENED"}}\n\n'
    'event: heartbeat\ndata: {"now": "2020-03-09T06:00:00Z"}\n\n'
    'event: signed_out\ndata: {"reason": "expired"}\n\n'
)


def _session(parts: Parts, token: str | None, stream_token: str | None) -> Session:
    return session_of(parts, token) if stream_token is None else session_of(parts, stream_token, Audience.STREAM)


def _why_over(parts: Parts, session: Session) -> str | None:
    """Why this session may no longer listen, or None: `expired`, `deactivated`, `roles_changed`."""
    if session.ends_at_s <= parts.tokens.wall_s():
        return "expired"
    try:
        user = parts.user(session.user.user_id)
    except (psycopg.Error, PoolTimeout, TooManyRequests) as exc:  # without the store nothing new is sent either; asked again next time
        log.warning("stream could not check its user", extra={"event": "stream_user_unchecked", "error": str(exc).strip()})
        return None
    if user is None or not user.active or user.tenant_id != session.user.tenant_id:
        return "deactivated"
    if user.session_no != session.user.session_no:
        return "expired"
    return "roles_changed" if set(user.roles) != set(session.user.roles) else None


def _after(parts: Parts, tenant: str, after: int) -> list[dict[str, Any]]:
    with parts.pool.connection() as conn, conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(QUERIES["events_after"], {"after": after, "tenant": tenant, "limit": REPLAY_ROWS}).fetchall()


def _frame(event: str, data: Any, event_id: int | None = None) -> bytes:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def _heartbeat(parts: Parts) -> bytes:
    return _frame("heartbeat", {"now": parts.clock.now().isoformat().replace("+00:00", "Z")})


async def _events(parts: Parts, session: Session, after: int | None) -> AsyncIterator[bytes]:
    """The frames of one stream. However much there is to send, every heartbeat_s it says that it lives and checks its session."""
    subscription = parts.hub.subscribe(session.user.tenant_id)
    replayed: set[int] = set()
    try:
        yield f"retry: {RETRY_MS}\n\n".encode()
        yield _heartbeat(parts)
        while after is not None:
            rows = await run_in_threadpool(_after, parts, session.user.tenant_id, after)
            for row in rows:
                replayed.add(row["event_id"])
                yield _frame("alert", event_data(row), parts.hub.resume_id(row["event_id"]))
            after = rows[-1]["event_id"] if len(rows) == REPLAY_ROWS else None
        beat_at_s = time.monotonic() + _until_beat_s(parts, session)
        while True:
            left_s = beat_at_s - time.monotonic()
            try:
                item = await asyncio.wait_for(subscription.queue.get(), left_s) if left_s > 0 else _BEAT
            except TimeoutError:
                item = _BEAT
            if item is None:
                return
            if isinstance(item, _Beat):
                reason = await run_in_threadpool(_why_over, parts, session)
                if reason is not None:
                    yield _frame("signed_out", {"reason": reason})
                    return
                yield _heartbeat(parts)
                beat_at_s = time.monotonic() + _until_beat_s(parts, session)
                continue
            if item.event_id not in replayed:
                yield _frame("alert", item.data, item.resume_id)
    finally:
        parts.hub.unsubscribe(subscription)


class _Beat:
    """It is time for a heartbeat."""


_BEAT = _Beat()


def _until_beat_s(parts: Parts, session: Session) -> float:
    """Seconds to the next heartbeat: not past the end of the session, and never so short that it would spin."""
    return max(0.05, min(parts.heartbeat_s, session.ends_at_s - parts.tokens.wall_s()))


@routes.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}},
        **documented(401, 422, 500, 503),
    },
)
async def stream(
    parts: PartsDep,
    token: Annotated[str | None, Security(bearer)] = None,
    stream_token: Annotated[str | None, Query(max_length=2000, description="From `POST auth/stream-token`")] = None,
    last_event_id: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Resume after this event")] = None,
    last_event_id_header: Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=2**63 - 1)] = None,
) -> StreamingResponse:
    """Alerts as they happen.

    Event `alert`: the alert's row as it is now and under `event` what happened to it. Without a last event id the stream begins
    now; with one it first sends everything after it. An id may be sent again after a reconnect; `event.event_id` tells.
    A stream ends when its client is too slow; reconnect with the last id. It ends for good, with event `signed_out` and a `reason`,
    when the sign-in behind it has expired (`expired`), or its user was locked out (`deactivated`) or given other roles
    (`roles_changed`): sign in again. That is looked at with every heartbeat, at least every 20 seconds.
    """
    session = await run_in_threadpool(_session, parts, token, stream_token)
    if parts.hub.closed:
        raise StreamsClosed
    after = last_event_id_header if last_event_id_header is not None else last_event_id
    return StreamingResponse(
        _events(parts, session, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
