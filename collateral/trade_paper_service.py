"""Trade papers that systems send, into the documents of the tenant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from collateral import registry_service
from collateral.commands import RegisterDocument
from collateral.errors import RejectedInput
from collateral.trade_papers import PAPERS, Paper
from db.pool import Pool


def receive_paper(pool: Pool, tenant_id: str, format_name: str, said: Mapping[str, Any], actor: str, now: datetime) -> str:
    """Check a paper and register it; its document id. The same paper again gives the same id.

    Raises RejectedInput with every fault (also for a party that is not registered), EntryConflict when its number is known with another content.
    """
    paper = PAPERS[format_name](said)
    parties = _parties(pool, tenant_id, paper)
    command = RegisterDocument(
        tenant_id=tenant_id,
        kind=paper.kind,
        number=paper.number,
        issuer_party_id=parties[paper.issuer_uscc],
        issued_at=paper.issued_at,
        seller_party_id=parties.get(paper.seller_uscc or ""),
        buyer_party_id=parties.get(paper.buyer_uscc or ""),
        quantity=paper.quantity,
        unit=paper.unit,
        amount=paper.amount,
        currency=None if paper.amount is None else "CNY",
        vehicle_plate=paper.vehicle_plate,
        content={**said, **({"reverses": paper.reverses} if paper.reverses else {})},
    )
    return registry_service.register_documents(pool, [command], actor, now)[0]


def _parties(pool: Pool, tenant_id: str, paper: Paper) -> dict[str, str]:
    """Party by credit code. The issuer must be known; a seller or buyer that is not stays in the content only."""
    codes = sorted({c for c in (paper.issuer_uscc, paper.seller_uscc, paper.buyer_uscc) if c})
    with pool.connection() as conn:
        found = conn.execute("SELECT uscc, party_id FROM party WHERE tenant_id = %s AND uscc = ANY(%s)", (tenant_id, codes)).fetchall()
    parties: dict[str, str] = dict(found)
    if paper.issuer_uscc not in parties:
        raise RejectedInput(
            f"{paper.kind} {paper.number}: no party is registered with the credit code {paper.issuer_uscc}; register its issuer first",
            uscc=paper.issuer_uscc,
        )
    return parties
