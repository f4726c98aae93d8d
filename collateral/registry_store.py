"""Reads and writes of the registry. Each function takes the connection first and never commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from collateral.errors import RejectedInput
from collateral.model import PriceStatus
from collateral.prices import Band, Quote
from db.sql import load_queries

Q = load_queries(__file__, "registry.sql")
_QUOTE = tuple(f.name for f in fields(Quote))


def one(conn: Connection[Any], query: LiteralString, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first row as a dict."""
    with conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(query, params).fetchone()


def many(conn: Connection[Any], query: LiteralString, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All rows as dicts."""
    with conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(query, params).fetchall()


def notify(conn: Connection[Any], channel: str, payload: str = "") -> None:
    """Wakes listeners at commit."""
    conn.execute(Q["notify"], {"channel": channel, "payload": payload})


def require_known(conn: Connection[Any], what: str, tenant_id: str, ids: Iterable[str | None]) -> None:
    """Raises RejectedInput naming what the tenant does not have. what: parties, warehouses, zones, goods, receipts, facilities, devices."""
    wanted = sorted({i for i in ids if i is not None})
    if not wanted:
        return
    known = {row[0] for row in conn.execute(Q[f"known_{what}"], {"tenant_id": tenant_id, "ids": wanted})}
    missing = [i for i in wanted if i not in known]
    if missing:
        raise RejectedInput(f"unknown {what}: {', '.join(missing[:5])}" + (" ..." if len(missing) > 5 else ""), missing=missing[:100])


def commodity_units(conn: Connection[Any], codes: Sequence[str]) -> dict[str, str]:
    """Unit by commodity code; unknown codes are absent."""
    return {row[0]: row[1] for row in conn.execute(Q["commodity_units"], {"ids": list(codes)})}


def zone_warehouses(conn: Connection[Any], tenant_id: str, zone_ids: Iterable[str]) -> dict[str, str]:
    """Warehouse by zone of the tenant."""
    return {row[0]: row[1] for row in conn.execute(Q["known_zones"], {"tenant_id": tenant_id, "ids": sorted(set(zone_ids))})}


def quote_by_id(conn: Connection[Any], price_id: str, tenant_id: str | None) -> dict[str, Any] | None:
    """A quote that the tenant sees, locked; with whose it is."""
    return one(conn, Q["price_by_id"], {"price_id": price_id, "tenant_id": tenant_id})


def band(conn: Connection[Any], commodity_code: str) -> Band | None:
    """What a quote of this commodity is checked against."""
    row = one(conn, Q["commodity_for_price"], {"commodity_code": commodity_code})
    if row is None:
        return None
    return Band(unit=row["unit"], price_min=row["price_min"], price_max=row["price_max"], currency=row["price_currency"])


def quote_from_row(row: Mapping[str, Any]) -> Quote:
    """A price_quote row as a value."""
    return Quote(**{f: row[f] for f in _QUOTE if f != "status"}, status=PriceStatus(row["status"]))


def quotes_around(conn: Connection[Any], tenant_id: str | None, commodity_code: str, since: datetime, until: datetime) -> list[Quote]:
    """Quotes of a period and, before it, the newest accepted one of each source: the tenant's own, or market data for None."""
    params = {"tenant_id": tenant_id, "commodity_code": commodity_code, "from": since, "until": until}
    return [quote_from_row(row) for row in many(conn, Q["recent_quotes"], params)]
