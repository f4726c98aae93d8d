"""Rows of the snapshot: what the store knows, as frozen values. Queries narrow them down; rules decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Price:
    """Newest accepted price of a commodity: ex-VAT, per unit."""

    per_unit: Decimal
    currency: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A goods unit with the pledge that holds it at the time in question. value: ex-VAT, at the lower of market and invoice."""

    goods_id: str
    tenant_id: str
    commodity_code: str
    owner_party_id: str
    warehouse_id: str | None = None
    pledge_id: str | None = None
    facility_id: str | None = None
    pledged_at: datetime | None = None
    value: Decimal | None = None
    currency: str | None = None

    @property
    def pledged(self) -> bool:
        return self.pledge_id is not None


@dataclass(frozen=True, kw_only=True)
class Place:
    """A zone: where it is and what it is for. lon and lat: a point inside, WGS-84."""

    zone_id: str
    warehouse_id: str
    kind: str
    lon: float
    lat: float


@dataclass(frozen=True, kw_only=True)
class Cover:
    """A permission that covered a unit at the time of a movement."""

    kind: str  # release | trip
    id: str
    valid_from: datetime
    valid_to: datetime
    vehicle_plate: str


@dataclass(frozen=True, kw_only=True)
class EarlierExit:
    """A GATE_OUT or FENCE_EXIT of the unit from the same site before a return, by event time."""

    movement_id: int
    occurred_at: datetime
    by_vehicle: bool


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A movement of one unit; a vehicle with several units aboard gives one row for each.

    A CORRECTION names the unit, tag and vehicle of the movement that it takes back.
    """

    movement_id: int
    tenant_id: str
    occurred_at: datetime
    received_at: datetime
    recorded_at: datetime
    kind: str
    device_id: str
    tag_epc: str | None = None
    vehicle_plate: str | None = None
    unit: Unit | None = None
    from_place: Place | None = None
    to_place: Place | None = None
    from_seen_at: datetime | None = None
    warehouse_id: str | None = None  # the site that was left, where no zone says it
    evidence: Mapping[str, Any] = field(default_factory=dict)
    corrected: bool = False
    cover: Cover | None = None
    back_inside_at: datetime | None = None  # first sighting inside after this movement
    exits_before: tuple[EarlierExit, ...] = ()  # for a return: the exits of the hour before, oldest first
    corrects: int | None = None  # for a CORRECTION: the movement that it takes back
    skew_known: bool = False  # both readers' clocks were measured within the guard


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A command that the ledger refused."""

    refusal_id: int
    tenant_id: str
    refused_at: datetime
    user_id: str
    command: str
    code: str
    facility_id: str | None
    detail: Mapping[str, Any]
    units: tuple[Unit, ...]  # the units it named, with the pledge that already holds them


@dataclass(frozen=True, kw_only=True)
class UnseenUnit:
    """A pledged unit that was read before and not lately."""

    unit: Unit
    tag_epc: str
    device_id: str
    zone_id: str
    last_seen_at: datetime
    rounds_since: int  # rounds of its reader in its zone, with others read, that did not show it
    last_round_at: datetime | None
    zone_units: int
    vanished_together: int  # units of the zone last seen within the same round, itself not counted
    read_rate: Decimal | None  # the zone's own, where history suffices
    facility_value: Decimal | None  # gross value of the facility's goods


@dataclass(frozen=True, kw_only=True)
class UnsightedUnit:
    """A pledged unit without any independent sighting near or after its pledge."""

    unit: Unit
    last_seen_at: datetime | None
    readers: int  # enabled devices that listen at its book zone
    readers_heard: int  # of those, heard since the pledge
    zone_id: str | None


@dataclass(frozen=True, kw_only=True)
class Twin:
    """Live pledges of different goods ids whose natural identity is the same once spelling is levelled, as one tenant may know of them.

    units: the tenant's own, at most TWINS_NAMED_MAX; count: how many those are in all. elsewhere: another tenant's goods carry it as well.
    """

    identity: str
    units: tuple[Unit, ...]
    count: int
    elsewhere: bool = False


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device with what we heard of it and the value it watches."""

    device_id: str
    tenant_id: str
    site: str
    warehouse_id: str | None
    device_class: str
    gateway_device_id: str | None
    expected_interval_s: int
    registered_at: datetime
    last_heard_at: datetime | None
    presence: str | None
    presence_at: datetime | None
    on_duty: bool  # a tracker: on a trip or with goods aboard; other classes: always
    units_behind: int
    value_behind: Decimal | None
    currency: str | None
    newest_read_at: datetime | None  # newest read among the units that lie in its zones
    rounds: int  # inventory rounds recorded of it


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A valid position."""

    observed_at: datetime
    lon: float
    lat: float
    acc_m: float | None
    speed_mps: float | None = None
    odo_km: float | None = None
    sats: int | None = None
    ignition: bool | None = None
    network_lon: float | None = None  # by cells or Wi-Fi, where the tracker says it
    network_lat: float | None = None
    future: bool = False  # its clock was ahead of ours when it came


