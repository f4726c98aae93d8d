"""Proofs over the book, for doctor and auditors."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from collateral import facility_store as store
from collateral.errors import NotFound
from collateral.ledger import chain_faults
from collateral.ledger_audit import Fault, SealedEvent, faults, receipt_faults
from collateral.receipt_service import chains
from collateral.registry_store import many
from collateral.transactions import in_transaction
from db.pool import Pool


def verify_chain(pool: Pool, facility_id: str) -> list[str]:
    """What is wrong with a facility's book: holes, broken links, altered content, uneven entries, a wrong balance. Empty = sound."""

    def work(conn: Connection[Any]) -> list[str]:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        entries, balance = store.book(conn, facility_id)
        if balance is None:
            return [f"{facility_id}: there is no balance"]
        return chain_faults(entries, balance)

    return in_transaction(pool, work)


def verify_all_chains(pool: Pool) -> dict[str, list[str]]:
    """Faults by facility; facilities whose book is sound are absent."""
    ids = in_transaction(pool, lambda conn: [r["facility_id"] for r in many(conn, store.Q["facility_ids"], {})])
    found = {facility_id: verify_chain(pool, facility_id) for facility_id in ids}
    return {facility_id: faults for facility_id, faults in found.items() if faults}


def audit(pool: Pool, facility_id: str | None = None) -> tuple[int, list[Fault]]:
    """How many facilities were looked at, and every row of their books that is at fault. None = all; each is read at one instant.

    Raises NotFound on an unknown facility.
    """
    ids = in_transaction(pool, lambda conn: [r["facility_id"] for r in many(conn, store.Q["facility_ids"], {})])
    if facility_id is not None:
        if facility_id not in ids:
            raise NotFound(f"there is no facility {facility_id}")
        ids = [facility_id]
    found: list[Fault] = []
    for one_id in ids:
        found += faults(in_transaction(pool, lambda conn, one_id=one_id: store.booked(conn, one_id), one_instant=True))  # type: ignore[misc]
    return len(ids), found


def audit_receipts(pool: Pool) -> tuple[int, list[Fault]]:
    """How many receipts have a chain of events, and every row of these that is at fault."""
    events = [SealedEvent(**row) for row in in_transaction(pool, chains, one_instant=True)]
    return len({e.receipt_no for e in events}), receipt_faults(events)
