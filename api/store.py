"""The read side: every query is bound to a tenant. Rows come back as dicts named like the columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from api import runs
from api.paging import SortKey
from api.sqltext import with_filters
from collateral.errors import NotFound
from db.pool import Pool
from db.sql import load_queries

QUERIES = load_queries(__file__)

Row = dict[str, Any]


def rows(conn: Connection[Any], query: str, **params: Any) -> list[Row]:
    """All rows of a named query; optional lines follow the parameters that are not None."""
    with conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(with_filters(QUERIES[query], params), params).fetchall()


def one(conn: Connection[Any], query: str, what: str, key: str, **params: Any) -> Row:
    """The one row with this key. Raises NotFound: also for a row of another tenant, which does not exist for this user."""
    found = rows(conn, query, id=key, limit=1, **params)
    if not found:
        raise NotFound(f"There is no {what} {key}.", kind=what, id=key)
    return found[0]


def page(
    pool: Pool,
    query: str,
    sort: SortKey,
    *,
    tenant: str,
    limit: int,
    cursor: str | None,
    shape: Callable[[Row], Row] = lambda row: row,
    **filters: Any,
) -> dict[str, Any]:
    """A page of a named query as paging.Page carries it."""
    params = {"tenant": tenant, "limit": limit + 1, **sort.params(cursor), **filters}
    with pool.connection() as conn:
        return sort.page(rows(conn, query, **params), limit, shape)


BY_ID = {
    name: SortKey(name, (column,), (str,))
    for name, column in (
        ("users", "username"),
        ("parties", "party_id"),
        ("warehouses", "warehouse_id"),
        ("zones", "zone_id"),
        ("devices", "device_id"),
        ("commodities", "commodity_code"),
        ("goods", "goods_id"),
        ("receipts", "receipt_no"),
        ("facilities", "facility_id"),
    )
}
NEWEST_PRICE = SortKey("prices", ("quoted_at", "price_id"), (datetime, str))
NEWEST_DOCUMENT = SortKey("documents", ("issued_at", "document_id"), (datetime, str))
NEWEST_TRIP = SortKey("trips", ("planned_from", "trip_id"), (datetime, str))
NEWEST_PLEDGE = SortKey("pledges", ("created_at", "pledge_id"), (datetime, str))
NEWEST_RELEASE = SortKey("releases", ("requested_at", "release_id"), (datetime, str))
NEWEST_VALUATION = SortKey("valuations", ("as_of", "valuation_id"), (datetime, str))
LEDGER_ORDER = SortKey("ledger", ("entry_no",), (int,))
NEWEST_ALERT = SortKey("alerts", ("opened_at", "alert_id"), (datetime, str))
NEWEST_CALL = SortKey("margin_calls", ("issued_at", "call_id"), (datetime, str))
NEWEST_CASE = SortKey("disposals", ("opened_at", "case_id"), (datetime, str))
NEWEST_RUN = SortKey("jobs", ("started_at", "run_id"), (datetime, str))
NEWEST_OVERRIDE = SortKey("price_overrides", ("proposed_at", "override_id"), (datetime, str))
NEWEST_DIFFERENTIAL = SortKey("price_differentials", ("proposed_at", "differential_id"), (datetime, str))
NEWEST_CORRECTION = SortKey("corrections", ("proposed_at", "correction_id"), (datetime, str))
NEWEST_CERTIFICATE = SortKey("certificates", ("as_of", "certificate_id"), (datetime, str))
NEWEST_RECEIPT_ORDER = SortKey("receipt_orders", ("proposed_at", "order_id"), (datetime, str))
NEWEST_LETTER = SortKey("dead_letters", ("last_received_at", "dead_letter_id"), (datetime, int))
NEWEST_HOLD = SortKey("legal_holds", ("placed_at", "hold_id"), (datetime, str))
QUARANTINED = SortKey("quarantine", ("device_id",), (str,))
NEWEST_AUDIT = SortKey("audit", ("audit_id",), (int,))


def nested(row: Row, prefix: str, into: str, present: str) -> Row:
    """The row with its `prefix...` columns moved into a dict of their own; None when column `present` is NULL."""
    inner = {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}
    outer = {k: v for k, v in row.items() if not k.startswith(prefix)}
    outer[into] = inner if inner.get(present) is not None else None
    return outer


def device_shape(row: Row) -> Row:
    """A device with its state."""
    return nested(row, "s_", "state", "device_id")


def facility(conn: Connection[Any], tenant: str, facility_id: str) -> Row:
    """One facility with its commodities and newest valuation. Raises NotFound."""
    return facility_rows(conn, [one(conn, "facilities", "facility", facility_id, tenant=tenant)])[0]


def facility_rows(conn: Connection[Any], found: list[Row]) -> list[Row]:
    """Facilities joined with what they accept."""
    accepted: dict[str, list[Row]] = {r["facility_id"]: [] for r in found}
    for row in rows(conn, "facility_commodities", ids=list(accepted)):
        accepted[row["facility_id"]].append(row)
    return [{**nested(r, "v_", "latest", "as_of"), "commodities": accepted[r["facility_id"]]} for r in found]


def ledger_page(pool: Pool, tenant: str, facility_id: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """Entries, newest first, each with its postings."""
    with pool.connection() as conn:
        params = {"tenant": tenant, "id": facility_id, "limit": limit + 1, **LEDGER_ORDER.params(cursor)}
        result = LEDGER_ORDER.page(rows(conn, "ledger", **params), limit)
        postings: dict[int, list[Row]] = {e["entry_id"]: [] for e in result["items"]}
        for row in rows(conn, "ledger_postings", ids=list(postings)):
            postings[row["entry_id"]].append(row)
    result["items"] = [{**e, "postings": postings[e["entry_id"]]} for e in result["items"]]
    return result


def alert(conn: Connection[Any], tenant: str, alert_id: str) -> Row:
    """One alert with its history. Raises NotFound."""
    row = one(conn, "alerts", "alert", alert_id, tenant=tenant)
    return {**row, "events": rows(conn, "alert_events", id=alert_id)}


def goods_detail(conn: Connection[Any], tenant: str, goods_id: str) -> Row:
    """A unit with tags, sightings and live pledge. Raises NotFound."""
    row = one(conn, "goods", "goods", goods_id, tenant=tenant)
    pledge = rows(conn, "live_pledge_of_goods", id=goods_id)
    row["pledge_id"] = pledge[0]["pledge_id"] if pledge else None
    row["facility_id"] = pledge[0]["facility_id"] if pledge else None
    row["tags"] = rows(conn, "tags_of_goods", id=goods_id)
    row["sightings"] = rows(conn, "sightings_of_goods", id=goods_id)
    return row


def jobs_page(pool: Pool, tenant: str, limit: int, cursor: str | None, **filters: Any) -> dict[str, Any]:
    """Runs, newest first, as this tenant may see them, and when each job fires next."""
    found = page(pool, "jobs", NEWEST_RUN, tenant=tenant, limit=limit, cursor=cursor, **filters)
    with pool.connection() as conn:
        schedule = rows(conn, "job_schedule")
        if rows(conn, "beside", tenant=tenant)[0]["others"]:
            ids = sorted(set().union(*(runs.ids_in(r) for r in found["items"])))
            own = {r["id"] for r in rows(conn, "own_of", tenant=tenant, ids=ids)}
            found["items"] = [runs.scoped(r, own) for r in found["items"]]
    return {**found, "schedule": schedule}


def tally(pool: Pool, tenant: str, since: Any, until: Any, device_id: str | None) -> dict[str, Any]:
    """Counters and what the tables hold, from one snapshot: ingest writes both in one transaction, so they must agree."""
    with pool.connection() as conn, conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        items = rows(conn, "tally_rows", tenant=tenant, since=since, until=until, device_id=device_id)
        counted = rows(conn, "tally_totals", tenant=tenant)[0]
        tables = rows(conn, "tally_tables", tenant=tenant)[0]
    tables["stored"] = tables["observations"] + tables["positions"] + tables["device_events"]
    agrees = counted["stored"] == tables["stored"] + tables["purged_stored"] and counted["refused"] == tables.pop("all_refused")
    names = ("received", "stored", "repeated", "absorbed", "refused")
    totals = {n: sum(r[n] for r in items) for n in names}
    return {"items": items, "totals": totals, "tables": tables, "agrees": agrees}
