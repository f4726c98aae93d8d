"""A small world for the tests of the collateral services: one yard, one borrower, two commodities, one facility."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from collateral import facility_service as facilities
from collateral import price_service
from collateral import registry_service as registry
from collateral.commands import (
    CreatePledge,
    FacilityCommodity,
    GoodsRegistration,
    OpenFacility,
    PriceReport,
    RegisterCommodity,
    RegisterDevice,
    RegisterParty,
    RegisterWarehouse,
    RegisterZone,
)
from collateral.model import Pledge
from db.pool import Pool

TENANT = "demo"
BORROWER, LENDER, KEEPER = "P-TRADER", "P-BANK", "P-KEEPER"
NOW = datetime(2020, 3, 9, 6, tzinfo=UTC)


def square(lon: float, lat: float, size: float = 0.01) -> dict[str, Any]:
    """A GeoJSON square with its south-west corner here."""
    return {"type": "Polygon", "coordinates": [[[lon, lat], [lon + size, lat], [lon + size, lat + size], [lon, lat + size], [lon, lat]]]}


@dataclass(frozen=True)
class World:
    """The store and short words for what tests do with it."""

    pool: Pool

    def coils(
        self, first: int, count: int, *, seen_at: datetime | None = NOW, at: datetime = NOW - timedelta(days=3), **other: Any
    ) -> list[str]:
        """Register tagged coils of 20 t; seen_at: their latest sighting, None = never."""
        made = [
            GoodsRegistration(
                goods_id=f"HRC-{i:05d}",
                commodity_code="HRC",
                kind="COIL",
                quantity=Decimal(20),
                unit="t",
                owner_party_id=BORROWER,
                warehouse_id="WH-SH-01",
                zone_id="WH-SH-01/bay-1",
                tag_epc=f"E28011{i:018X}",
                mill="BAOSTEEL",
                heat_no="H7",
                piece_no=str(i),
                produced_on=date(2020, 3, 1),
            )
            for i in range(first, first + count)
        ]
        registry.register_goods(self.pool, TENANT, [replace(g, **other) for g in made], "loader", at)
        ids = [g.goods_id for g in made]
        if seen_at is not None:
            self.see(ids, seen_at)
        return ids

    def see(self, goods_ids: list[str], at: datetime, device_id: str = "rd-1") -> None:
        """The reader reads these units' tags."""
        with self.pool.connection() as conn:
            conn.execute(
                """INSERT INTO goods_position (tag_epc, goods_id, device_id, antenna, zone_id, warehouse_id, entered_at, first_stored_at, last_seen_at)
                   SELECT tag_epc, goods_id, %(device)s, 1, 'WH-SH-01/bay-1', 'WH-SH-01', %(at)s, %(at)s, %(at)s FROM tag_binding
                    WHERE goods_id = ANY(%(ids)s)
                   ON CONFLICT (tag_epc) DO UPDATE SET last_seen_at = excluded.last_seen_at""",
                {"ids": goods_ids, "at": at, "device": device_id},
            )
        self.heard(device_id, at)

    def heard(self, device_id: str, at: datetime, presence: str = "online") -> None:
        """The device was last heard at this time."""
        with self.pool.connection() as conn:
            conn.execute(
                """INSERT INTO device_state (device_id, last_observed_at, last_received_at, presence, presence_at) VALUES (%s, %s, %s, %s, %s)
                   ON CONFLICT (device_id) DO UPDATE SET last_observed_at = excluded.last_observed_at, last_received_at = excluded.last_received_at,
                     presence = excluded.presence, presence_at = excluded.presence_at""",
                (device_id, at, at, presence, at),
            )

    def price(self, price: str, at: datetime, source: str = "SHFE", commodity_code: str = "HRC") -> str:
        """A quote in CNY per tonne, ex-VAT; returns its status."""
        report = PriceReport(
            commodity_code=commodity_code,
            source=source,
            quoted_at=at,
            price=Decimal(price),
            currency="CNY",
            unit="t",
            tax_inclusive=False,
            synthetic=True,
        )
        return str(registry.record_prices(self.pool, [report], at)[0].status)

    def vouch(self, price_id: str, at: datetime) -> str:
        """Two people's word for a quarantined price; returns the price that counts for the tenant."""
        asked = price_service.propose_override(self.pool, TENANT, price_id, "seen on the exchange", "officer", at)
        done = price_service.decide_override(self.pool, TENANT, asked.override_id, "approver", at, approve=True, reason="so have I")
        assert done.used_price_id is not None
        return done.used_price_id

    def pledged(self, goods_ids: list[str], facility_id: str = "F-1", at: datetime = NOW - timedelta(days=2)) -> Pledge:
        """A pledge made by one person and approved by another."""
        made = facilities.create_pledge(
            self.pool, CreatePledge(tenant_id=TENANT, facility_id=facility_id, goods_ids=tuple(goods_ids)), "loader", at
        )
        return facilities.approve_pledge(self.pool, TENANT, made.pledge_id, "approver", at)

    def scalar(self, query: str, *params: Any) -> Any:
        """The first column of the first row."""
        with self.pool.connection() as conn:
            row = conn.execute(query.encode(), params).fetchone()
        return None if row is None else row[0]


