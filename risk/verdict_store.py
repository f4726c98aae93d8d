"""Reads the open alerts that a verdict rests on."""

from __future__ import annotations

from datetime import datetime

from collateral.errors import NotFound, RejectedInput
from db.pool import Pool
from db.sql import load_queries
from risk.loading import fetch
from risk.rule import Leg, Severity
from risk.verdict import KINDS, OpenAlert, Verdict, verdict

_Q = load_queries(__file__, "verdict_queries.sql")


def verdict_on(pool: Pool, tenant_id: str, kind: str, subject_id: str, as_of: datetime) -> Verdict:
    """The verdict on a subject of the tenant now. Raises RejectedInput on an unknown kind, NotFound when there is no such subject."""
    if kind not in KINDS:
        raise RejectedInput(f"a verdict is on one of {', '.join(KINDS)}", field="kind")
    escaped = subject_id.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    params = {"tenant": tenant_id, "kind": kind, "id": subject_id, "id_like": f"{escaped}/%"}
    with pool.connection() as conn:
        if not fetch(conn, _Q["subject_exists"], params)[0]["there"]:
            raise NotFound(f"There is no {kind} {subject_id}.", kind=kind, id=subject_id)
        found = fetch(conn, _Q["alerts_of_subject"], params)
    alerts = [OpenAlert(**{**r, "leg": Leg(r["leg"]), "severity": Severity(r["severity"])}) for r in found]
    return verdict(kind, subject_id, alerts, as_of)
