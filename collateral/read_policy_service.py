"""How the reads of one device are weighed: what is set for it, and what counts for it in the end. Source: table read_policy, devices.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collateral.errors import NotFound
from collateral.registry_store import many, one
from collateral.transactions import in_transaction
from db.pool import Pool
from db.sql import load_queries

_Q = load_queries(__file__, "read_policy.sql")

FIELDS = ("smoothing_s", "window_s", "reads_min", "clear_dbm", "lead_db", "strong_db", "return_within_s")


@dataclass(frozen=True)
class DevicePolicy:
    """own: what was set for the device itself; None where nothing was. said: the same with what its site, class and all devices have; None = the default."""

    device_id: str
    own: Mapping[str, Any]
    said: Mapping[str, Any]


def read_policy_of(pool: Pool, tenant_id: str, device_id: str) -> DevicePolicy:
    """How a device's reads are weighed. Raises NotFound."""

    def work(conn: Any) -> DevicePolicy:
        device = one(conn, _Q["device"], {"device_id": device_id, "tenant_id": tenant_id})
        if device is None:
            raise NotFound(f"there is no device {device_id}")
        rows = many(conn, _Q["fitting"], device)
        own = next((r for r in rows if r["device_id"] is not None and r["site"] is None and r["device_class"] is None), {})
        said = {name: next((r[name] for r in rows if r[name] is not None), None) for name in FIELDS}
        return DevicePolicy(device_id, {name: own.get(name) for name in FIELDS}, said)

    return in_transaction(pool, work)


def set_read_policy(pool: Pool, tenant_id: str, device_id: str, values: Mapping[str, Any]) -> DevicePolicy:
    """Set the device's own row as a whole: a name without a value has nothing of its own. Workers follow at once. Raises NotFound."""

    def work(conn: Any) -> None:
        if one(conn, _Q["device"], {"device_id": device_id, "tenant_id": tenant_id}) is None:
            raise NotFound(f"there is no device {device_id}")
        row = {"device_id": device_id, **{name: values.get(name) for name in FIELDS}}
        conn.execute(_Q["set" if any(row[name] is not None for name in FIELDS) else "forget"], row)

    in_transaction(pool, work)
    return read_policy_of(pool, tenant_id, device_id)
