"""A small registered world and one worker, for the integration tests of ingest."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from collateral.clock import Clock, SystemClock
from db.pool import Pool, open_pool
from ingest.rebirth import RebirthAsker
from ingest.registry import Registry, RegistryListener
from ingest.screen import Delivery
from ingest.store import StoreOptions
from ingest.subscriber import Subscriber
from ingest.writer import BatchLimits, Writer

T0 = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
YARD, METAL = "WH-SH-01", "WH-SH-02"
SQUARE = {"type": "Polygon", "coordinates": [[[121.40, 31.30], [121.41, 31.30], [121.41, 31.31], [121.40, 31.31], [121.40, 31.30]]]}
FAR_SQUARE = {"type": "Polygon", "coordinates": [[[121.80, 31.00], [121.81, 31.00], [121.81, 31.01], [121.80, 31.01], [121.80, 31.00]]]}
DEVICES = [
    # id, site, warehouse, class, format, claims, plate
    ("R-BAY-1", YARD, YARD, "rfid", "native", {}, None),
    ("R-GATE-1", YARD, YARD, "gate", "native", {}, None),
    ("R-METAL-1", METAL, METAL, "rfid", "native", {}, None),
    ("ZEBRA-1", YARD, YARD, "rfid", "zebra-ziotc", {}, None),
    ("IMPINJ-1", YARD, YARD, "rfid", "impinj-iot", {"hostname": ["impinj-14-2f-f4", "impinj-13-f8-f5", "r700-dock1"], "deviceCode": "SRE801_1_gate1_1"}, None),
    ("PHONE-1", "fleet", None, "gps", "owntracks", {"topic": "driver1/phone"}, "沪A12345"),
    ("TRACCAR-1", "fleet", None, "gps", "traccar", {"uniqueId": "860000000000001"}, "沪B54321"),
    ("TRUCK-1", "fleet", None, "gps", "native", {}, "沪C00001"),
    ("WMS-1", YARD, YARD, "wms", "wms-event", {}, None),
    ("SENSOR-1", YARD, YARD, "sensor", "native", {}, None),
]  # fmt: skip
ANTENNAS = [
    ("R-BAY-1", 1, f"{YARD}/bay-1"), ("R-BAY-1", 2, f"{YARD}/bay-2"), ("R-GATE-1", 1, f"{YARD}/gate-inner"), ("R-GATE-1", 2, f"{YARD}/gate-inner"),
    ("R-GATE-1", 3, f"{YARD}/gate-outer"), ("R-GATE-1", 4, f"{YARD}/gate-outer"), ("R-METAL-1", 0, f"{METAL}/bay-1"), ("ZEBRA-1", 0, f"{YARD}/bay-2"),
]  # fmt: skip


def tag(n: int) -> str:
    return f"E2801170{n:016X}"


def register_world(conn: psycopg.Connection[Any], goods: int = 20) -> None:
    """Two warehouses, devices of every format, goods G-n bound to tag(n)."""
    conn.execute("INSERT INTO tenant VALUES ('demo', 'Demo')")
    conn.execute(
        "INSERT INTO party (party_id, tenant_id, name, name_zh, roles, created_at) VALUES ('OP', 'demo', 'Keeper', '仓', '{WAREHOUSE_OPERATOR}', %s)",
        (T0,),
    )
    for warehouse, fence in ((YARD, SQUARE), (METAL, FAR_SQUARE)):
        conn.execute(
            "INSERT INTO warehouse (warehouse_id, tenant_id, name, name_zh, operator_party_id, kind, control_mode, fence, created_at)"
            " VALUES (%s, 'demo', %s, %s, 'OP', 'STEEL_YARD', 'CMA', %s, %s)",
            (warehouse, warehouse, warehouse, json.dumps(fence), T0),
        )
        for name, kind in (("bay-1", "BAY"), ("bay-2", "BAY"), ("gate-inner", "GATE_INNER"), ("gate-outer", "GATE_OUTER")):
            conn.execute(
                "INSERT INTO zone VALUES (%s, %s, %s, %s, %s, %s)", (f"{warehouse}/{name}", warehouse, name, kind, json.dumps(fence), T0)
            )
    for device, site, warehouse, cls, format_name, claims, plate in DEVICES:
        lon, lat = (121.405, 31.305) if warehouse == YARD else (121.805, 31.005)
        conn.execute(
            "INSERT INTO device (device_id, tenant_id, site, warehouse_id, class, format, name, claims, vehicle_plate, lon, lat, registered_at)"
            " VALUES (%s, 'demo', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (device, site, warehouse, cls, format_name, device, json.dumps(claims), plate, lon, lat, T0),
        )
    for device, antenna, zone in ANTENNAS:
        conn.execute("INSERT INTO antenna_zone VALUES (%s, %s, %s, '2010-01-01Z', NULL)", (device, antenna, zone))
    conn.execute(
        "INSERT INTO commodity VALUES ('steel-coil', 'Coil', '卷', 'steel', 't', 0.003, 1000, 9000, 'CNY')",
    )
    for n in range(1, goods + 1):
        bind(conn, f"G-{n}", tag(n))


def bind(conn: psycopg.Connection[Any], goods_id: str, epc: str, tid: str | None = None) -> None:
    conn.execute(
        "INSERT INTO goods_unit (goods_id, tenant_id, commodity_code, kind, quantity, unit, owner_party_id, state, registered_at)"
        " VALUES (%s, 'demo', 'steel-coil', 'COIL', 20, 't', 'OP', 'STORED', %s)",
        (goods_id, T0),
    )
    conn.execute("INSERT INTO tag_binding VALUES (%s, %s, %s, '2010-01-01Z', NULL, 'test')", (epc, tid, goods_id))


def register_device(
    conn: psycopg.Connection[Any],
    device_id: str,
    format_name: str,
    *,
    cls: str = "gps",
    claims: dict[str, Any] | None = None,
    **columns: Any,
) -> None:
    """One more device of the fleet. columns: more of table device."""
    known = {"device_id": device_id, "tenant_id": "demo", "site": "fleet", "class": cls, "format": format_name, "name": device_id}
    row = {**known, "claims": json.dumps(claims or {}), "registered_at": T0, **columns}
    names, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    conn.execute(f"INSERT INTO device ({names}) VALUES ({places})".encode(), row)


def topic(device_id: str, channel: str) -> str:
    _, site, _, cls, *_ = next(d for d in DEVICES if d[0] == device_id)
    return f"v1/demo/{site}/{cls}/{device_id}/{channel}"


def reads(device_id: str, seq: int, *items: dict[str, Any], at: datetime = T0) -> tuple[str, bytes]:
    body = {"ts": at.isoformat(), "seq": seq, "reads": [{**i, **({"ts": i["ts"].isoformat()} if "ts" in i else {})} for i in items]}
    return topic(device_id, "reads"), json.dumps(body).encode()


def read(n: int, ant: int = 1, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    return {"epc": tag(n), "ant": ant, "rssi": -50.0, **({} if at is None else {"ts": at}), **more}


def fix(seq: int, lon: float, lat: float, at: datetime, **more: Any) -> tuple[str, bytes]:
    body = {"ts": at.isoformat(), "seq": seq, "lon": lon, "lat": lat, "datum": "WGS84", "fix": "valid", "acc_m": 5, **more}
    return topic("TRUCK-1", "position"), json.dumps(body).encode()


class DirectInbox:
    """An inbox that a test fills by hand; the broker's part."""

    def __init__(self) -> None:
        self.acked: list[Delivery] = []

    def take_all(self, items_max: int, bytes_max: int, timeout_s: float) -> list[Delivery]:
        return []

    def ack(self, deliveries: list[Delivery]) -> None:
        self.acked += deliveries


