"""Differentials are proposed by one person and hold once another has agreed; two for the same goods never hold on one day."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral import price_store as store
from collateral import registry_store
from collateral.errors import EntryConflict, RejectedInput, SamePersonRefused, WrongState
from collateral.price_store import PriceDifferential
from collateral.registry_store import one, require_known
from collateral.transactions import in_transaction
from db.pool import Pool

SHARE_MAX = Decimal("0.5")


def propose_differential(pool: Pool, made: PriceDifferential) -> PriceDifferential:
    """Kept as PROPOSED. Raises RejectedInput that names the field, EntryConflict where another already holds in these days."""
    if (made.amount is None) == (made.share is None):
        raise RejectedInput("give an amount per unit, or a share of the price, and not both", field="amount")
    if (made.amount is None) != (made.currency is None):
        raise RejectedInput("an amount needs its currency, and a share has none", field="currency")
    if made.share is not None and abs(made.share) > SHARE_MAX:
        raise RejectedInput(f"a share of {made.share} is more than {SHARE_MAX} either way: quote the goods themselves", field="share")
    if made.valid_to is not None and made.valid_to <= made.valid_from:
        raise RejectedInput(f"valid_to {made.valid_to} has to lie after valid_from {made.valid_from}", field="valid_to")

    def work(conn: Connection[Any]) -> PriceDifferential:
        band = registry_store.band(conn, made.commodity_code)
        if band is None:
            raise RejectedInput(f"unknown commodity {made.commodity_code}", field="commodity_code")
        if made.currency is not None and made.currency != band.currency:
            raise RejectedInput(f"{made.commodity_code} is priced in {band.currency}, not {made.currency}", field="currency")
        if made.amount is not None and abs(made.amount) > SHARE_MAX * band.price_max:
            limit = SHARE_MAX * band.price_max
            raise RejectedInput(f"{made.amount} is more than {limit}, half the highest price of the band", field="amount", limit=limit)
        require_known(conn, "facilities", made.tenant_id, [made.facility_id])
        if made.kind == "PLACE":
            require_known(conn, "warehouses", made.tenant_id, [made.applies_to])
        _require_alone(conn, made)
        conn.execute(store.Q["insert_differential"], asdict(made))
        return made

    return in_transaction(pool, work)


def _require_alone(conn: Connection[Any], made: PriceDifferential) -> None:
    other = one(conn, store.Q["overlapping_differential"], asdict(made))
    if other is not None:
        until: date | None = other["valid_to"]
        raise EntryConflict(
            f"{other['differential_id']} holds from {other['valid_from']} to {until or 'further notice'}; choose days outside of it",
            differential_id=other["differential_id"],
            valid_from=other["valid_from"].isoformat(),
            valid_to=None if until is None else until.isoformat(),
        )


def decide_differential(pool: Pool, tenant_id: str, differential_id: str, actor: str, now: datetime, *, approve: bool) -> PriceDifferential:
    """The second person's word. Raises NotFound, SamePersonRefused, WrongState, EntryConflict on an overlap."""

    def work(conn: Connection[Any]) -> PriceDifferential:
        asked = store.differential_for_update(conn, tenant_id, differential_id)
        if asked.status != "PROPOSED":
            raise WrongState(f"differential {differential_id} is {asked.status}, not PROPOSED", status=asked.status)
        if asked.proposed_by == actor:
            raise SamePersonRefused("who proposes a differential cannot agree to it", user_id=actor)
        if approve:
            _require_alone(conn, asked)
        status = "APPROVED" if approve else "REJECTED"
        conn.execute(store.Q["decide_differential"], {"differential_id": differential_id, "status": status, "actor": actor, "now": now})
        if approve:
            registry_store.notify(conn, "price", asked.commodity_code)
        return replace(asked, status=status, decided_by=actor, decided_at=now)

    return in_transaction(pool, work)
