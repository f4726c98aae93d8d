"""Reads and writes of price overrides and differentials. Each function takes the connection first and never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral.differentials import Differential
from collateral.errors import NotFound
from collateral.registry_store import many, one
from db.sql import load_queries

Q = load_queries(__file__, "price.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceOverride:
    """Two people's word for a quarantined price. used_price_id: the quote that counts for the tenant since the approval."""

    override_id: str
    tenant_id: str
    price_id: str
    status: str
    reason: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None
    used_price_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceDifferential:
    """What a grade, spec, brand or place is worth more (or less) than the quoted goods, from valid_from up to but not on valid_to.

    Either an amount per unit of the commodity, ex-VAT, in currency, or a share of the price. facility_id None = every facility of the tenant.
    """

    differential_id: str
    tenant_id: str
    commodity_code: str
    kind: str
    applies_to: str
    valid_from: date
    reason: str
    proposed_by: str
    proposed_at: datetime
    facility_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    share: Decimal | None = None
    valid_to: date | None = None
    status: str = "PROPOSED"
    decided_by: str | None = None
    decided_at: datetime | None = None


def insert(conn: Connection[Any], made: PriceOverride) -> None:
    """What one person vouches for."""
    conn.execute(Q["insert_override"], asdict(made))


def for_update(conn: Connection[Any], tenant_id: str, override_id: str) -> PriceOverride:
    """What was asked, locked. Raises NotFound."""
    row = one(conn, Q["override_for_update"], {"tenant_id": tenant_id, "override_id": override_id})
    if row is None:
        raise NotFound(f"there is no price override {override_id}")
    return PriceOverride(**row)


def decide(
    conn: Connection[Any], asked: PriceOverride, *, actor: str, now: datetime, reason: str, used_price_id: str | None
) -> PriceOverride:
    """The second person's word; without a price to use it is a rejection."""
    row = one(
        conn,
        Q["decide_override"],
        {
            "override_id": asked.override_id,
            "status": "REJECTED" if used_price_id is None else "APPROVED",
            "actor": actor,
            "now": now,
            "reason": reason,
            "used_price_id": used_price_id,
        },
    )
    assert row is not None
    return PriceOverride(**row)


def differential_from_row(row: Mapping[str, Any]) -> PriceDifferential:
    """A price_differential row as a value."""
    return PriceDifferential(**{f.name: row[f.name] for f in fields(PriceDifferential)})


def differential_for_update(conn: Connection[Any], tenant_id: str, differential_id: str) -> PriceDifferential:
    """One differential, locked. Raises NotFound."""
    row = one(conn, Q["differential_for_update"], {"tenant_id": tenant_id, "differential_id": differential_id})
    if row is None:
        raise NotFound(f"there is no price differential {differential_id}")
    return differential_from_row(row)


def differentials_on(conn: Connection[Any], tenant_ids: Sequence[str], on: date) -> list[tuple[str, str | None, Differential]]:
    """(tenant, facility or None, differential) of all that hold on a day."""
    rows = many(conn, Q["differentials_on"], {"tenant_ids": list(tenant_ids), "on": on})
    names = ("differential_id", "commodity_code", "kind", "applies_to", "amount", "currency", "share")
    return [(r["tenant_id"], r["facility_id"], Differential(**{n: r[n] for n in names})) for r in rows]
