"""What the services hand back: devices, pledges, release orders, entries, valuations, calls. One row, one frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A registered device; its secret is not part of it."""

    device_id: str
    tenant_id: str
    site: str
    device_class: str
    format: str
    name: str
    enabled: bool
    credential_issued_at: datetime | None
    registered_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceCredential:
    """Broker username and password; shown once, only its hash is kept."""

    username: str
    password: str


class Outcome(StrEnum):
    """The three ends of an idempotent write; the third, a conflict, is raised as EntryConflict."""

    RECORDED = "RECORDED"
    REPEATED = "REPEATED"


class PriceStatus(StrEnum):
    """What became of a reported price; mirrored by a CHECK in SQL."""

    ACCEPTED = "ACCEPTED"
    QUARANTINED = "QUARANTINED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceResult:
    """One reported price and its status. outcome CONFLICT: another price is already recorded for this source and time; nothing changed."""

    commodity_code: str
    source: str
    quoted_at: datetime
    price_id: str
    status: PriceStatus
    reason: str | None
    outcome: str  # RECORDED, REPEATED, CONFLICT


@dataclass(frozen=True, kw_only=True, slots=True)
class Pledge:
    """A pledge and the goods it names."""

    pledge_id: str
    tenant_id: str
    facility_id: str
    receipt_no: str | None
    filing_no: str | None
    status: str
    created_by: str
    approved_by: str | None
    created_at: datetime
    pledged_at: datetime | None
    discharged_at: datetime | None
    goods_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseOrder:
    """A permission to let goods out. pickup_code is set only in the answer to the approval that issued it."""

    release_id: str
    tenant_id: str
    facility_id: str
    status: str
    requested_by: str
    maker_id: str | None
    checker_id: str | None
    second_checker_id: str | None
    needs_second_checker: bool
    vehicle_plate: str
    driver_id_hash: str
    valid_from: datetime
    valid_to: datetime
    value_amount: Decimal
    currency: str
    signature: str | None
    reason: str
    requested_at: datetime
    issued_at: datetime | None
    closed_at: datetime | None
    goods_ids: tuple[str, ...]
    gated_out_ids: tuple[str, ...] = ()
    returned_ids: tuple[str, ...] = ()
    pickup_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Money of a facility now. exposure = principal + interest + fees - cash_margin."""

    facility_id: str
    currency: str
    principal: Decimal
    interest: Decimal
    fees: Decimal
    cash_margin: Decimal
    last_entry_no: int
    last_hash: str

    @property
    def exposure(self) -> Decimal:
        return self.principal + self.interest + self.fees - self.cash_margin


@dataclass(frozen=True, kw_only=True, slots=True)
class PostedEntry:
    """A ledger entry as it stands in the book."""

    entry_id: int
    facility_id: str
    entry_no: int
    kind: str
    happened_at: datetime
    recorded_at: datetime
    hash: str
    outcome: Outcome
    balance: Balance


class LineState(StrEnum):
    """Where a facility stands against its lines; mirrored by a CHECK in SQL."""

    OK = "OK"
    WARNING = "WARNING"
    MARGIN_CALL = "MARGIN_CALL"
    DISPOSAL = "DISPOSAL"
    CANNOT_JUDGE = "CANNOT_JUDGE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Valuation:
    """A facility valued at one instant; a row of the table of the same name."""

    valuation_id: str
    tenant_id: str
    facility_id: str
    as_of: datetime
    recorded_at: datetime
    cause: str
    currency: str
    gross_market_value: Decimal
    collateral_value: Decimal
    confirmed_value: Decimal
    borrowing_base: Decimal
    exposure: Decimal
    availability: Decimal
    effective_advance: Decimal | None
    coverage: Decimal | None
    ltv: Decimal | None
    warning_line: Decimal
    margin_call_line: Decimal
    disposal_line: Decimal
    min_control_value: Decimal
    line_state: LineState
    detail: dict[str, Any]
    restates: str | None = None  # the mark of a past day that a price which came later made wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class MarginCall:
    """A demand to restore coverage, in cash or in goods (collateral value after haircuts)."""

    call_id: str
    facility_id: str
    valuation_id: str
    status: str
    cause: str
    cash_amount: Decimal
    goods_amount: Decimal
    currency: str
    issued_at: datetime
    cure_deadline: datetime
    acknowledged_by: str | None
    closed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DisposalCase:
    """A proposal to sell collateral; people decide, never the system."""

    case_id: str
    facility_id: str
    call_id: str | None
    valuation_id: str
    status: str
    trigger: str
    exposure: Decimal
    collateral_value: Decimal
    proposed_sale_value: Decimal
    currency: str
    opened_at: datetime
    approved_by: str | None
    second_approver: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MarginOutcome:
    """What a valuation led to. action: none, warning, issued, open, partly_cured, cured, escalated, disposal_drafted, cannot_judge."""

    facility_id: str
    valuation_id: str
    state: LineState
    action: str
    call: MarginCall | None = None
    disposal: DisposalCase | None = None
