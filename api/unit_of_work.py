"""One write request = one transaction: the services' work, its audit entry and the stored answer commit together.

Services take a pool and open transactions of their own. Here they get a pool that hands out the request's one connection,
on which their transactions become savepoints. What a service records before it refuses (refused_command) therefore stays,
what it rolled back is gone, and a repeated `Idempotency-Key` finds either everything or nothing: the key's row is inserted
first, and a second request with the same key waits on it until the first has committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from api.errors import answer_for
from api.problems import PROBLEM_MEDIA_TYPE, plain, problem_body
from collateral.errors import EntryConflict
from db.pool import Pool
from db.sql import load_queries

_QUERIES = load_queries(__file__, "unit_of_work.sql")


class _OneConnection:
    """Looks like a pool to a service; every check-out is a savepoint on the same connection."""

    def __init__(self, conn: psycopg.Connection[TupleRow]) -> None:
        self._conn = conn

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[psycopg.Connection[TupleRow]]:
        with self._conn.transaction():
            yield self._conn


@dataclass(frozen=True)
class Done:
    """What a write did: the answer's body and what the audit trail says of it.

    secrets: dotted paths in the body that are shown this once and neither stored nor repeated.
    """

    body: BaseModel | dict[str, Any]
    subject_kind: str
    subject_id: str
    status: int = 200
    detail: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


Act = Callable[[Pool, datetime], Done]


@dataclass(frozen=True)
class WriteRequest:
    """Who asks for what: identity of a write for the audit trail and the idempotency key.

    if_match: the version on which the write was to rest, as the header said it.
    """

    tenant_id: str
    user_id: str
    method: str
    path: str
    body: BaseModel | None
    idempotency_key: str | None
    if_match: str | None = None

    @property
    def sha256(self) -> str:
        """Same tenant, user, method, path, If-Match and content give the same text.

        Secret fields (SecretStr) are written as asterisks and so are no part of it: this text is stored, and a quick hash of a
        password, or of the number on an identity card, is soon guessed.
        """
        content = self.body.model_dump(mode="json") if self.body is not None else None
        who_and_where = [self.tenant_id, self.user_id, self.method, self.path, self.if_match]
        canonical = json.dumps([*who_and_where, content], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def perform(pool: Pool, request: WriteRequest, action: str, now: datetime, act: Act) -> Response:
    """Do the act once and answer. Refusals (4xx) are answers too: they commit what the service recorded of them.

    Raises EntryConflict when the key stands for another request, and whatever act raises that is no refusal.
    """
    with pool.connection() as conn, conn.transaction():
        if request.idempotency_key is not None:
            stored = _claim(conn, request, now)
            if stored is not None:
                return stored
        try:
            done = act(cast(Pool, _OneConnection(conn)), now)
        except Exception as exc:
            answer = answer_for(exc)
            if answer is None or answer.status >= 500:
                raise
            status, body = answer.status, problem_body(answer.status, answer.code, answer.detail, answer.details)
            kept, headers = body, answer.headers
            append_audit(
                conn, request, f"{action}.refused", now, "request", request.path, {"code": answer.code, "details": body["details"]}
            )
        else:
            status, body, headers = done.status, _as_json(done.body), {}
            kept = _without(body, done.secrets)
            append_audit(conn, request, action, now, done.subject_kind, done.subject_id, done.detail)
        if request.idempotency_key is not None:
            _keep(conn, request, status, kept)
    return _response(status, body, headers)


def _claim(conn: psycopg.Connection[TupleRow], request: WriteRequest, now: datetime) -> Response | None:
    """None when the key is ours now, else the answer that was given under it."""
    params = {**_key(request), "request_hash": request.sha256, "now": now}
    if conn.execute(_QUERIES["claim_key"], params).rowcount == 1:
        return None
    row = conn.execute(_QUERIES["answer_of_key"], params).fetchone()
    if row is None or row[0] != request.sha256:
        raise EntryConflict("This Idempotency-Key was used for another request.", key=request.idempotency_key)
    return _response(row[1], row[2], {"Idempotency-Replayed": "true"})


def _keep(conn: psycopg.Connection[TupleRow], request: WriteRequest, status: int, body: Any) -> None:
    conn.execute(_QUERIES["keep_answer"], {**_key(request), "status": status, "response": Jsonb(body)})


def _key(request: WriteRequest) -> dict[str, Any]:
    return {"tenant": request.tenant_id, "user": request.user_id, "key": request.idempotency_key}


def append_audit(
    conn: psycopg.Connection[TupleRow],
    request: WriteRequest,
    action: str,
    now: datetime,
    subject_kind: str,
    subject_id: str,
    detail: dict[str, Any],
) -> None:
    """One row of the audit trail, in the caller's transaction."""
    conn.execute(
        _QUERIES["append_audit"],
        {
            "tenant": request.tenant_id,
            "user": request.user_id,
            "now": now,
            "action": action,
            "kind": subject_kind,
            "id": subject_id,
            "detail": Jsonb(plain(detail)),
        },
    )


def _as_json(body: BaseModel | dict[str, Any]) -> Any:
    return body.model_dump(mode="json", by_alias=True) if isinstance(body, BaseModel) else plain(body)


def _without(body: Any, secrets: tuple[str, ...]) -> Any:
    """A copy in which the values at these dotted paths are null: they are shown once and not kept."""
    if not secrets:
        return body
    copy = json.loads(json.dumps(body))
    for path in secrets:
        *parents, last = path.split(".")
        place = copy
        for parent in parents:
            place = place.get(parent) or {}
        if place.get(last) is not None:
            place[last] = None
    return copy


def _response(status: int, body: Any, headers: dict[str, str]) -> Response:
    media_type = PROBLEM_MEDIA_TYPE if status >= 400 else "application/json"
    return JSONResponse(body, status_code=status, media_type=media_type, headers=headers)
