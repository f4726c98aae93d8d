"""Reading captured events back: queries, single events, capture jobs, what a parent holds, named queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Json

from collateral.epcis.document import KNOWN_PREFIXES, STANDARD_CONTEXT
from collateral.epcis.errors import QueryNameTaken, QueryTooLarge
from collateral.epcis.event import ParentChange, children_after, with_record_time
from collateral.epcis.query import Query, page_token
from collateral.errors import NotFound
from db.sql import load_queries

_Q = load_queries(__file__, "query.sql")

Conn = Connection[Any]
Row = dict[str, Any]

_ORDERS: dict[tuple[str, bool], tuple[LiteralString, LiteralString]] = {
    ("event_time", True): ("e.event_time DESC, e.event_no DESC", "(e.event_time, e.event_no) < (%(after_at)s, %(after_no)s)"),
    ("event_time", False): ("e.event_time, e.event_no", "(e.event_time, e.event_no) > (%(after_at)s, %(after_no)s)"),
    ("record_time", True): ("e.record_time DESC, e.event_no DESC", "(e.record_time, e.event_no) < (%(after_at)s, %(after_no)s)"),
    ("record_time", False): ("e.record_time, e.event_no", "(e.record_time, e.event_no) > (%(after_at)s, %(after_no)s)"),
}
# Top-level resources of the query interface and where events name them.
RESOURCES: dict[str, LiteralString] = {
    "eventTypes": "ARRAY[e.event_type]",
    "epcs": "e.any_epcs",
    "bizSteps": "ARRAY[e.biz_step]",
    "bizLocations": "ARRAY[e.biz_location]",
    "readPoints": "ARRAY[e.read_point]",
    "dispositions": "ARRAY[e.disposition]",
}


@dataclass(frozen=True)
class Found:
    """A page of events. next_token: None on the last page."""

    rows: list[Row]
    next_token: str | None


def _rows(conn: Conn, query: LiteralString, params: Mapping[str, Any]) -> list[Row]:
    with conn.cursor(row_factory=dict_row) as cur:
        # prepare=False: planned for these very parameters, so that the conditions that are not asked for cost nothing
        return cur.execute(query, params, prepare=False).fetchall()


def events(conn: Conn, tenant: str, query: Query) -> Found:
    """A page of a query. Raises QueryTooLarge when all that it finds are more than its maxEventCount."""
    order, after = _ORDERS[query.order_by, query.descending]
    text: LiteralString = _Q["events"].replace("@order", order)
    params = {"tenant": tenant, **query.params}
    for name in ("transactions", "sources", "destinations"):
        params[name], text = _all_types(name, params[name], params, text)
    if query.max_events is not None:
        found = _rows(conn, text.replace("@after", "true"), {**params, "limit": query.max_events + 1})
        if len(found) > query.max_events:
            raise QueryTooLarge(
                f"The query finds more than {query.max_events} events.", parameter="maxEventCount", max_events=query.max_events
            )
    shown = 0
    if query.after is not None:
        params["after_at"], params["after_no"], shown = query.after
        text = text.replace("@after", after)
    else:
        text = text.replace("@after", "true")
    room = query.per_page if query.limit is None else max(0, min(query.per_page, query.limit - shown))
    found = _rows(conn, text, {**params, "limit": room + 1})
    page, more = found[:room], len(found) > room
    token = None
    if more and page and (query.limit is None or shown + len(page) < query.limit):
        token = page_token(page[-1][query.order_by], page[-1]["event_no"], shown + len(page))
    return Found(page, token)


def _all_types(
    name: str, groups: list[list[str]] | None, params: dict[str, Any], text: LiteralString
) -> tuple[list[str] | None, LiteralString]:
    """Conditions on several types must all hold: the first is the query's own line, the others are added."""
    for no, group in enumerate((groups or [])[1:]):
        params[f"{name}_{no}"] = group
        more = f"   AND e.{name} && %({name}_{no})s::text[]\n   AND @after"  # name is one of three of ours
        text = text.replace("   AND @after", more, 1)
    return (groups[0] if groups else None), text


def documents(rows: Sequence[Row]) -> tuple[list[Any], list[Row]]:
    """The `@context` of a query document and its events. Namespaces stand there once; where two events differ, each brings its own."""
    merged: dict[str, str] = {}
    clash = False
    for row in rows:
        for prefix, namespace in row["context"].items():
            clash = clash or merged.setdefault(prefix, namespace) != namespace
    own = {p: n for p, n in merged.items() if KNOWN_PREFIXES.get(p) != n}
    bodies = [
        with_record_time(r["payload"], r["event_id"], r["record_time"], r["context"] if clash and r["context"] else None) for r in rows
    ]
    return ([STANDARD_CONTEXT, own] if own and not clash else [STANDARD_CONTEXT]), bodies


