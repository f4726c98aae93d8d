"""Devices, antennas, zones, fences and tag bindings, cached. Refreshed on NOTIFY `registry`, by age, and on meeting something unknown."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from collateral.zones import Fence
from db.sql import load_queries
from ingest.zones_evidence import ReadPolicy

log = logging.getLogger(__name__)
_Q = load_queries(__file__, "registry.sql")
_CLAIM_NAMES = ("hostname", "uniqueId", "deviceCode", "device_id", "topic", "phone", "imei")


@dataclass(frozen=True)
class Device:
    """A registered device, as far as ingest needs it."""

    device_id: str
    tenant_id: str
    site: str
    warehouse_id: str | None
    device_class: str
    format: str
    gateway_device_id: str | None
    vehicle_plate: str | None
    claims: dict[str, Any]
    utc_offset_minutes: int
    datum: str
    lon: float | None
    lat: float | None
    enabled: bool
    expected_interval_s: int = 60

    def claimed(self, name: str) -> tuple[str, ...]:
        """Values that its payloads may carry under this name."""
        value = self.claims.get(name)
        if isinstance(value, str):
            return (value,)
        return tuple(str(v) for v in value) if isinstance(value, list) else ()


@dataclass(frozen=True)
class Zone:
    """Where an antenna listens."""

    zone_id: str
    warehouse_id: str
    kind: str

    @property
    def is_gate(self) -> bool:
        return self.kind in ("GATE_INNER", "GATE_OUTER")


@dataclass(frozen=True)
class Span:
    """Something that holds from valid_from until valid_to (exclusive; None = still): a zone for an antenna, goods for a tag."""

    valid_from: datetime
    valid_to: datetime | None
    value: str
    tid: str | None = None
    tenant_id: str | None = None  # of the goods


def at_time(spans: list[Span], at: datetime) -> Span | None:
    """The span that holds at an instant."""
    for span in spans:
        if span.valid_from <= at and (span.valid_to is None or at < span.valid_to):
            return span
    return None


@dataclass
class _Tables:
    devices: dict[str, Device] = field(default_factory=dict)
    owntracks: dict[str, Device] = field(default_factory=dict)
    sparkplug: dict[str, Device] = field(default_factory=dict)
    claims: dict[tuple[str, str, str], Device] = field(default_factory=dict)
    antennas: dict[tuple[str, int], list[Span]] = field(default_factory=dict)
    zones: dict[str, Zone] = field(default_factory=dict)
    fences: list[tuple[str, Fence]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)


class Registry:
    """The cache of one worker. Not for several threads, but mark_stale may be called from any."""

    def __init__(self, *, refresh_interval_s: float = 60.0, unknown_retry_s: float = 1.0, tags_cached_max: int = 500_000) -> None:
        self._refresh_interval_s = refresh_interval_s
        self._unknown_retry_s = unknown_retry_s
        self._tags_cached_max = tags_cached_max
        self._tables = _Tables()
        self._tags: dict[str, list[Span]] = {}
        self._unbound: dict[str, float] = {}
        self._stale = threading.Event()
        self._stale.set()
        self._loaded_at = float("-inf")

    def mark_stale(self) -> None:
        """Read everything again before the next batch."""
        self._stale.set()

    def refresh(self, conn: psycopg.Connection[Any], *, unknown_met: bool = False) -> bool:
        """Load where something changed, the cache is old, or an unknown device was met (rate-limited). Returns whether it loaded."""
        age_s = time.monotonic() - self._loaded_at
        if not (self._stale.is_set() or age_s > self._refresh_interval_s or (unknown_met and age_s > self._unknown_retry_s)):
            return False
        self._stale.clear()
        try:
            self._tables = _load(conn)
        except BaseException:
            self._stale.set()
            raise
        self._tags.clear()
        self._unbound.clear()
        self._loaded_at = time.monotonic()
        return True

    def device(self, device_id: str) -> Device | None:
        return self._tables.devices.get(device_id)

    def place_of(self, device_id: str) -> tuple[float | None, float | None]:
        """Longitude and latitude of a fixed device; None, None when not known."""
        device = self.device(device_id)
        return (None, None) if device is None else (device.lon, device.lat)

    def owntracks_device(self, user: str, device: str) -> Device | None:
        """Whose OwnTracks topic this is: by its claim `topic` = user/device, or because the user is the device's own account."""
        found = self._tables.owntracks.get(f"{user}/{device}")
        if found is None:
            found = self._tables.devices.get(user)
            if found is not None and (found.format != "owntracks" or "topic" in found.claims):
                return None
        return found

    def sparkplug_device(self, group: str, node: str) -> Device | None:
        """Whose Sparkplug node this is: by its claim `topic` = group/node, or because the node has the device's own id and claims no topic."""
        found = self._tables.sparkplug.get(f"{group}/{node}")
        if found is None:
            found = self._tables.devices.get(node)
            if found is not None and (found.format != "sparkplug-b" or "topic" in found.claims):
                return None
        return found

    def sparkplug_part(self, node: Device, group: str, node_id: str, part: str) -> Device | None:
        """The device behind a node that is registered for a part of it (claim `topic` = group/node/part), if one is."""
        owner = self._tables.claims.get((node.tenant_id, "topic", f"{group}/{node_id}/{part}")) if part else None
        return owner if owner is not None and owner.enabled and owner.gateway_device_id == node.device_id else None

    def owner_of_claim(self, tenant_id: str, name: str, value: str) -> Device | None:
        """The tenant's device that may carry this value, if one does. Other tenants' devices do not count."""
        owner = self._tables.claims.get((tenant_id, name, value)) or self._tables.devices.get(value)
        return owner if owner is not None and owner.tenant_id == tenant_id else None

    def zone_at(self, device_id: str, antenna: int, at: datetime) -> Zone | None:
        """The zone in which an antenna listened at an instant; antenna 0's map stands for the whole reader."""
        antennas = self._tables.antennas
        span = at_time(antennas.get((device_id, antenna), []), at)
        if span is None and antenna:
            span = at_time(antennas.get((device_id, 0), []), at)
        return None if span is None else self._tables.zones[span.value]

    def zone(self, zone_id: str | None) -> Zone | None:
        return None if zone_id is None else self._tables.zones.get(zone_id)

    @property
    def fences(self) -> list[tuple[str, Fence]]:
        """Warehouse id and fence of each warehouse."""
        return self._tables.fences

    def read_policy(self, device: Device, default: ReadPolicy) -> ReadPolicy:
        """How this device's reads are weighed: each threshold from the most exact row that says it, else the default."""
        said: dict[str, Any] = {}
        for row in self._tables.policies:
            own = {"device_id": device.device_id, "site": device.site, "device_class": device.device_class}
            if all(row[name] in (None, value) for name, value in own.items()):
                said = {**{k: v for k, v in row.items() if v is not None}, **said}
        spans = {f"{n}_s": n for n in ("smoothing", "window", "return_within")}
        changes: dict[str, Any] = {spans[k]: timedelta(seconds=v) for k, v in said.items() if k in spans}
        changes |= {k: said[k] for k in ("reads_min", "clear_dbm", "lead_db", "strong_db") if k in said}
        return replace(default, **changes)

    def learn_tags(self, conn: psycopg.Connection[Any], epcs: Iterable[str]) -> None:
        """Load the bindings of tags not yet known. A tag without any is asked for again after unknown_retry_s."""
        now = time.monotonic()
        tags, unbound = self._tags, self._unbound
        missing = [e for e in set(epcs) if e not in tags and unbound.get(e, 0.0) <= now]
        if not missing:
            return
        if len(tags) + len(unbound) > self._tags_cached_max:
            tags.clear()
            unbound.clear()
        for epc, goods_id, tid, valid_from, valid_to, tenant_id in conn.execute(_Q["tag_bindings"], {"epcs": ",".join(missing)}):
            tags.setdefault(epc, []).append(Span(valid_from, valid_to, goods_id, tid, tenant_id))
        retry_at = now + self._unknown_retry_s
        unbound.update((e, retry_at) for e in missing if e not in tags)

    def binding(self, epc: str, at: datetime) -> Span | None:
        """The goods (value) that a tag stood for at an instant. The tag must have been learnt."""
        spans = self._tags.get(epc)
        return None if spans is None else at_time(spans, at)


