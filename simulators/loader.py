"""Puts the sample world into a running installation, through the HTTP API only, as a bank's core system would."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from simulators.http import Api
from simulators.state import WorldState
from simulators.world import World
from simulators.world.loans import DRAWN_AT, drawing
from simulators.world.model import Device, Quote, Trip

log = logging.getLogger(__name__)

LOADER, APPROVER = "loader", "approver"
REQUESTS_AT_ONCE = 4
GOODS_PER_REQUEST = 2500
PRICES_PER_REQUEST = 1000


def wire(value: Any) -> Any:
    """A value as the API takes it: decimals as strings, times with offset, tuples as lists."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {k: wire(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [wire(v) for v in value]
    return value


def row(thing: Any, *without: str) -> dict[str, Any]:
    """A dataclass of the world as a request: its fields without those that are not set."""
    found: dict[str, Any] = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        if field.name not in without and value is not None:
            found[field.name] = [row(v) for v in value] if field.name == "commodities" else wire(value)
    return found


def device_row(device: Device) -> dict[str, Any]:
    """A device as the registry takes it."""
    return {**row(device, "device_class", "antennas"), "class": device.device_class}


def trip_row(trip: Trip) -> dict[str, Any]:
    """A trip with its corridor as GeoJSON."""
    return {**row(trip, "corridor"), "corridor": {"type": "LineString", "coordinates": [list(p) for p in trip.corridor]}}


def post_quotes(api: Api, quotes: Sequence[Quote]) -> list[dict[str, Any]]:
    """Report prices; the outcome of each."""
    found: list[dict[str, Any]] = []
    for answer in api.post_items("prices", [row(q) for q in quotes], LOADER, items_max=PRICES_PER_REQUEST):
        found += answer["items"]
    return found


def load_world(api: Api, world: World, *, tenant: str, size: Decimal, users: Mapping[str, str]) -> WorldState:
    """Everything that is true before the first incident. Returns the state with the devices' credentials. Raises ApiRefused."""
    started = time.monotonic()
    for path, things in (
        ("parties", world.parties),
        ("warehouses", world.warehouses),
        ("zones", world.zones),
        ("commodities", world.commodities),
    ):
        for _ in api.post_items(path, [row(t) for t in things], LOADER):
            pass
    passwords = _load_devices(api, world)
    for _ in api.post_items("goods", [row(unit) for unit in world.goods], LOADER, items_max=GOODS_PER_REQUEST):
        pass
    for _ in api.post_items("documents", [row(document) for document in world.documents], LOADER, items_max=200):
        pass
    unusable = [outcome for outcome in post_quotes(api, world.quotes) if outcome["status"] != "ACCEPTED"]
    if unusable:
        log.warning("quotes not accepted", extra={"event": "quotes_not_accepted", "count": len(unusable), "first": unusable[0]})
    for place in world.road_places:
        api.post("rule-inputs", {"kind": "road_place", "place_kind": "PLANNED_STOP", **row(place)}, LOADER)
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as several:
        list(several.map(lambda trip: api.post("trips", trip_row(trip), LOADER), world.trips))
        list(several.map(lambda receipt: api.post("receipts", row(receipt), LOADER), world.receipts))
        list(several.map(lambda facility: api.post("facilities", row(facility, "opening_coverage", "status"), LOADER), world.facilities))
    _load_loans(api, world)
    took_s = round(time.monotonic() - started, 1)
    log.info("world loaded", extra={"event": "world_loaded", "seed": world.seed, "goods": len(world.goods), "took_s": took_s})
    return WorldState(world.seed, str(size), tenant, passwords, dict(users))


def _load_devices(api: Api, world: World) -> dict[str, str]:
    passwords: dict[str, str] = {}

    def register(device: Device) -> None:
        answer = api.post("devices", device_row(device), LOADER)
        passwords[device.device_id] = answer["credential"]["password"]
        for antenna, zone_id in device.antennas:
            api.post(f"devices/{device.device_id}/antennas", {"antenna": antenna, "zone_id": zone_id}, LOADER)

    gateways = [d for d in world.devices if d.device_class == "gw"]
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as several:
        list(several.map(register, gateways))
        list(several.map(register, [d for d in world.devices if d.device_class != "gw"]))
    return passwords


def _load_loans(api: Api, world: World) -> None:
    """Pledges by one user, approved by another; then the balances as they stood at the last close of business."""
    for plan in world.pledges:
        draft = api.post("pledges", row(plan), LOADER)
        api.post(f"pledges/{draft['pledge_id']}/approve", {}, APPROVER)
    for facility in world.facilities:
        units = [world.goods_by_id[g] for plan in world.pledges if plan.facility_id == facility.facility_id for g in plan.goods_ids]
        movement = {
            "facility_id": facility.facility_id,
            "kind": "DRAWDOWN",
            "amount": wire(drawing(world.seed, facility, units)),
            "currency": facility.currency,
            "happened_at": wire(DRAWN_AT),
            "already_paid": True,
            "reason": "balance taken over from the core banking system (sample)",
        }
        api.post("cash-movements", movement, LOADER)


def describe(state: WorldState) -> str:
    """One line for people."""
    return json.dumps({"seed": state.seed, "tenant": state.tenant, "devices": len(state.passwords)})