@dataclass(frozen=True, kw_only=True)
class Lane:
    """How long trips between the same two sites took. Seconds."""

    trips: int
    p90_s: float
    p99_s: float


@dataclass(frozen=True, kw_only=True)
class CargoSighting:
    """A reader's newest sighting of a unit that a trip carries."""

    goods_id: str
    seen_at: datetime
    warehouse_id: str
    zone_id: str
    lon: float
    lat: float
    entered_at: datetime


@dataclass(frozen=True, kw_only=True)
class RoadPlace:
    """A place on the road that explains a stop or makes it worse."""

    place_id: str
    kind: str
    name: str
    lon: float
    lat: float
    radius_m: float


@dataclass(frozen=True, kw_only=True)
class YardVehicle:
    """A vehicle with pledged goods aboard that is on no trip: where its goods are booked, and its newest fixes, oldest first."""

    device_id: str
    tenant_id: str
    vehicle_plate: str | None
    warehouse_id: str
    fence: Mapping[str, Any]
    units: tuple[Unit, ...]
    released: bool  # every unit aboard is on an issued release
    fixes: tuple[Fix, ...]


@dataclass(frozen=True, kw_only=True)
class Trip:
    """A trip under way with its newest fixes, oldest first."""

    trip_id: str
    tenant_id: str
    vehicle_plate: str
    device_id: str
    corridor: Mapping[str, Any]
    buffer_m: Decimal
    origin_warehouse_id: str | None
    destination_warehouse_id: str | None
    units: tuple[Unit, ...]
    fixes: tuple[Fix, ...]
    status: str = "UNDER_WAY"
    planned_from: datetime | None = None
    planned_to: datetime | None = None
    lane: Lane | None = None
    changes: tuple[tuple[datetime, str, datetime | None], ...] = ()  # when, to where, expected when
    places: tuple[RoadPlace, ...] = ()
    stops: tuple[Mapping[str, Any], ...] = ()  # fences of origin and destination
    cargo: tuple[CargoSighting, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """An invoice and what matches it."""

    document_id: str
    tenant_id: str
    number: str
    contract_no: str | None
    seller_party_id: str | None
    buyer_party_id: str | None
    amount: Decimal | None
    currency: str | None
    quantity: Decimal | None
    issued_at: datetime
    received_at: datetime
    waybills: int
    movements: int  # gate passages, site changes and trips of its goods around its date
    transfer_notes: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, kw_only=True)
class Sale:
    """A sale invoice that names a unit while it is pledged."""

    document_id: str
    number: str
    seller_party_id: str
    buyer_party_id: str | None
    issued_at: datetime
    unit: Unit
    borrower_party_id: str
    release_id: str | None  # an issued release that covers the unit


@dataclass(frozen=True, kw_only=True)
class QuoteFact:
    """A reported price; per_unit is ex-VAT."""

    price_id: str
    source: str
    quoted_at: datetime
    per_unit: Decimal
    currency: str
    unit: str
    status: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class CommodityPrices:
    """Quotes of a commodity that secures a loan, oldest first, accepted or not."""

    tenant_id: str
    commodity_code: str
    quotes: tuple[QuoteFact, ...]
    facility_ids: tuple[str, ...]
    exposure: Decimal | None
    currency: str | None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A valuation, as far as the lines need it."""

    valuation_id: str
    as_of: datetime
    coverage: Decimal | None
    line_state: str
    collateral_value: Decimal
    exposure: Decimal
    warning_line: Decimal
    margin_call_line: Decimal
    disposal_line: Decimal
    gross_market_value: Decimal = Decimal(0)
    min_control_value: Decimal = Decimal(0)
    confirmed_value: Decimal = Decimal(0)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CallFact:
    """The newest margin call of a facility."""

    call_id: str
    status: str
    cause: str
    cash_amount: Decimal
    goods_amount: Decimal
    issued_at: datetime
    cure_deadline: datetime


@dataclass(frozen=True, kw_only=True)
class CaseFact:
    """The open disposal case of a facility."""

    case_id: str
    status: str
    trigger: str
    proposed_sale_value: Decimal
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class Facility:
    """A facility with its newest marks (newest first), its call, its case."""

    facility_id: str
    tenant_id: str
    name: str
    name_zh: str
    currency: str
    marks: tuple[Mark, ...]
    call: CallFact | None
    case: CaseFact | None
    warned: bool  # V02 is open
    pledge_mode: str = "STATIC"
    product: str = "GENERAL"
    disposal_cost: Decimal = Decimal("0.05")
    matures_on: date | None = None
    released_value: Decimal = Decimal(0)  # of orders that left between its two newest marks


@dataclass(frozen=True, kw_only=True)
class Stream:
    """How far the readings have come.

    reached_at: the event time that most devices have reached; None before any was heard. settled_until: the instant before which nothing
    that was sent can still be under way in our own pipes.
    """

    reached_at: datetime | None
    settled_until: datetime | None
    devices_heard: int


@dataclass(frozen=True, kw_only=True)
class Watermarks:
    """What a run was decided on, for its record."""

    business_date: date
    counts: Mapping[str, int]
