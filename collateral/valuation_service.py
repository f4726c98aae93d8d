"""Values facilities from the store: one consistent read, the pure valuation, one row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from collateral.model import Balance, LineState, Valuation
from db.pool import Pool


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """What a facility is worth and owes at one instant. Ratios are None where there is nothing to divide by."""

    facility_id: str
    as_of: datetime
    currency: str
    balance: Balance
    gross_market_value: Decimal
    collateral_value: Decimal
    confirmed_value: Decimal
    held_value: Decimal
    pending_value: Decimal
    exposure: Decimal
    coverage: Decimal | None
    ltv: Decimal | None
    effective_advance: Decimal | None
    borrowing_base: Decimal
    availability: Decimal
    start_line: Decimal
    warning_line: Decimal
    margin_call_line: Decimal
    disposal_line: Decimal
    min_control_value: Decimal
    excess_value: Decimal
    releasable_now: Decimal
    call_cash_amount: Decimal
    call_goods_amount: Decimal
    line_state: LineState
    units: int
    eligible_units: int
    ineligible: dict[str, dict[str, Any]]  # reason -> {"units", "value", "goods_ids" (first 20)}
    detail: dict[str, Any]


def value_facility(pool: Pool, facility_id: str, as_of: datetime, cause: str, persist: bool = True) -> Valuation:
    raise NotImplementedError


def value_all(pool: Pool, as_of: datetime, cause: str, tenant_id: str | None = None) -> list[Valuation]:
    """All facilities that are not closed."""
    raise NotImplementedError


def position(pool: Pool, facility_id: str, as_of: datetime) -> Position:
    raise NotImplementedError
