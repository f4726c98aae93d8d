"""Goods, their tags, papers and trips, and the trace that joins them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.base import (
    Amount,
    AmountFromZero,
    Currency,
    Day,
    Dec,
    DeviceId,
    Epc,
    Id,
    In,
    JsonObject,
    Kilograms,
    LineString,
    Metres,
    Out,
    PositivePrice,
    QuantityValue,
    Ratio,
    Text,
    Time,
)
from api.models.enums import DocumentKind, GoodsKind, GoodsState, ReceiptState, TripStatus, UnitName

GOODS_MAX = 5000
GoodsIds = Annotated[list[Id], Field(min_length=1, max_length=GOODS_MAX)]


class NewGoods(In):
    """One unit. With tag_epc the tag is bound to it from now on."""

    goods_id: Id
    commodity_code: Id
    kind: GoodsKind
    mill: Text | None = None
    heat_no: Text | None = None
    piece_no: Text | None = None
    vin: Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")] | None = None
    grade: Text | None = None
    spec: Text | None = None
    brand: Text | None = None
    origin: Text | None = None
    quantity: QuantityValue
    unit: UnitName
    weight_theoretical_kg: Kilograms | None = None
    weight_scale_kg: Kilograms | None = None
    invoice_unit_price: PositivePrice | None = None
    invoice_currency: Currency | None = None
    produced_on: Day | None = None
    owner_party_id: Id
    warehouse_id: Id | None = None
    zone_id: Id | None = None
    state: GoodsState = "STORED"
    synthetic: bool = False
    tag_epc: Epc | None = None
    tid: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{1,64}$")] | None = None


class NewGoodsList(In):
    """Units to register, all or nothing."""

    items: Annotated[list[NewGoods], Field(min_length=1, max_length=GOODS_MAX)]


class Goods(Out):
    """A unit as the book has it."""

    goods_id: str
    commodity_code: str
    kind: GoodsKind
    mill: str | None
    heat_no: str | None
    piece_no: str | None
    vin: str | None
    grade: str | None
    spec: str | None
    brand: str | None
    origin: str | None
    quantity: Dec
    unit: UnitName
    weight_theoretical_kg: Dec | None
    weight_scale_kg: Dec | None
    invoice_unit_price: Dec | None
    invoice_currency: str | None
    produced_on: date | None
    owner_party_id: str
    warehouse_id: str | None
    zone_id: str | None
    state: GoodsState
    synthetic: bool
    registered_at: datetime


class TagBinding(Out):
    """A tag that stands, or stood, for the unit."""

    tag_epc: str
    tid: str | None
    goods_id: str
    valid_from: datetime
    valid_to: datetime | None
    bound_by: str


class Sighting(Out):
    """Where a tag of the unit was seen last."""

    tag_epc: str
    device_id: str
    antenna: int
    zone_id: str | None
    warehouse_id: str | None
    entered_at: datetime
    last_seen_at: datetime
    previous_zone_id: str | None
    reads: int
    absorbed: int
    rssi_dbm: float | None


class GoodsDetail(Goods):
    """A unit with its tags, sightings and the pledge it lies under."""

    tags: list[TagBinding]
    sightings: list[Sighting]
    pledge_id: str | None
    facility_id: str | None


class NewTag(In):
    """A tag to put on a unit."""

    tag_epc: Epc
    tid: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{1,64}$")] | None = None
    valid_from: Time | None = None


class TraceItem(Out):
    """One thing that is known of a unit. occurred_at: when it happened; recorded_at: when the platform learnt it."""

    kind: Literal[
        "registration",
        "binding",
        "unbinding",
        "sighting",
        "read",
        "movement",
        "declared",
        "position",
        "document",
        "receipt",
        "trip",
        "pledge",
        "release",
        "alert",
    ]
    occurred_at: datetime
    recorded_at: datetime | None
    subject_id: str = Field(description="Id of the thing in its own table")
    place: str | None = Field(description="Zone, site or coordinates, where there is one")
    device_id: str | None
    facts: dict[str, Any] = Field(description="The thing's own columns")


class Trace(Out):
    """All that is known of a unit, in time order. `truncated` names the kinds of which only the newest rows are shown."""

    goods: Goods
    as_of: datetime
    present: list[Sighting]
    items: list[TraceItem]
    truncated: list[str]


class NewDocument(In):
    """A trade paper."""

    document_id: Id | None = None
    kind: DocumentKind
    number: Text
    issuer_party_id: Id
    seller_party_id: Id | None = None
    buyer_party_id: Id | None = None
    commodity_code: Id | None = None
    quantity: QuantityValue | None = None
    unit: UnitName | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    contract_no: Text | None = None
    vehicle_plate: Annotated[Text, Field(max_length=32)] | None = None
    warehouse_id: Id | None = None
    issued_at: Time
    received_at: Time | None = None
    content: JsonObject = Field(default_factory=dict)
    synthetic: bool = False
    goods_ids: Annotated[list[Id], Field(max_length=GOODS_MAX)] = Field(default_factory=list)


class NewDocuments(In):
    """Papers to register, all or nothing."""

    items: Annotated[list[NewDocument], Field(min_length=1, max_length=1000)]


class Document(Out):
    """A trade paper."""

    document_id: str
    kind: DocumentKind
    number: str
    issuer_party_id: str
    seller_party_id: str | None
    buyer_party_id: str | None
    commodity_code: str | None
    quantity: Dec | None
    unit: str | None
    amount: Dec | None
    currency: str | None
    contract_no: str | None
    vehicle_plate: str | None
    warehouse_id: str | None
    issued_at: datetime
    received_at: datetime
    content: dict[str, Any]
    content_hash: str
    synthetic: bool
    goods_ids: list[str]


class DocumentsRegistered(Out):
    """Ids in the order given."""

    registered: int
    document_ids: list[str]


class NewReceipt(In):
    """A warehouse receipt over named goods."""

    receipt_no: Id
    warehouse_id: Id
    depositor_party_id: Id
    keeper_party_id: Id
    issued_at: Time
    shrinkage_rate: Ratio
    insured_amount: AmountFromZero
    currency: Currency
    insurance_until: Day
    goods_ids: GoodsIds
    state: ReceiptState = "ISSUED"
    content: JsonObject = Field(default_factory=dict)


class Receipt(Out):
    """A warehouse receipt."""

    receipt_no: str
    warehouse_id: str
    depositor_party_id: str
    keeper_party_id: str
    issued_at: datetime
    shrinkage_rate: Dec
    insured_amount: Dec
    currency: str
    insurance_until: date
    state: ReceiptState
    content: dict[str, Any]
    content_hash: str
    recorded_at: datetime
    goods_ids: list[str]


class NewTrip(In):
    """A lorry's way with its goods."""

    trip_id: Id | None = None
    vehicle_plate: Annotated[Text, Field(max_length=32)]
    device_id: DeviceId
    waybill_document_id: Id | None = None
    origin_warehouse_id: Id | None = None
    destination_warehouse_id: Id | None = None
    corridor: LineString
    corridor_buffer_m: Metres = Decimal(500)
    planned_from: Time
    planned_to: Time
    status: TripStatus = "PLANNED"
    goods_ids: Annotated[list[Id], Field(max_length=GOODS_MAX)] = Field(default_factory=list)


class TripStatusChange(In):
    """Where a trip stands now."""

    status: TripStatus


class Trip(Out):
    """A lorry's way with its goods."""

    trip_id: str
    vehicle_plate: str
    device_id: str
    waybill_document_id: str | None
    origin_warehouse_id: str | None
    destination_warehouse_id: str | None
    corridor: dict[str, Any]
    corridor_buffer_m: Dec
    planned_from: datetime
    planned_to: datetime
    status: TripStatus
    goods_ids: list[str]
