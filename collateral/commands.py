"""What callers ask the registry and the facility services to do. Frozen values; the services validate and store them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterParty:
    """A company with its roles (BORROWER, LENDER, ...)."""

    party_id: str
    tenant_id: str
    name: str
    name_zh: str
    roles: tuple[str, ...]
    uscc: str | None = None
    synthetic: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterWarehouse:
    """A supervised site. fence: GeoJSON Polygon in fence_datum_in; it is kept in WGS-84."""

    warehouse_id: str
    tenant_id: str
    name: str
    name_zh: str
    operator_party_id: str
    kind: str
    control_mode: str
    fence: Mapping[str, Any]
    fence_datum_in: str = "WGS84"
    grade: str | None = None
    timezone: str = "Asia/Shanghai"


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterZone:
    """A bay, tank, gate side or yard. polygon: GeoJSON Polygon in datum_in; it is kept in WGS-84."""

    zone_id: str
    tenant_id: str
    warehouse_id: str
    name: str
    kind: str
    polygon: Mapping[str, Any]
    datum_in: str = "WGS84"


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterCommodity:
    """A commodity: its unit, sanity band (ex-VAT, per unit, in price_currency) and ageing steps."""

    commodity_code: str
    name: str
    name_zh: str
    commodity_group: str
    unit: str
    weighing_tolerance: Decimal
    price_min: Decimal
    price_max: Decimal
    price_currency: str
    ageing_steps: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GoodsRegistration:
    """One unit with its digital id; with tag_epc it is bound to that tag from the moment of registration."""

    goods_id: str
    commodity_code: str
    kind: str
    quantity: Decimal
    unit: str
    owner_party_id: str
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
    state: str = "STORED"
    synthetic: bool = False
    tag_epc: str | None = None
    tid: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BindTag:
    """A tag put on a unit. A unit may carry several tags; a tag stands for one unit at a time."""

    tenant_id: str
    goods_id: str
    tag_epc: str
    tid: str | None = None
    valid_from: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterDevice:
    """A reader, tracker, gauge or system that may publish. `format` names its decoder."""

    device_id: str
    tenant_id: str
    site: str
    device_class: str
    format: str
    name: str
    warehouse_id: str | None = None
    gateway_device_id: str | None = None
    vehicle_plate: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    expected_interval_s: int = 60
    utc_offset_minutes: int = 0
    datum: str = "WGS84"
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MapAntenna:
    """Where an antenna listens from valid_from on; antenna 0 stands for the whole device. Ends the mapping before it."""

    tenant_id: str
    device_id: str
    antenna: int
    zone_id: str
    valid_from: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterReceipt:
    """A warehouse receipt over named goods. A unit lies under one live receipt at most."""

    receipt_no: str
    tenant_id: str
    warehouse_id: str
    depositor_party_id: str
    keeper_party_id: str
    issued_at: datetime
    shrinkage_rate: Decimal
    insured_amount: Decimal
    currency: str
    insurance_until: date
    goods_ids: tuple[str, ...]
    state: str = "ISSUED"
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterDocument:
    """A trade paper. document_id is made when it is not given; received_at is the time of registration when it is not given."""

    tenant_id: str
    kind: str
    number: str
    issuer_party_id: str
    issued_at: datetime
    document_id: str | None = None
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
    received_at: datetime | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    goods_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterTrip:
    """A lorry's way with its goods. corridor: GeoJSON LineString, WGS-84. trip_id is made when it is not given."""

    tenant_id: str
    vehicle_plate: str
    device_id: str
    corridor: Mapping[str, Any]
    planned_from: datetime
    planned_to: datetime
    trip_id: str | None = None
    waybill_document_id: str | None = None
    origin_warehouse_id: str | None = None
    destination_warehouse_id: str | None = None
    corridor_buffer_m: Decimal = Decimal(500)
    status: str = "PLANNED"
    goods_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceReport:
    """A quote as its source printed it: per unit, with or without VAT as it says."""

    commodity_code: str
    source: str
    quoted_at: datetime
    price: Decimal
    currency: str
    unit: str
    tax_inclusive: bool
    synthetic: bool
    vat_rate: Decimal = Decimal(0)
    published_at: datetime | None = None
    city: str | None = None
    grade: str | None = None
    spec: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityCommodity:
    """What a facility accepts, at which advance rate, and who prices it."""

    commodity_code: str
    advance_rate: Decimal
    primary_source: str
    check_source: str | None = None
    source_tolerance: Decimal = Decimal("0.03")
    price_rule: str = "PRIMARY_WITH_TOLERANCE"
    further_sources: tuple[str, ...] = ()
    accepted_grades: tuple[str, ...] | None = None
    location_discount: Decimal = Decimal(0)
    quality_haircut: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenFacility:
    """A loan facility. Give all three lines (coverage ratios) or none; none = derived from the advance rate (DOMAIN 2.5)."""

    facility_id: str
    tenant_id: str
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
    matures_on: date
    commodities: tuple[FacilityCommodity, ...]
    disposal_cost: Decimal = Decimal("0.05")
    warning_line: Decimal | None = None
    margin_call_line: Decimal | None = None
    disposal_line: Decimal | None = None
    cure_target: str = "START"
    control_value_floor: Decimal = Decimal(0)
    reserves: Decimal = Decimal(0)
    opened_at: datetime | None = None
    repayment_order: tuple[str, ...] = ("fees", "interest", "principal")
    caps: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatePledge:
    """Goods offered as security. pledge_id is made when it is not given."""

    tenant_id: str
    facility_id: str
    goods_ids: tuple[str, ...]
    receipt_no: str | None = None
    filing_no: str | None = None
    pledge_id: str | None = None


class CashKind(StrEnum):
    """Money movements of a facility."""

    DRAWDOWN = "DRAWDOWN"
    REPAYMENT = "REPAYMENT"
    MARGIN_DEPOSIT = "MARGIN_DEPOSIT"
    MARGIN_RETURN = "MARGIN_RETURN"
    INTEREST = "INTEREST"
    FEE = "FEE"


@dataclass(frozen=True, kw_only=True, slots=True)
class CashMovement:
    """Money in or out, amount > 0 in the facility's currency.

    A drawdown or a return of margin has to fit the availability, one dated on an earlier business day also that of its instant. already_paid:
    the bank paid it out before it was reported here; it is a fact and recorded as it is. The idempotency key makes a repeated command the
    same entry.
    """

    tenant_id: str
    facility_id: str
    kind: CashKind
    amount: Decimal
    currency: str
    reason: str
    idempotency_key: str
    happened_at: datetime | None = None
    already_paid: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRelease:
    """Goods to be let out to one vehicle and driver within at most 48 hours. The driver's id is hashed, never kept."""

    tenant_id: str
    facility_id: str
    goods_ids: tuple[str, ...]
    vehicle_plate: str
    driver_id: str
    valid_from: datetime
    valid_to: datetime
    reason: str
