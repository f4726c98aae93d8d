"""What the sample world consists of. Field names are the column names of the schema; the loader sends them as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

from simulators.world.geo import Point

GeoJson = dict[str, object]


@dataclass(frozen=True)
class Party:
    """A company; all are made up."""

    party_id: str
    name: str
    name_zh: str
    roles: tuple[str, ...]
    uscc: str
    synthetic: bool = True


@dataclass(frozen=True)
class Warehouse:
    """A supervised site with its fence."""

    warehouse_id: str
    name: str
    name_zh: str
    operator_party_id: str
    kind: str
    control_mode: str
    grade: str
    fence: GeoJson


@dataclass(frozen=True)
class Zone:
    """A bay, tank or gate lane of a warehouse."""

    zone_id: str
    warehouse_id: str
    name: str
    kind: str
    polygon: GeoJson


@dataclass(frozen=True)
class Device:
    """A device as the registry knows it; `device_class` is the column `class`, `antennas` pairs antenna numbers with zone ids."""

    device_id: str
    site: str
    device_class: str
    format: str
    name: str
    warehouse_id: str | None = None
    gateway_device_id: str | None = None
    vehicle_plate: str | None = None
    claims: dict[str, object] = field(default_factory=dict)
    expected_interval_s: int = 60
    utc_offset_minutes: int = 0
    datum: str = "WGS84"
    lon: float | None = None
    lat: float | None = None
    antennas: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Commodity:
    """A kind of goods with its price band (per unit, ex-VAT) and ageing haircuts."""

    commodity_code: str
    name: str
    name_zh: str
    commodity_group: str
    unit: str
    weighing_tolerance: Decimal
    price_min: Decimal
    price_max: Decimal
    price_currency: str
    ageing_steps: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True)
class Quote:
    """One published price per unit; only Brent is real."""

    commodity_code: str
    source: str
    quoted_at: datetime
    published_at: datetime
    price: Decimal
    currency: str
    unit: str
    tax_inclusive: bool
    vat_rate: Decimal
    synthetic: bool


@dataclass(frozen=True)
class Goods:
    """One unit of goods with its digital id, its tag and its natural identity."""

    goods_id: str
    commodity_code: str
    kind: str
    quantity: Decimal
    unit: str
    owner_party_id: str
    state: str
    mill: str | None = None
    heat_no: str | None = None
    piece_no: str | None = None
    vin: str | None = None
    grade: str | None = None
    spec: str | None = None
    brand: str | None = None
    origin: str | None = None
    weight_theoretical_kg: Decimal | None = None
    weight_scale_kg: Decimal | None = None
    invoice_unit_price: Decimal | None = None
    invoice_currency: str | None = None
    produced_on: date | None = None
    warehouse_id: str | None = None
    zone_id: str | None = None
    tag_epc: str | None = None
    tid: str | None = None
    synthetic: bool = True


@dataclass(frozen=True)
class Receipt:
    """A warehouse receipt with the contents that the law asks for."""

    receipt_no: str
    warehouse_id: str
    depositor_party_id: str
    keeper_party_id: str
    issued_at: datetime
    shrinkage_rate: Decimal
    insured_amount: Decimal
    currency: str
    insurance_until: date
    state: str
    content: dict[str, object]
    goods_ids: tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A contract, invoice, waybill, weigh ticket or transfer note."""

    document_id: str
    kind: str
    number: str
    issuer_party_id: str
    issued_at: datetime
    seller_party_id: str | None = None
    buyer_party_id: str | None = None
    commodity_code: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    contract_no: str | None = None
    vehicle_plate: str | None = None
    warehouse_id: str | None = None
    content: dict[str, object] = field(default_factory=dict)
    goods_ids: tuple[str, ...] = ()
    synthetic: bool = True


@dataclass(frozen=True)
class RoadPlace:
    """A place on the road where lorries stop as planned; WGS-84, radius in metres."""

    name: str
    lon: float
    lat: float
    radius_m: Decimal


@dataclass(frozen=True)
class Trip:
    """A planned journey: who drives what along which corridor."""

    trip_id: str
    vehicle_plate: str
    device_id: str
    corridor: tuple[Point, ...]
    corridor_buffer_m: Decimal
    planned_from: datetime
    planned_to: datetime
    status: str
    waybill_document_id: str | None
    origin_warehouse_id: str | None
    destination_warehouse_id: str | None
    goods_ids: tuple[str, ...]


@dataclass(frozen=True)
class FacilityCommodity:
    """What a facility lends against, and by which prices."""

    commodity_code: str
    advance_rate: Decimal
    primary_source: str
    check_source: str
    source_tolerance: Decimal = Decimal("0.03")
    location_discount: Decimal = Decimal(0)
    quality_haircut: Decimal = Decimal(0)


@dataclass(frozen=True)
class Facility:
    """A credit line; `opening_coverage` is the coverage that the first drawdown leaves."""

    facility_id: str
    name: str
    name_zh: str
    borrower_party_id: str
    lender_party_id: str
    product: str
    pledge_mode: str
    currency: str
    limit_amount: Decimal
    advance_rate: Decimal
    cure_unit: str
    cure_length: int
    opened_at: datetime
    matures_on: date
    commodities: tuple[FacilityCommodity, ...]
    opening_coverage: Decimal
    status: str = "ACTIVE"


@dataclass(frozen=True)
class PledgePlan:
    """Units that are pledged together under one receipt before the world starts."""

    facility_id: str
    receipt_no: str
    filing_no: str
    goods_ids: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """Everything that is true before the first incident."""

    seed: int
    starts_at: datetime
    parties: tuple[Party, ...]
    warehouses: tuple[Warehouse, ...]
    zones: tuple[Zone, ...]
    devices: tuple[Device, ...]
    commodities: tuple[Commodity, ...]
    quotes: tuple[Quote, ...]
    goods: tuple[Goods, ...]
    receipts: tuple[Receipt, ...]
    documents: tuple[Document, ...]
    trips: tuple[Trip, ...]
    road_places: tuple[RoadPlace, ...]
    facilities: tuple[Facility, ...]
    pledges: tuple[PledgePlan, ...]

    @cached_property
    def goods_by_id(self) -> dict[str, Goods]:
        """Goods by digital id."""
        return {unit.goods_id: unit for unit in self.goods}

    @cached_property
    def device_by_id(self) -> dict[str, Device]:
        """Devices by id."""
        return {device.device_id: device for device in self.devices}

    @cached_property
    def zone_by_id(self) -> dict[str, Zone]:
        """Zones by id."""
        return {zone.zone_id: zone for zone in self.zones}

    @cached_property
    def facility_of(self) -> dict[str, str]:
        """Facility id of every unit that is pledged at the start."""
        return {goods_id: plan.facility_id for plan in self.pledges for goods_id in plan.goods_ids}

    @cached_property
    def readers_of(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Fixed readers of each zone: (device id, antenna)."""
        found: dict[str, list[tuple[str, int]]] = {}
        for device in self.devices:
            if device.device_class in ("rfid", "gate"):
                for antenna, zone_id in device.antennas:
                    found.setdefault(zone_id, []).append((device.device_id, antenna))
        return {zone_id: tuple(readers) for zone_id, readers in found.items()}
