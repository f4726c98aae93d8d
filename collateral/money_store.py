"""Reads of money: rates, principal by days, corrections. Each function takes the connection first and never commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral.errors import NotFound
from collateral.interest import DayCount, PrincipalChange, Rate, interest_to
from collateral.registry_store import many, one
from db.sql import load_queries

Q = load_queries(__file__, "money.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """Two people's word that an entry is wrong; approved, it is reversed by another entry and stays in the book."""

    correction_id: str
    tenant_id: str
    facility_id: str
    entry_no: int
    status: str
    reason: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reversing_entry_no: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Accrued:
    """Interest of all days before accrued_to, what of it is posted, and what is not."""

    accrued_to: date
    total: Decimal
    posted: Decimal

    @property
    def unposted(self) -> Decimal:
        return self.total - self.posted


def rates(conn: Connection[Any], facility_id: str) -> list[Rate]:
    """What borrowing costs, oldest first."""
    rows = many(conn, Q["rates"], {"facility_id": facility_id})
    return [Rate(**{**r, "day_count": DayCount(r["day_count"])}) for r in rows]


def accrued(conn: Connection[Any], facility_id: str, currency: str, accrued_to: date, *, as_of: datetime, known_at: datetime) -> Accrued:
    """Interest up to a day and what of it was posted by as_of, by what was recorded until known_at. Raises RejectedInput where a rate is missing."""
    params = {"facility_id": facility_id, "as_of": as_of, "known_at": known_at}
    changes = [PrincipalChange(**r) for r in many(conn, Q["principal_changes"], params)]
    before = one(conn, Q["accrued_before"], params)
    assert before is not None
    total = interest_to(changes, rates(conn, facility_id), accrued_to, currency)
    return Accrued(accrued_to=accrued_to, total=total, posted=before["posted"])


def correction(conn: Connection[Any], tenant_id: str, correction_id: str) -> Correction:
    """What was asked. Raises NotFound."""
    row = one(conn, Q["correction"], {"tenant_id": tenant_id, "correction_id": correction_id})
    if row is None:
        raise NotFound(f"there is no correction {correction_id}")
    return Correction(**row)
