"""Reads and writes of facilities, pledges, releases and their book. Each function takes the connection first and never commits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral import ledger
from collateral.calendar import business_date
from collateral.errors import EntryConflict, NotFound
from collateral.ledger_audit import AccruedRow, Book, BookedEntry, HeldUnit
from collateral.model import Balance, Outcome, Pledge, PostedEntry, ReleaseOrder
from collateral.registry_store import many, notify, one
from db.sql import load_queries

Q = load_queries(__file__, "facility.sql")
_BALANCE = tuple(f.name for f in fields(Balance))


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFacility:
    """A facility whose book nobody else writes until this transaction ends."""

    balance: Balance
    status: str
    tenant_id: str
    borrower_party_id: str
    matures_on: date
    repayment_order: tuple[str, ...]


def lock_facility(conn: Connection[Any], tenant_id: str, facility_id: str) -> LockedFacility:
    """First lock of every command. Raises NotFound."""
    row = one(conn, Q["lock_facility"], {"tenant_id": tenant_id, "facility_id": facility_id})
    if row is None:
        raise NotFound(f"there is no facility {facility_id}")
    terms = one(conn, Q["locked_terms"], {"facility_id": facility_id})
    assert terms is not None
    return LockedFacility(balance=balance_from_row(row), **{**terms, "repayment_order": tuple(terms["repayment_order"])})


def balance_from_row(row: Mapping[str, Any]) -> Balance:
    """A facility_balance row as a value."""
    return Balance(**{name: row[name] for name in _BALANCE})


def recorded_before(conn: Connection[Any], balance: Balance, key: str, request_hash: str) -> PostedEntry | None:
    """The entry that this command made before. Raises EntryConflict when the key stands for another command."""
    row = one(conn, Q["entry_by_key"], {"facility_id": balance.facility_id, "idempotency_key": key})
    if row is None:
        return None
    if row.pop("request_hash") != request_hash:
        raise EntryConflict(f"key {key} was used for other content", idempotency_key=key, entry_no=row["entry_no"])
    return PostedEntry(**row, outcome=Outcome.REPEATED, balance=balance)


def append(conn: Connection[Any], entry: ledger.Entry, balance: Balance) -> PostedEntry:
    """The next entry of a locked facility: number, chain, lines and balance together."""
    link = ledger.chained(entry, balance)
    new = ledger.after(balance, link.postings)
    params = {
        **{f.name: getattr(link, f.name) for f in fields(link) if f.name != "postings"},
        "line_nos": list(range(1, len(link.postings) + 1)),
        "accounts": [p.account for p in link.postings],
        "amounts": [p.amount for p in link.postings],
        "units": [p.unit for p in link.postings],
        "goods_ids": [p.goods_id for p in link.postings],
        "principal": new.principal,
        "interest": new.interest,
        "fees": new.fees,
        "cash_margin": new.cash_margin,
    }
    row = one(conn, Q["insert_entry"], params)
    assert row is not None
    kept = Balance(**{**{n: getattr(new, n) for n in _BALANCE}, "last_entry_no": link.entry_no, "last_hash": link.hash})
    return PostedEntry(
        entry_id=row["entry_id"],
        facility_id=link.facility_id,
        entry_no=link.entry_no,
        kind=link.kind,
        happened_at=link.happened_at,
        recorded_at=link.recorded_at,
        hash=link.hash,
        outcome=Outcome.RECORDED,
        balance=kept,
    )


def entry(
    facility_id: str,
    kind: str,
    postings: tuple[ledger.Posting, ...],
    *,
    key: str,
    request_hash: str,
    actor: str,
    reason: str,
    at: datetime,
    now: datetime,
    corrects: int | None = None,
) -> ledger.Entry:
    """An entry that is not numbered yet; its business date is that of the time it is recorded."""
    return ledger.Entry(
        facility_id=facility_id,
        kind=kind,
        happened_at=at,
        recorded_at=now,
        business_date=business_date(now),
        actor=actor,
        reason=reason,
        idempotency_key=key,
        request_hash=request_hash,
        postings=postings,
        corrects=corrects,
    )


def book(conn: Connection[Any], facility_id: str) -> tuple[list[ledger.Entry], Balance | None]:
    """All entries of a facility in order, and the balance kept."""
    lines: dict[int, list[ledger.Posting]] = {}
    for p in many(conn, Q["postings"], {"facility_id": facility_id}):
        lines.setdefault(p.pop("entry_id"), []).append(ledger.Posting(**p))
    entries = [
        ledger.Entry(**{k: v for k, v in row.items() if k != "entry_id"}, postings=tuple(lines.get(row["entry_id"], ())))
        for row in many(conn, Q["entries"], {"facility_id": facility_id})
    ]
    row = one(conn, Q["balance"], {"facility_id": facility_id})
    return entries, None if row is None else balance_from_row(row)


def booked(conn: Connection[Any], facility_id: str) -> Book:
    """A facility's book with its rows' keys, and what is kept beside it, for the audit."""
    params = {"facility_id": facility_id}
    lines: dict[int, list[tuple[int, ledger.Posting]]] = {}
    for p in many(conn, Q["numbered_postings"], params):
        lines.setdefault(p.pop("entry_id"), []).append((p.pop("line_no"), ledger.Posting(**p)))
    entries = []
    for row in many(conn, Q["entries"], params):
        of_entry = lines.get(row["entry_id"], [])
        said = ledger.Entry(**{k: v for k, v in row.items() if k != "entry_id"}, postings=tuple(p for _, p in of_entry))
        entries.append(BookedEntry(entry_id=row["entry_id"], entry=said, line_nos=tuple(n for n, _ in of_entry)))
    balance = one(conn, Q["balance"], params)
    return Book(
        facility_id=facility_id,
        entries=entries,
        balance=None if balance is None else balance_from_row(balance),
        held=[HeldUnit(**row) for row in many(conn, Q["held_units"], params)],
        accruals=[AccruedRow(**row) for row in many(conn, Q["accrual_rows"], params)],
    )


def pledge(conn: Connection[Any], tenant_id: str, pledge_id: str) -> Pledge:
    """A pledge with its goods. Raises NotFound."""
    row = one(conn, Q["pledge"], {"tenant_id": tenant_id, "pledge_id": pledge_id})
    if row is None:
        raise NotFound(f"there is no pledge {pledge_id}")
    return Pledge(**{**row, "goods_ids": tuple(row["goods_ids"] or ())})


def release(conn: Connection[Any], release_id: str, tenant_id: str | None = None) -> ReleaseOrder:
    """An order with its units. Raises NotFound."""
    row = one(conn, Q["release"], {"tenant_id": tenant_id, "release_id": release_id})
    if row is None:
        raise NotFound(f"there is no release order {release_id}")
    return ReleaseOrder(**{**row, **{n: tuple(row[n]) for n in ("goods_ids", "gated_out_ids", "returned_ids")}})


def locked_release(conn: Connection[Any], tenant_id: str, release_id: str) -> tuple[LockedFacility, ReleaseOrder]:
    """The order's facility, locked, and the order as it is then. Raises NotFound."""
    row = one(conn, Q["facility_of_release"], {"release_id": release_id})
    if row is None or row["tenant_id"] != tenant_id:
        raise NotFound(f"there is no release order {release_id}")
    locked = lock_facility(conn, tenant_id, row["facility_id"])
    return locked, release(conn, release_id, tenant_id)


def set_goods_state(conn: Connection[Any], goods_ids: Sequence[str], state: str, *, only_from: Sequence[str]) -> None:
    """Units in one of these states move on; others stay as they are."""
    conn.execute(Q["set_goods_state"], {"goods_ids": sorted(goods_ids), "state": state, "from": list(only_from)})


def refuse(
    conn: Connection[Any],
    *,
    tenant_id: str,
    command: str,
    code: str,
    facility_id: str | None,
    detail: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> None:
    """Keep a refusal for the officer and wake the fast lane."""
    params = {"tenant_id": tenant_id, "command": command, "code": code, "facility_id": facility_id, "actor": actor, "now": now}
    conn.execute(Q["insert_refusal"], {**params, "detail": Jsonb(dict(detail), dumps=_dumps)})
    notify(conn, "refused_command")


def _dumps(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
