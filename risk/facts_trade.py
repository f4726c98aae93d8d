"""Rows of the snapshot about papers, parties and loans. Money ex-VAT unless said otherwise, quantities in the unit named; times aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from risk.facts_site import NOBODY, Holder


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A live warehouse receipt with what else is known of its number, its keeper and its goods."""

    receipt_no: str
    tenant_id: str
    warehouse_id: str
    keeper_party_id: str
    operator_party_id: str
    depositor_party_id: str
    issued_at: datetime
    recorded_at: datetime
    content: Mapping[str, Any]
    owners: tuple[str, ...]  # of its goods, by the book
    same_number: int  # live receipts whose number is the same once spelling is levelled, this one included
    came_in_at: datetime | None  # the first gate passage inwards of its goods, where none was seen before it
    check: str | None = None  # the issuer's newest answer
    check_attempts: int = 0
    check_at: datetime | None = None
    series: tuple[tuple[str, int, int], ...] = ()  # prefix, first, last
    licence_to: datetime | None = None  # of the keeper; None = nobody has told
    insured_amount: Decimal = Decimal(0)
    currency: str = "CNY"
    insurance_until: date | None = None
    holder: Holder = NOBODY


@dataclass(frozen=True, kw_only=True)
class Order:
    """A release order that was issued, with what it allows."""

    release_id: str
    tenant_id: str
    facility_id: str
    vehicle_plate: str
    valid_from: datetime
    valid_to: datetime
    status: str
    goods_ids: tuple[str, ...]
    ordered_kg: Decimal | None
    gone_kg: Decimal | None  # of the goods that passed the gate
    tolerance: Decimal
    owner_party_ids: tuple[str, ...]
    value: Decimal
    currency: str


@dataclass(frozen=True, kw_only=True)
class Pickup:
    """Goods that a scale, a weigh ticket or a warehouse system says were taken away."""

    key: str
    source: str  # scale | weigh_ticket | wms
    tenant_id: str
    warehouse_id: str | None
    occurred_at: datetime
    release_id: str | None
    vehicle_plate: str | None
    net_kg: Decimal | None
    goods_ids: tuple[str, ...]
    ordered_by_party_id: str | None = None
    holder: Holder = NOBODY


@dataclass(frozen=True, kw_only=True)
class Deal:
    """An invoice of the last 120 days. quantity in unit; amount ex-VAT. kin: what else there is of the same contract or goods."""

    document_id: str
    number: str
    tenant_id: str
    seller_party_id: str
    buyer_party_id: str
    commodity_code: str | None
    quantity: Decimal | None
    unit: str | None
    amount: Decimal | None
    currency: str | None
    issued_at: datetime
    contract_no: str | None
    goods_ids: tuple[str, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)
    waybills: int = 0
    moves: int = 0  # site changes and gate passages of its goods within 30 days around it
    paid_at: tuple[datetime, ...] = ()
    paid: Decimal = Decimal(0)
    shipper_party_id: str | None = None  # of the waybill of its contract
    reference: Decimal | None = None  # price of the day per unit, ex-VAT, of the commodity
    reference_unit: str | None = None
    reference_currency: str | None = None
    holder: Holder = NOBODY

    @property
    def unit_price(self) -> Decimal | None:
        """Ex-VAT per unit, None where amount or quantity is missing."""
        return None if self.amount is None or not self.quantity else self.amount / self.quantity


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a party has in common with others. share: of a shareholder."""

    tenant_id: str
    party_id: str
    kind: str
    key: str
    other_party_id: str | None
    share: Decimal | None
    disclosed: bool


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Quantities that five sources state for one contract, cumulative, in kg (or pieces where unit says so). None = nothing said."""

    contract_no: str
    tenant_id: str
    commodity_code: str | None
    unit: str
    tolerance: Decimal
    largest_unit: Decimal
    quantities: Mapping[str, Decimal]  # invoice, waybill, wms, rfid, scale
    rows: Mapping[str, tuple[str, ...]]  # ids behind each
    newest_at: datetime
    holder: Holder = NOBODY


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Pledged goods of one facility in one site, of one commodity and brand. value: market; None when no price is known."""

    tenant_id: str
    facility_id: str
    product: str
    pledge_mode: str
    borrower_party_id: str
    warehouse_id: str | None
    commodity_code: str
    brand: str | None
    units: int
    quantity_kg: Decimal | None
    value: Decimal | None
    currency: str | None
    oldest_from: date | None
    over_age_units: int
    over_age_value: Decimal | None
    opened_at: datetime
    turned_at: datetime | None  # newest pledge or release of the facility's goods of this commodity
    turned_90d_kg: Decimal | None
    pending_value: Decimal | None = None  # on release orders that are under way


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number about a party, a site or a market."""

    figure_id: str
    tenant_id: str
    kind: str
    party_id: str | None
    warehouse_id: str | None
    commodity_code: str | None
    value: Decimal
    currency: str | None
    source: str


@dataclass(frozen=True, kw_only=True)
class EntityEvent:
    """Something that a public register says of the keeper of a site that holds pledged goods."""

    event_id: str
    tenant_id: str
    party_id: str
    warehouse_id: str
    kind: str
    happened_on: date
    summary: str
    cosmetic: bool
    recorded_at: datetime
    holder: Holder = NOBODY


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Until when something holds that a loan rests on; the newest of its kind and holder."""

    proof_id: str
    tenant_id: str
    kind: str
    number: str
    valid_to: datetime
    subject_kind: str  # document | site | party | facility
    subject_id: str
    warehouse_id: str | None = None
    holder: Holder = NOBODY
