"""Facilities, positions, pledges, releases, money, margin calls, disposal cases."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.base import (
    AmountFromZero,
    CapShare,
    Currency,
    Day,
    Dec,
    DriverId,
    Id,
    In,
    LineRatio,
    LongText,
    Out,
    PositiveAmount,
    Ratio,
    Text,
    Time,
)
from api.models.enums import (
    Account,
    CallStatus,
    CapDimension,
    CaseStatus,
    CashKind,
    CureTarget,
    CureUnit,
    EntryKind,
    FacilityStatus,
    LineState,
    PledgeMode,
    PledgeStatus,
    Product,
    ReleaseStatus,
    SourceRule,
)
from api.models.goods import GoodsIds


class NewFacilityCommodity(In):
    """What a facility accepts, at which advance rate, and who prices it."""

    commodity_code: Id
    advance_rate: Ratio
    primary_source: Text
    check_source: Text | None = None
    further_sources: Annotated[list[Text], Field(max_length=8, description="In rank, after primary and check")] = Field(
        default_factory=list
    )
    source_tolerance: Ratio = Decimal("0.03")
    price_rule: SourceRule = "PRIMARY_WITH_TOLERANCE"
    accepted_grades: Annotated[list[Text], Field(max_length=100)] | None = None
    location_discount: Ratio = Decimal(0)
    quality_haircut: Ratio = Decimal(0)


class FacilityCommodity(Out):
    """What a facility accepts, at which advance rate, and who prices it."""

    commodity_code: str
    advance_rate: Dec
    primary_source: str
    check_source: str | None
    further_sources: list[str]
    source_tolerance: Dec
    price_rule: SourceRule
    accepted_grades: list[str] | None
    location_discount: Dec
    quality_haircut: Dec


class NewFacility(In):
    """A loan facility. Give all three lines (coverage ratios) or none; none = derived from the advance rate."""

    facility_id: Id
    name: Text
    name_zh: Text
    borrower_party_id: Id
    lender_party_id: Id
    product: Product
    pledge_mode: PledgeMode
    currency: Currency
    limit_amount: PositiveAmount
    advance_rate: Ratio
    disposal_cost: Ratio = Decimal("0.05")
    warning_line: LineRatio | None = None
    margin_call_line: LineRatio | None = None
    disposal_line: LineRatio | None = None
    cure_unit: CureUnit
    cure_length: Annotated[int, Field(ge=1, le=240)]
    cure_target: CureTarget = "START"
    control_value_floor: AmountFromZero = Decimal(0)
    reserves: AmountFromZero = Decimal(0)
    opened_at: Time | None = None
    matures_on: Day
    repayment_order: Annotated[list[Account], Field(min_length=3, max_length=3)] = Field(default=["fees", "interest", "principal"])
    caps: Annotated[dict[CapDimension, CapShare], Field(description="Share of the eligible value that may lie under one name")] = Field(
        default_factory=dict
    )
    commodities: Annotated[list[NewFacilityCommodity], Field(min_length=1, max_length=50)]


class FacilitySummary(Out):
    """Newest valuation of a facility, as the desk's list shows it."""

    as_of: datetime
    collateral_value: Dec
    confirmed_value: Dec
    exposure: Dec
    availability: Dec
    coverage: Dec | None
    warning_line: Dec
    margin_call_line: Dec
    disposal_line: Dec
    line_state: LineState


class Facility(Out):
    """A loan facility."""

    facility_id: str
    name: str
    name_zh: str
    borrower_party_id: str
    lender_party_id: str
    product: Product
    pledge_mode: PledgeMode
    currency: str
    limit_amount: Dec
    advance_rate: Dec
    disposal_cost: Dec
    warning_line: Dec | None
    margin_call_line: Dec | None
    disposal_line: Dec | None
    cure_unit: CureUnit
    cure_length: int
    cure_target: CureTarget
    control_value_floor: Dec
    reserves: Dec
    opened_at: datetime
    matures_on: date
    repayment_order: list[Account]
    status: FacilityStatus
    commodities: list[FacilityCommodity]
    latest: FacilitySummary | None


class Balance(Out):
    """Money of a facility now. exposure = principal + interest + fees - cash_margin."""

    facility_id: str
    currency: str
    principal: Dec
    interest: Dec
    fees: Dec
    cash_margin: Dec
    last_entry_no: int


class Ineligible(Out):
    """Units that carry no value for one reason."""

    units: int
    value: Dec | None = None
    goods_ids: list[str] = Field(default_factory=list, description="The first of them")


