"""The trace of one unit: everything that is known of it, in the order in which it happened, with both clocks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from api import store
from api.problems import plain
from api.store import Row
from db.sql import load_queries

_QUERIES = load_queries(__file__, "trace.sql")
ROWS_PER_KIND_DEFAULT = 200


def trace(conn: Connection[Any], tenant: str, goods_id: str, as_of: datetime, rows_per_kind: int = ROWS_PER_KIND_DEFAULT) -> Row:
    """All kinds of facts about a unit, of each the newest rows_per_kind. Raises NotFound."""
    goods = store.one(conn, "goods", "goods", goods_id, tenant=tenant)
    items: list[Row] = []
    truncated: list[str] = []
    seen: set[tuple[str, str, datetime]] = set()
    for name, query in _QUERIES.items():
        kind = name.partition("_")[0]
        with conn.cursor(row_factory=dict_row) as cur:
            found = cur.execute(query, {"id": goods_id, "tenant": tenant, "limit": rows_per_kind + 1}).fetchall()
        if len(found) > rows_per_kind:
            truncated.append(kind)
        for row in found[:rows_per_kind]:
            item = _item(kind, row)
            key = (kind, item["subject_id"], item["occurred_at"])
            if kind != "position" or key not in seen:
                items.append(item)
            seen.add(key)
    items.sort(key=lambda i: (i["occurred_at"], i["recorded_at"] or i["occurred_at"]))
    return {
        "goods": goods,
        "as_of": as_of,
        "present": store.rows(conn, "sightings_of_goods", id=goods_id),
        "items": items,
        "truncated": sorted(set(truncated)),
    }


def _item(kind: str, row: Row) -> Row:
    own = {k.removeprefix("t_"): v for k, v in row.items() if k.startswith("t_")}
    facts = {k: plain(v) for k, v in row.items() if not k.startswith("t_") and v is not None}
    return {"kind": kind, **own, "facts": facts}
