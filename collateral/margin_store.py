"""Reads and writes of margin calls and disposal cases. Each function takes the connection first and never commits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral.errors import NotFound
from collateral.model import DisposalCase, MarginCall
from collateral.registry_store import one
from db.sql import load_queries

Q = load_queries(__file__, "margin.sql")


def valuation(conn: Connection[Any], valuation_id: str) -> dict[str, Any]:
    """A mark with its facility's terms. Raises NotFound."""
    row = one(conn, Q["valuation"], {"valuation_id": valuation_id})
    if row is None:
        raise NotFound(f"there is no valuation {valuation_id}")
    return row


def open_call(conn: Connection[Any], facility_id: str) -> MarginCall | None:
    """The open call of a locked facility."""
    row = one(conn, Q["open_call"], {"facility_id": facility_id})
    return None if row is None else MarginCall(**row)


def call_of_valuation(conn: Connection[Any], valuation_id: str) -> MarginCall | None:
    """The call that this mark led to."""
    row = one(conn, Q["call_of_valuation"], {"valuation_id": valuation_id})
    return None if row is None else MarginCall(**row)


def call(conn: Connection[Any], tenant_id: str, call_id: str) -> MarginCall:
    """One call, locked. Raises NotFound."""
    row = one(conn, Q["call"], {"tenant_id": tenant_id, "call_id": call_id})
    if row is None:
        raise NotFound(f"there is no margin call {call_id}")
    return MarginCall(**row)


def move_call(
    conn: Connection[Any],
    call_id: str,
    status: str,
    *,
    actor: str,
    kind: str,
    detail: Mapping[str, Any],
    now: datetime,
    closed: bool = False,
    acknowledged_by: str | None = None,
) -> None:
    """A call changes its status, with an event that says why."""
    params = {"call_id": call_id, "status": status, "closed_at": now if closed else None, "acknowledged_by": acknowledged_by}
    conn.execute(Q["set_call_status"], params)
    event(conn, call_id, actor=actor, kind=kind, detail=detail, now=now)


def event(conn: Connection[Any], call_id: str, *, actor: str, kind: str, detail: Mapping[str, Any], now: datetime) -> None:
    """One thing that happened to a call."""
    params = {"call_id": call_id, "now": now, "actor": actor, "kind": kind, "detail": Jsonb(dict(detail), dumps=_dumps)}
    conn.execute(Q["insert_call_event"], params)


def open_case(conn: Connection[Any], facility_id: str) -> DisposalCase | None:
    """The open disposal case of a locked facility."""
    row = one(conn, Q["open_case"], {"facility_id": facility_id})
    return None if row is None else DisposalCase(**row)


def case(conn: Connection[Any], tenant_id: str, case_id: str) -> DisposalCase:
    """One case, locked. Raises NotFound."""
    row = one(conn, Q["case_by_id"], {"tenant_id": tenant_id, "case_id": case_id})
    if row is None:
        raise NotFound(f"there is no disposal case {case_id}")
    return DisposalCase(**row)


def _dumps(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
