"""What people attest for the rules (scales, tanks, hours, tickets, figures, registers, proofs, receipts, places), and how rules are set. Append-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral import registry_store
from collateral.errors import RejectedInput
from collateral.ids import new_id
from collateral.transactions import in_transaction
from db.pool import Pool
from db.sql import load_queries

_Q = load_queries(__file__, "rule_inputs.sql")
# kind = table -> its own id's column
IDS = {
    "scale_calibration": "calibration_id", "tank_spec": "spec_id", "site_hours": "hours_id", "work_ticket": "ticket_id", "business_figure": "figure_id",
    "registry_event": "event_id", "inspection_visit": "visit_id", "party_link": "link_id", "dated_proof": "proof_id", "receipt_check": "check_id",
    "receipt_series": "series_id", "road_place": "place_id", "trip_change": "change_id", "commodity_band": "band_id",
}  # fmt: skip
_REFERENCES = {
    "party_id": "parties", "other_party_id": "parties", "keeper_party_id": "parties", "warehouse_id": "warehouses", "zone_id": "zones",
    "device_id": "devices",
}  # fmt: skip
_OTHERS = ("facility_id", "trip_id", "commodity_code")


class RuleMode(StrEnum):
    """A rule raises alerts, or only looks; mirrored by a CHECK in SQL."""

    LIVE = "LIVE"
    SHADOW = "SHADOW"


@dataclass(frozen=True, kw_only=True)
class SetThreshold:
    """A number instead of the rule's own, in a scope; durations in seconds; value None = the rule's own again."""

    tenant_id: str
    rule_code: str
    name: str
    value: Decimal | None
    reason: str
    product: str | None = None
    warehouse_id: str | None = None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value


def record_input(pool: Pool, tenant_id: str, kind: str, values: Mapping[str, Any], actor: str, now: datetime) -> str:
    """Record one input; its id. values: columns of the table `kind`. Raises RejectedInput on a reference that is not the tenant's."""
    if kind not in IDS:
        raise RejectedInput(f"an input is one of {', '.join(sorted(IDS))}", field="kind")
    input_id = new_id(kind.split("_")[0])
    row = {name: _plain(value) for name, value in values.items() if value is not None}
    row |= {IDS[kind]: input_id, "tenant_id": tenant_id, "recorded_by": actor, "recorded_at": now.isoformat()}
    if kind == "tank_spec":
        row["strapping"] = [[_plain(x) for x in pair] for pair in values["strapping"]]
        _require_rising(values["strapping"])

    def work(conn: Connection[Any]) -> str:
        for column, what in _REFERENCES.items():
            registry_store.require_known(conn, what, tenant_id, [values.get(column)])
        others = {c: values[c] for c in _OTHERS if values.get(c) is not None}
        params = {"tenant_id": tenant_id, "ids": list(others.values())}
        known = {(r[0], r[1]) for r in conn.execute(_Q["known_others"], params)} if others else set()
        missing = [c for c, i in others.items() if (c, i) not in known]
        if missing:
            raise RejectedInput(f"unknown {missing[0]}: {others[missing[0]]}", field=missing[0])
        conn.execute(_Q[kind], {"row": Jsonb(row)})
        return input_id

    return in_transaction(pool, work)


def _require_rising(strapping: Any) -> None:
    pairs = [(Decimal(str(level)), Decimal(str(volume))) for level, volume in strapping]
    if len(pairs) < 2 or any(b[0] <= a[0] or b[1] <= a[1] for a, b in pairwise(pairs)):
        raise RejectedInput("a strapping table has at least two rows, and level and volume rise from row to row", field="strapping")


def set_threshold(pool: Pool, command: SetThreshold, actor: str, now: datetime) -> int:
    """Set a threshold in a scope; the number of the row, which alerts show as its version."""

    def work(conn: Connection[Any]) -> int:
        registry_store.require_known(conn, "warehouses", command.tenant_id, [command.warehouse_id])
        params = {
            "tenant_id": command.tenant_id, "rule_code": command.rule_code, "name": command.name, "product": command.product,
            "warehouse_id": command.warehouse_id, "value": command.value, "set_by": actor, "set_at": now, "reason": command.reason,
        }  # fmt: skip
        row = conn.execute(_Q["set_threshold"], params).fetchone()
        assert row is not None
        return int(row[0])

    return in_transaction(pool, work)


def set_mode(pool: Pool, tenant_id: str, rule_code: str, mode: RuleMode, reason: str, actor: str, now: datetime) -> int:
    """Put a rule in shadow for a tenant, or live again; the number of the row."""

    def work(conn: Connection[Any]) -> int:
        params = {"tenant_id": tenant_id, "rule_code": rule_code, "mode": mode.value, "set_by": actor, "set_at": now, "reason": reason}
        row = conn.execute(_Q["set_mode"], params).fetchone()
        assert row is not None
        return int(row[0])

    return in_transaction(pool, work)
