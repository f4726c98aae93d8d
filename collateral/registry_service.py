"""Master data, goods, tags, devices, papers and trips: validated, written in one transaction each.

Registering the same thing again with the same content succeeds and changes nothing; with other content it is an EntryConflict.
NOTIFY `registry` tells ingest that devices, antennas or tags changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral import registry_store as store
from collateral.commands import (
    BindTag,
    GoodsRegistration,
    MapAntenna,
    RegisterCommodity,
    RegisterDevice,
    RegisterDocument,
    RegisterParty,
    RegisterReceipt,
    RegisterTrip,
    RegisterWarehouse,
    RegisterZone,
)
from collateral.credentials import mosquitto_hash, new_secret
from collateral.errors import EntryConflict, NotFound, RejectedInput, WrongState
from collateral.ids import is_uscc, new_id
from collateral.model import Device, DeviceCredential
from collateral.price_service import record_prices as record_prices
from collateral.signing import canonical_json
from collateral.transactions import in_transaction
from collateral.units import Quantity, Unit
from collateral.zones import Corridor, Fence
from db.pool import Pool

GOODS_MAX = 5000
_LATER_STATES = ("PLEDGED", "RELEASE_APPROVED", "GATED_OUT", "DELIVERED")
DOCUMENTS_MAX = 5000
_EPC = re.compile(r"^[0-9A-Za-z:._/+-]{1,128}$")
_TRIP_STEPS = {"PLANNED": {"UNDER_WAY", "CANCELLED"}, "UNDER_WAY": {"ARRIVED", "CANCELLED"}, "ARRIVED": set(), "CANCELLED": set()}


def ensure_tenant(pool: Pool, tenant_id: str, name: str, now: datetime) -> None:
    """Create the tenant when it is not there."""
    in_transaction(pool, lambda conn: conn.execute(store.Q["ensure_tenant"], {"tenant_id": tenant_id, "name": name, "now": now}))


def _insert(conn: Connection[Any], query: LiteralString, params: Mapping[str, Any], what: str, key: str) -> dict[str, Any]:
    row = store.one(conn, query, params)
    if row is None:
        raise EntryConflict(f"{what} {key} is registered with other content", key=key)
    return row


def register_party(pool: Pool, command: RegisterParty, actor: str, now: datetime) -> str:
    """A company. Raises RejectedInput on a unified social credit code whose check character is wrong."""
    if command.uscc is not None and not is_uscc(command.uscc):
        raise RejectedInput(f"{command.uscc} is not a unified social credit code", field="uscc")

    def work(conn: Connection[Any]) -> str:
        params = {**asdict(command), "roles": list(command.roles), "now": now}
        _insert(conn, store.Q["insert_party"], params, "party", command.party_id)
        return command.party_id

    return in_transaction(pool, work)


def register_warehouse(pool: Pool, command: RegisterWarehouse, actor: str, now: datetime) -> str:
    """A supervised site with its fence. Raises RejectedInput on a fence that is no area."""
    fence = Fence.from_geojson(command.fence, _datum(command.fence_datum_in))

    def work(conn: Connection[Any]) -> str:
        store.require_known(conn, "parties", command.tenant_id, [command.operator_party_id])
        params = {**asdict(command), "fence": Jsonb(fence.to_geojson()), "now": now}
        _insert(conn, store.Q["insert_warehouse"], params, "warehouse", command.warehouse_id)
        store.notify(conn, "registry")
        return command.warehouse_id

    return in_transaction(pool, work)


def register_zone(pool: Pool, command: RegisterZone, actor: str, now: datetime) -> str:
    """A part of a warehouse. Raises RejectedInput on a polygon that is no area."""
    polygon = Fence.from_geojson(command.polygon, _datum(command.datum_in))

    def work(conn: Connection[Any]) -> str:
        store.require_known(conn, "warehouses", command.tenant_id, [command.warehouse_id])
        params = {**asdict(command), "polygon": Jsonb(polygon.to_geojson()), "now": now}
        _insert(conn, store.Q["insert_zone"], params, "zone", command.zone_id)
        store.notify(conn, "registry")
        return command.zone_id

    return in_transaction(pool, work)


def _datum(text: str) -> str:
    if text not in ("WGS84", "GCJ02", "BD09"):
        raise RejectedInput(f"unknown datum {text}", field="datum")
    return text


def register_commodity(pool: Pool, command: RegisterCommodity, actor: str, now: datetime) -> str:
    """A commodity with its price band and ageing steps. Raises RejectedInput on steps that cannot be read."""
    for step in command.ageing_steps:
        haircut = Decimal(str(step.get("haircut", "0")))
        if not (isinstance(step.get("from_days"), int) and step["from_days"] >= 0 and 0 <= haircut < 1):
            raise RejectedInput(
                f"ageing step {dict(step)} needs from_days >= 0 and a haircut in [0, 1) or ineligible", field="ageing_steps"
            )

    def work(conn: Connection[Any]) -> str:
        params = {**asdict(command), "ageing_steps": Jsonb([dict(s) for s in command.ageing_steps], dumps=_dumps)}
        _insert(conn, store.Q["insert_commodity"], params, "commodity", command.commodity_code)
        return command.commodity_code

    return in_transaction(pool, work)


def _dumps(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def register_goods(pool: Pool, tenant_id: str, goods: Sequence[GoodsRegistration], actor: str, now: datetime) -> int:
    """Up to 5000 units with their tags, all or nothing; returns how many.

    Raises RejectedInput that names the first faulty units, EntryConflict when an id or a tag is already taken.
    """
    if not 1 <= len(goods) <= GOODS_MAX:
        raise RejectedInput(f"one registration takes 1 to {GOODS_MAX} units, not {len(goods)}")
    twice = _first_repeated(unit.goods_id for unit in goods) or _first_repeated(u.tag_epc.upper() for u in goods if u.tag_epc)
    if twice is not None:
        raise RejectedInput(f"{twice} occurs twice in this registration", repeated=twice)

    def work(conn: Connection[Any]) -> int:
        store.require_known(conn, "parties", tenant_id, (u.owner_party_id for u in goods))
        store.require_known(conn, "warehouses", tenant_id, (u.warehouse_id for u in goods))
        units = store.commodity_units(conn, sorted({u.commodity_code for u in goods}))
        zones = store.zone_warehouses(conn, tenant_id, (u.zone_id for u in goods if u.zone_id))
        faults = [f"{u.goods_id}: {fault}" for u in goods if (fault := _goods_fault(u, units, zones)) is not None]
        if faults:
            raise RejectedInput(
                "; ".join(faults[:5]) + (f" ... and {len(faults) - 5} more" if len(faults) > 5 else ""), faults=faults[:100]
            )
        rows = [{**asdict(u), "tenant_id": tenant_id, "registered_at": now} for u in goods]
        conn.execute(store.Q["insert_goods"], {"rows": Jsonb(rows, dumps=_exact)})
        tags = [
            {
                "tag_epc": u.tag_epc.upper(),
                "tid": u.tid.upper() if u.tid else None,
                "goods_id": u.goods_id,
                "valid_from": now,
                "bound_by": actor,
            }
            for u in goods
            if u.tag_epc
        ]
        if tags:
            conn.execute(store.Q["insert_bindings"], {"rows": Jsonb(tags, dumps=_exact)})
        store.notify(conn, "registry")
        return len(goods)

    return in_transaction(pool, work)


def _exact(value: Any) -> str:
    return json.dumps(value, default=_text, ensure_ascii=False)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _first_repeated(ids: Any) -> str | None:
    seen: set[str] = set()
    for i in ids:
        if i in seen:
            return str(i)
        seen.add(i)
    return None


def _goods_fault(unit: GoodsRegistration, units: Mapping[str, str], zones: Mapping[str, str]) -> str | None:
    if not unit.quantity.is_finite() or unit.quantity <= 0:
        return f"quantity {unit.quantity} is not greater than 0"
    if unit.state in _LATER_STATES:
        return f"a unit is not registered as {unit.state}; that comes of a pledge or a release"
    if unit.commodity_code not in units:
        return f"unknown commodity {unit.commodity_code}"
    try:
        Quantity(unit.quantity, Unit(unit.unit)).in_unit(Unit(units[unit.commodity_code]))
    except ValueError:
        return f"{unit.commodity_code} is kept in {units[unit.commodity_code]}, not in {unit.unit}"
    if unit.zone_id is not None and zones.get(unit.zone_id) is None:
        return f"unknown zone {unit.zone_id}"
    if unit.zone_id is not None and unit.warehouse_id != zones[unit.zone_id]:
        return f"zone {unit.zone_id} does not belong to warehouse {unit.warehouse_id}"
    if unit.tag_epc is not None and not _EPC.match(unit.tag_epc):
        return f"{unit.tag_epc!r} is not a tag's EPC"
    return None


def bind_tag(pool: Pool, command: BindTag, actor: str, now: datetime) -> None:
    """A tag stands for a unit from valid_from on. Raises WrongState while it stands for another unit."""
    if not _EPC.match(command.tag_epc):
        raise RejectedInput(f"{command.tag_epc!r} is not a tag's EPC", field="tag_epc")
    epc = command.tag_epc.upper()

    def work(conn: Connection[Any]) -> None:
        _require_goods(conn, command.tenant_id, command.goods_id)
        live = store.one(conn, store.Q["live_binding"], {"tag_epc": epc})
        if live is not None and live["goods_id"] != command.goods_id:
            raise WrongState(f"tag {epc} stands for {live['goods_id']}; unbind it there first", tag_epc=epc, goods_id=live["goods_id"])
        if live is not None:
            return
        tid = command.tid.upper() if command.tid else None
        row = {"tag_epc": epc, "tid": tid, "goods_id": command.goods_id, "valid_from": command.valid_from or now, "bound_by": actor}
        conn.execute(store.Q["insert_bindings"], {"rows": Jsonb([row], dumps=_exact)})
        store.notify(conn, "registry")

    in_transaction(pool, work)


def unbind_tag(pool: Pool, tenant_id: str, goods_id: str, tag_epc: str, actor: str, now: datetime) -> None:
    """The binding ends now; what was read before stays with the unit. Raises NotFound without a live binding."""

    def work(conn: Connection[Any]) -> None:
        _require_goods(conn, tenant_id, goods_id)
        if store.one(conn, store.Q["end_binding"], {"tag_epc": tag_epc.upper(), "goods_id": goods_id, "now": now}) is None:
            raise NotFound(f"tag {tag_epc.upper()} does not stand for {goods_id}")
        store.notify(conn, "registry")

    in_transaction(pool, work)


def _require_goods(conn: Connection[Any], tenant_id: str, goods_id: str) -> None:
    if store.one(conn, store.Q["known_goods"], {"tenant_id": tenant_id, "ids": [goods_id]}) is None:
        raise NotFound(f"there is no unit {goods_id}")


def register_device(pool: Pool, command: RegisterDevice, actor: str, now: datetime) -> tuple[Device, DeviceCredential]:
    """The device and its secret, shown this once; the store keeps only the hash. Raises EntryConflict on a known id."""
    secret = new_secret()

    def work(conn: Connection[Any]) -> Device:
        store.require_known(conn, "warehouses", command.tenant_id, [command.warehouse_id])
        store.require_known(conn, "devices", command.tenant_id, [command.gateway_device_id])
        params = {**asdict(command), "claims": Jsonb(dict(command.claims)), "credential_hash": mosquitto_hash(secret), "now": now}
        row = store.one(conn, store.Q["insert_device"], params)
        assert row is not None
        store.notify(conn, "registry")
        return Device(**row)

    return in_transaction(pool, work), DeviceCredential(username=command.device_id, password=secret)


def rotate_device_credential(pool: Pool, tenant_id: str, device_id: str, actor: str, now: datetime) -> DeviceCredential:
    """A new secret, shown this once; the old one no longer works."""
    secret = new_secret()
    _set_credential(pool, tenant_id, device_id, mosquitto_hash(secret), now)
    return DeviceCredential(username=device_id, password=secret)


def revoke_device_credential(pool: Pool, tenant_id: str, device_id: str, actor: str, now: datetime) -> None:
    """Nobody gets in under this name until a secret is issued again."""
    _set_credential(pool, tenant_id, device_id, None, None)


def _set_credential(pool: Pool, tenant_id: str, device_id: str, hashed: str | None, issued_at: datetime | None) -> None:
    def work(conn: Connection[Any]) -> None:
        params = {"tenant_id": tenant_id, "device_id": device_id, "credential_hash": hashed, "issued_at": issued_at}
        if store.one(conn, store.Q["set_credential"], params) is None:
            raise NotFound(f"there is no device {device_id}")
        store.notify(conn, "registry")

    in_transaction(pool, work)


def map_antenna(pool: Pool, command: MapAntenna, actor: str, now: datetime) -> None:
    """An antenna listens in a zone from valid_from on; its earlier mapping ends there. Raises EntryConflict when a later one exists."""

    def work(conn: Connection[Any]) -> None:
        store.require_known(conn, "devices", command.tenant_id, [command.device_id])
        store.require_known(conn, "zones", command.tenant_id, [command.zone_id])
        params = {**asdict(command), "valid_from": command.valid_from or now}
        conn.execute(store.Q["end_antenna_mapping"], params)
        conn.execute(store.Q["insert_antenna_mapping"], params)
        store.notify(conn, "registry")

    in_transaction(pool, work)


def content_hash(value: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form of a paper."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def register_receipt(pool: Pool, command: RegisterReceipt, actor: str, now: datetime) -> str:
    """A receipt over named goods. Raises EntryConflict when a unit lies under another live receipt."""
    if not command.goods_ids or len(set(command.goods_ids)) != len(command.goods_ids):
        raise RejectedInput("a receipt names at least one unit, and each once", field="goods_ids")

    def work(conn: Connection[Any]) -> str:
        store.require_known(conn, "parties", command.tenant_id, [command.depositor_party_id, command.keeper_party_id])
        store.require_known(conn, "warehouses", command.tenant_id, [command.warehouse_id])
        store.require_known(conn, "goods", command.tenant_id, command.goods_ids)
        params = {
            **asdict(command),
            "content": Jsonb(dict(command.content), dumps=_exact),
            "content_hash": content_hash(asdict(command)),
            "now": now,
        }
        row = _insert(conn, store.Q["insert_receipt"], params, "receipt", command.receipt_no)
        if row["is_new"]:
            conn.execute(store.Q["insert_receipt_items"], {"receipt_no": command.receipt_no, "goods_ids": list(command.goods_ids)})
        return command.receipt_no

    return in_transaction(pool, work)


def register_documents(pool: Pool, documents: Sequence[RegisterDocument], actor: str, now: datetime) -> list[str]:
    """Trade papers, all or nothing; their ids in the order given. Raises EntryConflict when a number is taken by another content."""
    if not 1 <= len(documents) <= DOCUMENTS_MAX:
        raise RejectedInput(f"one registration takes 1 to {DOCUMENTS_MAX} papers, not {len(documents)}")
    tenants = {d.tenant_id for d in documents}
    if len(tenants) != 1:
        raise RejectedInput("all papers of one registration belong to one tenant")
    tenant_id = tenants.pop()

    def work(conn: Connection[Any]) -> list[str]:
        store.require_known(
            conn, "parties", tenant_id, (p for d in documents for p in (d.issuer_party_id, d.seller_party_id, d.buyer_party_id))
        )
        store.require_known(conn, "warehouses", tenant_id, (d.warehouse_id for d in documents))
        store.require_known(conn, "goods", tenant_id, (g for d in documents for g in d.goods_ids))
        return [_insert_document(conn, document, now) for document in documents]

    return in_transaction(pool, work)


def _insert_document(conn: Connection[Any], document: RegisterDocument, now: datetime) -> str:
    said = {k: v for k, v in asdict(document).items() if k not in ("document_id", "received_at")}
    params = {
        **asdict(document),
        "document_id": document.document_id or new_id("doc"),
        "received_at": document.received_at or now,
        "content": Jsonb(dict(document.content), dumps=_exact),
        "content_hash": content_hash(said),
    }
    row = _insert(conn, store.Q["insert_document"], params, f"{document.kind} of {document.issuer_party_id}", document.number)
    if row["is_new"] and document.goods_ids:
        goods_ids = sorted(set(document.goods_ids))
        conn.execute(store.Q["insert_document_goods"], {"document_id": row["document_id"], "goods_ids": goods_ids})
    return str(row["document_id"])


def register_trip(pool: Pool, command: RegisterTrip, actor: str, now: datetime) -> str:
    """A vehicle's way. Raises RejectedInput on a corridor that is no line, EntryConflict on a known trip id."""
    Corridor.from_geojson(command.corridor)
    trip_id = command.trip_id or new_id("trip")

    def work(conn: Connection[Any]) -> str:
        store.require_known(conn, "devices", command.tenant_id, [command.device_id])
        store.require_known(conn, "warehouses", command.tenant_id, [command.origin_warehouse_id, command.destination_warehouse_id])
        store.require_known(conn, "goods", command.tenant_id, command.goods_ids)
        conn.execute(store.Q["insert_trip"], {**asdict(command), "trip_id": trip_id, "corridor": Jsonb(dict(command.corridor))})
        if command.goods_ids:
            conn.execute(store.Q["insert_trip_goods"], {"trip_id": trip_id, "goods_ids": sorted(set(command.goods_ids))})
        return trip_id

    return in_transaction(pool, work)


def set_trip_status(pool: Pool, tenant_id: str, trip_id: str, status: str, actor: str, now: datetime) -> None:
    """PLANNED to UNDER_WAY to ARRIVED, or CANCELLED before that. Raises WrongState on any other step."""

    def work(conn: Connection[Any]) -> None:
        row = store.one(conn, store.Q["trip_for_update"], {"tenant_id": tenant_id, "trip_id": trip_id})
        if row is None:
            raise NotFound(f"there is no trip {trip_id}")
        if row["status"] == status:
            return
        if status not in _TRIP_STEPS[row["status"]]:
            raise WrongState(f"trip {trip_id} is {row['status']} and cannot become {status}", status=row["status"])
        conn.execute(store.Q["set_trip_status"], {"trip_id": trip_id, "status": status})

    in_transaction(pool, work)
