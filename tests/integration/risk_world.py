"""The collateral world with gates, a second site and a tracker, and the rows that ingest would write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from collateral_world import KEEPER, NOW, TENANT, World, build_world, square
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from collateral import registry_service as registry
from collateral.commands import MapAntenna, RegisterDevice, RegisterWarehouse, RegisterZone
from db.pool import Pool
from risk.jobs import RunReport, Tuning, run_cross_check

START = NOW - timedelta(days=30)
TUNING = Tuning(settle=timedelta(seconds=15), round_interval=timedelta(hours=1))


@dataclass(frozen=True)
class RiskWorld(World):
    """World plus movements, rounds, alerts."""

    def movement(self, kind: str, goods_id: str | None, at: datetime, **other: Any) -> int:
        """A movement as ingest writes it, with its notification; returns its id."""
        row: dict[str, Any] = {
            "occurred_at": at, "received_at": at, "kind": kind, "goods_id": goods_id, "device_id": "gate-1", "tag_epc": None,
            "vehicle_plate": None, "from_zone_id": "WH-SH-01/gate-in", "to_zone_id": "WH-SH-01/gate-out", "from_seen_at": at - timedelta(seconds=5),
            "evidence": {}, **other,
        }  # fmt: skip
        if goods_id is not None:
            row["tag_epc"] = self.scalar("SELECT tag_epc FROM tag_binding WHERE goods_id = %s", goods_id)
        row["evidence"] = Jsonb(row["evidence"])
        with self.pool.connection() as conn, conn.transaction():
            made = conn.execute(
                "INSERT INTO movement (occurred_at, received_at, kind, tag_epc, goods_id, vehicle_plate, device_id, from_zone_id, to_zone_id, from_seen_at,"
                " evidence) VALUES (%(occurred_at)s, %(received_at)s, %(kind)s, %(tag_epc)s, %(goods_id)s, %(vehicle_plate)s, %(device_id)s, %(from_zone_id)s,"
                " %(to_zone_id)s, %(from_seen_at)s, %(evidence)s) RETURNING movement_id",
                row,
            ).fetchone()
            conn.execute("SELECT pg_notify('movement', '')")
        assert made is not None
        return int(made[0])

    def check(self, at: datetime, **other: Any) -> RunReport:
        """One cross-check; it has to succeed."""
        report = run_cross_check(self.pool, at, TUNING, **other)
        assert report.errors == [] or "rules" in other, report.errors
        return report

    def alerts(self, rule: str | None = None) -> list[dict[str, Any]]:
        """Alerts, oldest first."""
        with self.pool.connection() as conn, conn.cursor(row_factory=dict_row) as cur:
            return cur.execute(
                "SELECT * FROM alert WHERE %(rule)s::text IS NULL OR rule_code = %(rule)s ORDER BY opened_at, alert_id", {"rule": rule}
            ).fetchall()

    def open(self, rule: str) -> list[str]:
        """Subjects of the open alerts of a rule."""
        return sorted(a["subject_id"] for a in self.alerts(rule) if a["status"] not in ("CLOSED", "RESOLVED"))

    def events(self, alert_id: str) -> list[str]:
        """Kinds of an alert's events."""
        with self.pool.connection() as conn:
            return [r[0] for r in conn.execute("SELECT kind FROM alert_event WHERE alert_id = %s ORDER BY event_id", (alert_id,))]

    def execute(self, query: str, *params: Any) -> None:
        """A statement of the test's own."""
        with self.pool.connection() as conn:
            conn.execute(query.encode(), params)


def build_risk_world(pool: Pool) -> RiskWorld:
    """Yard WH-SH-01 with two bays and a gate, yard WH-SH-02 some 40 km away, readers rd-1, rd-2, gate-1, rd-far, tracker trk-1."""
    build_world(pool, with_facility=True)
    world = RiskWorld(pool)
    registry.register_warehouse(
        pool,
        RegisterWarehouse(
            warehouse_id="WH-SH-02", tenant_id=TENANT, name="Lingang yard", name_zh="临港", operator_party_id=KEEPER, kind="STEEL_YARD",
            control_mode="CMA", fence=square(121.85, 31.20), grade="A",
        ),
        "loader",
        START,
    )  # fmt: skip
    zones = (
        ("WH-SH-01/gate-in", "WH-SH-01", "GATE_INNER", square(121.481, 31.401, 0.0005)),
        ("WH-SH-01/gate-out", "WH-SH-01", "GATE_OUTER", square(121.4805, 31.401, 0.0004)),
        ("WH-SH-02/bay-1", "WH-SH-02", "BAY", square(121.851, 31.201, 0.001)),
    )
    for zone_id, warehouse_id, kind, polygon in zones:
        registry.register_zone(
            pool,
            RegisterZone(zone_id=zone_id, tenant_id=TENANT, warehouse_id=warehouse_id, name=zone_id, kind=kind, polygon=polygon),
            "loader",
            START,
        )
    devices = (
        ("rd-2", "WH-SH-01", "rfid", None),
        ("gate-1", "WH-SH-01", "gate", None),
        ("rd-far", "WH-SH-02", "rfid", None),
        ("trk-1", None, "gps", "沪A12345"),
    )
    for device_id, warehouse_id, device_class, plate in devices:
        registry.register_device(
            pool,
            RegisterDevice(
                device_id=device_id, tenant_id=TENANT, site=warehouse_id or "fleet", warehouse_id=warehouse_id, device_class=device_class,
                format="native", name=device_id, vehicle_plate=plate,
            ),
            "devices",
            START,
        )  # fmt: skip
    for device_id, zone_id in (("rd-1", "WH-SH-01/bay-1"), ("rd-2", "WH-SH-01/bay-2"), ("rd-far", "WH-SH-02/bay-1")):
        registry.map_antenna(
            pool, MapAntenna(tenant_id=TENANT, device_id=device_id, antenna=1, zone_id=zone_id, valid_from=START), "devices", START
        )
    return world


def all_heard(world: RiskWorld, at: datetime, *, but: tuple[str, ...] = ()) -> None:
    """Every device was heard at this time, but for some."""
    for device_id in ("rd-1", "rd-2", "gate-1", "rd-far", "trk-1"):
        if device_id not in but:
            world.heard(device_id, at)