def facility(facility_id: str = "F-1", **other: Any) -> OpenFacility:
    """A steel facility at 70 % with derived lines and a T+1 cure."""
    made = OpenFacility(
        facility_id=facility_id,
        tenant_id=TENANT,
        name="Steel",
        name_zh="钢材",
        borrower_party_id=BORROWER,
        lender_party_id=LENDER,
        product="STEEL_STATIC",
        pledge_mode="STATIC",
        currency="CNY",
        limit_amount=Decimal(100_000_000),
        advance_rate=Decimal("0.70"),
        cure_unit="BUSINESS_DAYS",
        cure_length=1,
        matures_on=date(2020, 12, 31),
        commodities=(FacilityCommodity(commodity_code="HRC", advance_rate=Decimal("0.70"), primary_source="SHFE"),),
        opened_at=NOW - timedelta(days=30),
    )
    return replace(made, **other)


def build_world(pool: Pool, *, with_facility: bool = False) -> World:
    """Master data; with_facility: also reader, facility F-1 and a price of 4000."""
    start = NOW - timedelta(days=30)
    registry.ensure_tenant(pool, TENANT, "Demo", start)
    for party_id, role in ((BORROWER, "BORROWER"), (LENDER, "LENDER"), (KEEPER, "WAREHOUSE_OPERATOR")):
        registry.register_party(
            pool, RegisterParty(party_id=party_id, tenant_id=TENANT, name=party_id, name_zh=party_id, roles=(role,)), "loader", start
        )
    registry.register_warehouse(
        pool,
        RegisterWarehouse(
            warehouse_id="WH-SH-01",
            tenant_id=TENANT,
            name="Baoshan yard",
            name_zh="宝山",
            operator_party_id=KEEPER,
            kind="STEEL_YARD",
            control_mode="CMA",
            fence=square(121.48, 31.40),
            grade="A",
        ),
        "loader",
        start,
    )
    for i in (1, 2):
        registry.register_zone(
            pool,
            RegisterZone(
                zone_id=f"WH-SH-01/bay-{i}",
                tenant_id=TENANT,
                warehouse_id="WH-SH-01",
                name=f"Bay {i}",
                kind="BAY",
                polygon=square(121.48 + i * 0.002, 31.402, 0.001),
            ),
            "loader",
            start,
        )
    for code, unit, low, high, currency in (("HRC", "t", "1000", "9000", "CNY"), ("BRENT", "bbl", "5", "300", "USD")):
        registry.register_commodity(
            pool,
            RegisterCommodity(
                commodity_code=code,
                name=code,
                name_zh=code,
                commodity_group="steel" if code == "HRC" else "oil",
                unit=unit,
                weighing_tolerance=Decimal("0.003"),
                price_min=Decimal(low),
                price_max=Decimal(high),
                price_currency=currency,
                ageing_steps=(
                    {"from_days": 91, "haircut": "0.05"},
                    {"from_days": 181, "haircut": "0.15"},
                    {"from_days": 361, "ineligible": True},
                ),
            ),
            "loader",
            start,
        )
    world = World(pool)
    if with_facility:
        device = RegisterDevice(
            device_id="rd-1", tenant_id=TENANT, site="WH-SH-01", warehouse_id="WH-SH-01", device_class="rfid", format="native", name="Bay"
        )
        registry.register_device(pool, device, "devices", start)
        facilities.open_facility(pool, facility(), "loader", start)
        world.price("4000", NOW - timedelta(hours=3))
    return world
