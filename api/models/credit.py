"""Price governance, interest, exposure, corrections, products and borrowing base certificates."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from api.models.base import Currency, Day, Dec, Id, In, LongText, Out, Price, Ratio, Share, Text, Time
from api.models.enums import DayCount, DifferentialKind, PledgeMode, Product, Proposal


class NewOverride(In):
    """Why a quarantined price is right all the same."""

    reason: LongText


class Decision(In):
    """The second person's word."""

    approve: bool
    reason: LongText


class PriceOverride(Out):
    """Two people's word for a quarantined price. used_price_id: the quote that counts for this tenant since the approval."""

    override_id: str
    price_id: str
    status: Proposal
    reason: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    used_price_id: str | None


class NewDifferential(In):
    """What a grade, spec, brand or place is worth more or less than the quoted goods. Give an amount with its currency, or a share."""

    commodity_code: Id
    kind: DifferentialKind
    applies_to: Text = Field(description="The grade, spec or brand as the goods carry it; for PLACE a warehouse id")
    facility_id: Id | None = Field(default=None, description="Leave out for every facility of the tenant")
    amount: Price | None = Field(default=None, description="Ex-VAT, per unit of the commodity")
    currency: Currency | None = None
    share: Share | None = None
    valid_from: Day
    valid_to: Day | None = Field(default=None, description="First day on which it no longer holds")
    reason: LongText


class Differential(Out):
    """What a grade, spec, brand or place is worth more or less than the quoted goods, from valid_from up to but not on valid_to."""

    differential_id: str
    facility_id: str | None
    commodity_code: str
    kind: DifferentialKind
    applies_to: str
    amount: Dec | None
    currency: str | None
    share: Dec | None
    valid_from: date
    valid_to: date | None
    reason: str
    status: Proposal
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class NewRate(In):
    """What borrowing costs from a day on, as a share a year."""

    valid_from: Day
    annual_rate: Ratio
    day_count: DayCount


class Rate(Out):
    """What borrowing costs from valid_from up to but not on valid_to."""

    valid_from: date
    valid_to: date | None
    annual_rate: Dec
    day_count: DayCount
    set_by: str
    set_at: datetime


class Rates(Out):
    """Rates of a facility, oldest first."""

    items: list[Rate]


class NewAccrual(In):
    """Interest of all days before this one."""

    accrued_to: Day


class Accrual(Out):
    """The entry that was posted; null when nothing had accrued that was not posted before."""

    facility_id: str
    accrued_to: date
    entry_no: int | None
    interest: Dec = Field(description="Interest that is owed after it")


class Exposure(Out):
    """What a facility owed at as_of, by what was recorded until known_at. unposted_interest has accrued but is in no entry yet."""

    facility_id: str
    as_of: datetime
    known_at: datetime
    currency: str
    principal: Dec
    interest: Dec
    fees: Dec
    cash_margin: Dec
    unposted_interest: Dec
    exposure: Dec


class NewCorrection(In):
    """Why an entry of money is wrong."""

    entry_no: Annotated[int, Field(ge=1, le=2**53)]
    reason: LongText


class Correction(Out):
    """Two people's word that an entry is wrong; approved, a reversing entry undoes it and both stay in the book."""

    correction_id: str
    facility_id: str
    entry_no: int
    status: Proposal
    reason: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reversing_entry_no: int | None


class ProductTerms(Out):
    """What a facility under this product may be. advances: highest advance by commodity group, "*" = any other."""

    product: Product
    name: str
    name_zh: str
    pledge_modes: list[PledgeMode]
    tenor_days_max: int
    cure_hours_max: int
    cure_days_max: int
    disposal_cost_min: Dec
    advances: dict[str, Dec]


class Products(Out):
    """Products by name."""

    items: list[ProductTerms]


class NewCertificate(In):
    """The instant that a certificate states; leave out for now."""

    as_of: Time | None = None


class CertificateSummary(Out):
    """A certificate in a list."""

    certificate_id: str
    facility_id: str
    as_of: datetime
    issued_at: datetime
    issued_by: str
    content_hash: str = Field(description="SHA-256 of the content as it is kept")


class Certificate(CertificateSummary):
    """A borrowing base certificate. content: waterfall, values, ineligible goods with reasons, prices, every unit."""

    content: dict[str, Any]


class ValuedUnit(Out):
    """What one unit is worth and why it counts or not."""

    goods_id: str
    commodity_code: str
    quantity: Dec
    warehouse_id: str | None
    sighting: str
    confirmed_by: str | None
    confirmed_at: datetime | None
    unit_price: Dec
    market_value: Dec
    haircut: Dec
    advance: Dec
    collateral_value: Dec
    reasons: list[str]
    capped: dict[str, Dec]
    differentials: list[str]
