"""Issues borrowing base certificates. One instant has one certificate: asked again, the same one comes back, to the byte."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from collateral.certificate import Basis, content_of
from collateral.errors import NotFound, RejectedInput
from collateral.facility_store import lock_facility
from collateral.ids import new_id
from collateral.registry_store import one
from collateral.transactions import in_transaction
from collateral.valuation_service import assess
from db.pool import Pool
from db.sql import load_queries

Q = load_queries(__file__, "certificate.sql")
UNITS_MAX = 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A certificate as it was issued. content: canonical JSON; content_hash: its SHA-256."""

    certificate_id: str
    facility_id: str
    as_of: datetime
    issued_at: datetime
    issued_by: str
    content: str
    content_hash: str

    @property
    def values(self) -> dict[str, Any]:
        """The content, read."""
        read: dict[str, Any] = json.loads(self.content)
        return read


def issue_certificate(pool: Pool, tenant_id: str, facility_id: str, as_of: datetime, actor: str, now: datetime) -> Certificate:
    """The certificate of a facility at an instant, issued now unless it was before.

    A past instant is stated by what is known now: goods pledged and money of then, sightings as far as they reach back. Raises NotFound,
    RejectedInput on an instant that has not come or more than UNITS_MAX units.
    """
    if as_of > now:
        raise RejectedInput(f"as_of {as_of.isoformat()} lies in the future of {now.isoformat()}", field="as_of")

    def work(conn: Connection[Any]) -> Certificate:
        lock_facility(conn, tenant_id, facility_id)  # nobody draws or pledges while the figures are read
        found = one(conn, Q["certificate_at"], {"facility_id": facility_id, "as_of": as_of, "tenant_id": tenant_id})
        if found is not None:
            return Certificate(**found)
        a = assess(conn, facility_id, as_of, now)
        if len(a.units) > UNITS_MAX:
            raise RejectedInput(f"{len(a.units)} units are {len(a.units) - UNITS_MAX} more than a certificate lists", field="facility_id")
        certificate_id = new_id("bbc")
        basis = Basis(book=a.book, units=a.units, pool=a.pool, standing=a.standing)
        content = content_of(basis, certificate_id=certificate_id, as_of=as_of, issued_at=now, issued_by=actor)
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        params = {"certificate_id": certificate_id, "tenant_id": tenant_id, "facility_id": facility_id, "as_of": as_of}
        digest = hashlib.sha256(text.encode()).hexdigest()
        conn.execute(Q["insert_certificate"], {**params, "issued_at": now, "issued_by": actor, "content": text, "content_hash": digest})
        kept = one(conn, Q["certificate_at"], params)
        assert kept is not None
        return Certificate(**kept)

    return in_transaction(pool, work)


def certificate(pool: Pool, tenant_id: str, certificate_id: str) -> Certificate:
    """One certificate. Raises NotFound."""

    def work(conn: Connection[Any]) -> Certificate:
        row = one(conn, Q["certificate"], {"certificate_id": certificate_id, "tenant_id": tenant_id})
        if row is None:
            raise NotFound(f"there is no certificate {certificate_id}")
        return Certificate(**row)

    return in_transaction(pool, work)