def _load(conn: psycopg.Connection[Any]) -> _Tables:
    tables = _Tables()
    with conn.cursor(row_factory=dict_row) as cur:
        for row in cur.execute(_Q["devices"]):
            device = Device(**row)
            tables.devices[device.device_id] = device
            for name in _CLAIM_NAMES:
                for value in device.claimed(name):
                    tables.claims[device.tenant_id, name, value] = device
            if device.format == "owntracks":
                tables.owntracks.update((topic, device) for topic in device.claimed("topic"))
            if device.format == "sparkplug-b":
                tables.sparkplug.update((topic, device) for topic in device.claimed("topic"))
        for row in cur.execute(_Q["zones"]):
            tables.zones[row["zone_id"]] = Zone(**row)
        for row in cur.execute(_Q["antennas"]):
            tables.antennas.setdefault((row["device_id"], row["antenna"]), []).append(
                Span(row["valid_from"], row["valid_to"], row["zone_id"])
            )
        tables.policies = cur.execute(_Q["read_policies"]).fetchall()
        for row in cur.execute(_Q["fences"]):
            try:
                tables.fences.append((row["warehouse_id"], Fence.from_geojson(row["fence"])))
            except Exception:
                log.exception("fence cannot be used", extra={"event": "fence_unusable", "warehouse": row["warehouse_id"]})
    return tables


class RegistryListener:
    """Marks a registry stale on NOTIFY `registry`, on a connection of its own that it opens again for ever."""

    def __init__(self, database_url: str, registry: Registry) -> None:
        self._database_url = database_url
        self._registry = registry
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends within a second."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._database_url, autocommit=True, connect_timeout=10, application_name="chuantou-ingest-listen"
                ) as conn:
                    conn.execute("LISTEN registry")
                    self._registry.mark_stale()
                    while not self._stopping.is_set():
                        for _ in conn.notifies(timeout=0.5, stop_after=1):
                            self._registry.mark_stale()
            except psycopg.Error as exc:
                log.warning("registry listener lost the store: %s", exc, extra={"event": "listener_lost"})
                self._stopping.wait(1.0)