class Position(Out):
    """What a facility is worth and owes at one instant. Ratios are null where there is nothing to divide by."""

    facility_id: str
    as_of: datetime
    currency: str
    balance: Balance
    gross_market_value: Dec
    collateral_value: Dec
    confirmed_value: Dec = Field(description="Part of the value that was physically confirmed")
    held_value: Dec
    pending_value: Dec
    exposure: Dec
    coverage: Dec | None
    ltv: Dec | None
    effective_advance: Dec | None
    borrowing_base: Dec
    availability: Dec
    start_line: Dec
    warning_line: Dec
    margin_call_line: Dec
    disposal_line: Dec
    min_control_value: Dec
    excess_value: Dec
    releasable_now: Dec
    call_cash_amount: Dec
    call_goods_amount: Dec
    line_state: LineState
    units: int
    eligible_units: int
    ineligible: dict[str, Ineligible]
    detail: dict[str, Any]


class Valuation(Out):
    """A facility valued at one instant."""

    valuation_id: str
    facility_id: str
    as_of: datetime
    recorded_at: datetime
    cause: str
    currency: str
    gross_market_value: Dec
    collateral_value: Dec
    confirmed_value: Dec
    borrowing_base: Dec
    exposure: Dec
    availability: Dec
    effective_advance: Dec | None
    coverage: Dec | None
    ltv: Dec | None
    warning_line: Dec
    margin_call_line: Dec
    disposal_line: Dec
    min_control_value: Dec
    line_state: LineState
    detail: dict[str, Any]


class Posting(Out):
    """One line of an entry: debit positive, credit negative."""

    line_no: int
    account: str
    amount: Dec
    unit: str
    goods_id: str | None


class LedgerEntry(Out):
    """An entry of a facility's ledger."""

    entry_id: int
    facility_id: str
    entry_no: int
    kind: EntryKind
    happened_at: datetime
    recorded_at: datetime
    business_date: date
    actor: str
    reason: str
    corrects: int | None
    prev_hash: str
    hash: str
    postings: list[Posting]


class NewPledge(In):
    """Goods offered as security; it lives once another person approves it."""

    facility_id: Id
    goods_ids: GoodsIds
    receipt_no: Id | None = None
    filing_no: Text | None = None


class Pledge(Out):
    """A pledge and the goods it names."""

    pledge_id: str
    facility_id: str
    receipt_no: str | None
    status: PledgeStatus
    filing_no: str | None
    created_by: str
    approved_by: str | None
    created_at: datetime
    pledged_at: datetime | None
    discharged_at: datetime | None
    goods_ids: list[str]


class NewRelease(In):
    """Goods to be let out to one vehicle and driver within at most 48 hours. The driver's id is hashed and not kept."""

    facility_id: Id
    goods_ids: GoodsIds
    vehicle_plate: Annotated[Text, Field(max_length=32)]
    driver_id: DriverId
    valid_from: Time
    valid_to: Time
    reason: LongText


class Release(Out):
    """A release order. The driver's id is kept as a hash and not shown."""

    release_id: str
    facility_id: str
    status: ReleaseStatus
    requested_by: str
    maker_id: str | None
    checker_id: str | None
    second_checker_id: str | None
    needs_second_checker: bool
    vehicle_plate: str
    valid_from: datetime
    valid_to: datetime
    value_amount: Dec
    currency: str
    signature: str | None
    reason: str
    requested_at: datetime
    issued_at: datetime | None
    closed_at: datetime | None
    goods_ids: list[str]
    gated_out_ids: list[str] = Field(default_factory=list)
    returned_ids: list[str] = Field(default_factory=list)


class ReleaseStep(Release):
    """A release order after an approval."""

    pickup_code: str | None = Field(description="Set only in the answer to the approval that issued the order, and only once")


class NewCash(In):
    """Money in or out, in the facility's currency."""

    facility_id: Id
    kind: CashKind
    amount: PositiveAmount
    currency: Currency
    happened_at: Time | None = None
    already_paid: bool = Field(
        default=False, description="Paid out before today and before it was reported here: a fact, recorded whatever the availability was"
    )
    reason: LongText


class PostedCash(Out):
    """The entry that the movement made."""

    entry_id: int
    facility_id: str
    entry_no: int
    kind: EntryKind
    happened_at: datetime
    recorded_at: datetime
    hash: str
    outcome: Literal["RECORDED", "REPEATED"]
    balance: Balance


class MarginCall(Out):
    """A demand to restore coverage, in cash or in goods (collateral value after haircuts)."""

    call_id: str
    facility_id: str
    valuation_id: str
    status: CallStatus
    cause: Literal["PRICE", "QUANTITY", "ELIGIBILITY"]
    cash_amount: Dec
    goods_amount: Dec
    currency: str
    issued_at: datetime
    cure_deadline: datetime
    acknowledged_by: str | None
    closed_at: datetime | None


class Disposal(Out):
    """A proposal to sell collateral; people decide, never the system."""

    case_id: str
    facility_id: str
    call_id: str | None
    valuation_id: str
    status: CaseStatus
    trigger: Literal["DISPOSAL_LINE", "CALL_EXPIRED"]
    exposure: Dec
    collateral_value: Dec
    proposed_sale_value: Dec
    currency: str
    opened_at: datetime
    approved_by: str | None
    second_approver: str | None


class Withdrawal(In):
    """Why a disposal case is withdrawn."""

    reason: LongText