def event(conn: Conn, tenant: str, event_id: str) -> Row:
    """One event with its context. Raises NotFound."""
    found = _rows(conn, _Q["event_by_id"], {"tenant": tenant, "event_id": event_id})
    if not found:
        raise NotFound(f"There is no event {event_id}.", kind="epcis_event", id=event_id)
    row = found[0]
    return with_record_time(row["payload"], row["event_id"], row["record_time"], row["context"])


def resources(conn: Conn, tenant: str, kind: str, after: str | None, limit: int) -> list[str]:
    """Values that events name in one dimension, in order."""
    text = _Q["resources"].replace("@column", RESOURCES[kind])
    return [row["v"] for row in _rows(conn, text, {"tenant": tenant, "after": after, "limit": limit})]


def children(conn: Conn, tenant: str, parent: str, as_of: datetime, known: datetime, *, associated: bool = False) -> list[str]:
    """What a parent held at as_of, by what was recorded until known. associated: by AssociationEvents instead of AggregationEvents."""
    types = ["AssociationEvent"] if associated else ["AggregationEvent"]
    params = {"tenant": tenant, "parent": parent, "as_of": as_of, "known": known, "types": types}
    return children_after(ParentChange(r["action"], tuple(r["epcs"])) for r in _rows(conn, _Q["parent_changes"], params))


def captures(conn: Conn, tenant: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Row]:
    """Capture jobs, newest first."""
    after_0, after_1 = after or (None, None)
    return _rows(conn, _Q["captures"], {"tenant": tenant, "id": None, "limit": limit, "after_0": after_0, "after_1": after_1})


def capture_job(conn: Conn, tenant: str, capture_id: str) -> Row:
    """One job with its refusals and warnings. Raises NotFound."""
    params = {"tenant": tenant, "id": capture_id, "limit": 1, "after_0": None, "after_1": None}
    found = _rows(conn, _Q["captures"], params)
    if not found:
        raise NotFound(f"There is no capture job {capture_id}.", kind="epcis_capture", id=capture_id)
    return {**found[0], "items": _rows(conn, _Q["capture_items"], {"ids": [capture_id]})}


def captured_document(conn: Conn, tenant: str, capture_id: str) -> str:
    """The document of a capture as JSON text, equal to what was sent. Raises NotFound."""
    found = _rows(conn, _Q["capture_document"], {"tenant": tenant, "id": capture_id})
    if not found:
        raise NotFound(f"There is no capture job {capture_id}.", kind="epcis_capture", id=capture_id)
    texts = [row["payload"] for row in _rows(conn, _Q["capture_texts"], {"id": capture_id})]
    header: dict[str, Any] = json.loads(found[0]["header"])
    if not header:
        return str(texts[0])
    rest = header.pop("epcisBody", {})
    head, inside = (json.dumps(part, ensure_ascii=False)[1:-1] for part in (header, rest))
    return f'{{{head}, "epcisBody": {{{inside}{", " if inside else ""}"eventList": [{", ".join(texts)}]}}}}'


def places(conn: Conn, tenant: str) -> list[Row]:
    """Which of our places identifiers name, and since when."""
    return _rows(conn, _Q["places"], {"tenant": tenant})


def save_query(conn: Conn, tenant: str, user: str, name: str, query: Mapping[str, Any], now: datetime) -> None:
    """Keep a query under a name. Raises QueryNameTaken."""
    params = {"tenant": tenant, "name": name, "query": Json(dict(query)), "user": user, "now": now}
    if conn.execute(_Q["insert_query"], params).rowcount == 0:
        raise QueryNameTaken(f"There is a query {name} already.", name=name)


def queries(conn: Conn, tenant: str) -> list[Row]:
    """Named queries that stand."""
    return _rows(conn, _Q["queries"], {"tenant": tenant, "name": None})


def named_query(conn: Conn, tenant: str, name: str) -> Row:
    """One named query. Raises NotFound."""
    found = _rows(conn, _Q["queries"], {"tenant": tenant, "name": name})
    if not found:
        raise NotFound(f"There is no query {name}.", kind="epcis_query", id=name)
    return found[0]


def delete_query(conn: Conn, tenant: str, user: str, name: str, now: datetime) -> None:
    """Free a name. Raises NotFound."""
    if conn.execute(_Q["delete_query"], {"tenant": tenant, "name": name, "user": user, "now": now}).rowcount == 0:
        raise NotFound(f"There is no query {name}.", kind="epcis_query", id=name)