class Bench:
    """A writer without a broker: `put` writes messages as one batch each call."""

    def __init__(self, pool: Pool, *, smoothing_s: float = 300.0) -> None:
        self.pool = pool
        self.registry = Registry(unknown_retry_s=0.0)
        self.writer = Writer(pool, DirectInbox(), self.registry, options=StoreOptions(timedelta(seconds=smoothing_s)))
        self.now = T0 + timedelta(seconds=595)

    def put(self, *messages: tuple[str, bytes]) -> None:
        assert self.writer.keep([Delivery(t, p, self.now) for t, p in messages])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.pool.connection() as conn:
            return conn.execute(sql.encode()).fetchall()

    def one(self, sql: str) -> Any:
        ((value,),) = self.rows(sql)
        return value


def assert_conserved(pool: Pool) -> dict[str, int]:
    """received = stored + repeated + absorbed + refused, and the counters agree with the tables."""
    with pool.connection() as conn, conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # a batch may be committed between the two queries
        row = conn.execute("SELECT sum(received), sum(stored), sum(repeated), sum(absorbed), sum(refused) FROM ingest_tally").fetchone()
        assert row is not None
        received, stored, repeated, absorbed, refused = (int(v or 0) for v in row)
        tables = conn.execute(
            "SELECT (SELECT count(*) FROM observation) + (SELECT count(*) FROM position) + (SELECT count(*) FROM device_event),"
            " (SELECT coalesce(sum(items * times), 0) FROM dead_letter)"
        ).fetchone()
        assert tables == (stored, refused)
        assert received == stored + repeated + absorbed + refused
    return {"received": received, "stored": stored, "repeated": repeated, "absorbed": absorbed, "refused": refused}


def until(condition: Callable[[], Any], *, within_s: float = 30.0, what: str = "the condition") -> Any:
    """Poll until true; fail after within_s."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come true within {within_s:g} s"
        time.sleep(0.05)


@contextmanager
def running_worker(
    database_url: str,
    mqtt_url: str,
    name: str,
    *,
    smoothing_s: float = 300.0,
    client_id: str | None = None,
    clock: Clock | None = None,
    inbox_max: int = 8_000,
) -> Iterator[Writer]:
    """A whole worker in this process: subscriber, listener, writer thread. Its topics are shared under its own name."""
    subscriber = Subscriber(
        mqtt_url, client_id=client_id or f"{name}-client", clock=clock or SystemClock(), share=name, inbox_max=inbox_max
    )
    pool = open_pool(database_url, name=name, size_max=2, connect_wait_s=2.0)
    registry = Registry()
    listener = RegistryListener(database_url, registry)
    writer = Writer(pool, subscriber, registry, options=StoreOptions(timedelta(seconds=smoothing_s)), batch=BatchLimits())
    thread = threading.Thread(target=writer.run)
    asker = RebirthAsker(pool, SystemClock(), subscriber.publish)
    listener.start()
    subscriber.start()
    thread.start()
    asker.start()
    try:
        until(lambda: subscriber.connected, what="connection to the broker")
        yield writer
    finally:
        asker.stop()
        writer.stop()
        thread.join(20)
        subscriber.stop()
        listener.stop()
        pool.close()
