"""The ladder from a coverage to what must be done: state with hysteresis, cause of a fall, deadline, cure. Pure (DOMAIN 2.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from collateral.calendar import end_of_business_day
from collateral.lines import Lines
from collateral.model import LineState
from collateral.valuation import state_at

CLEAR_POINTS = Decimal("0.01")
CLEAR_MARKS = 2
_WORSE = {LineState.OK: 0, LineState.WARNING: 1, LineState.MARGIN_CALL: 2, LineState.DISPOSAL: 3}
_BETTER = {LineState.DISPOSAL: LineState.MARGIN_CALL, LineState.MARGIN_CALL: LineState.WARNING, LineState.WARNING: LineState.OK}


class Cause(StrEnum):
    """What brought the value down; mirrored by a CHECK in SQL."""

    PRICE = "PRICE"
    QUANTITY = "QUANTITY"
    ELIGIBILITY = "ELIGIBILITY"


def line_above(state: LineState, lines: Lines) -> Decimal | None:
    """The line that a state is below; None for OK."""
    return {LineState.WARNING: lines.warning, LineState.MARGIN_CALL: lines.margin_call, LineState.DISPOSAL: lines.disposal}.get(state)


def next_state(previous: LineState, coverages: Sequence[Decimal | None], lines: Lines) -> LineState:
    """The state after a mark. coverages: newest first, this mark's own included; None = nothing owed.

    Down at once, and through several lines straight to the worst. Up line by line, over each only when coverage stood a point above it for two
    marks in a row.
    """
    raw = state_at(coverages[0], lines)
    if previous not in _WORSE or _WORSE[raw] >= _WORSE[previous]:
        return raw
    if coverages[0] is None:
        return LineState.OK
    recent = coverages[:CLEAR_MARKS]
    state = previous
    while state is not raw and (line := line_above(state, lines)) is not None:
        if len(recent) < CLEAR_MARKS or any(c is not None and c < line + CLEAR_POINTS for c in recent):
            break
        state = _BETTER[state]
    return state


def cure_deadline(issued_at: datetime, unit: str, length: int) -> tuple[datetime, bool]:
    """Until when a call must be cured, and whether the holiday calendar knew the days. HOURS run on; BUSINESS_DAYS end at 17:00 in Shanghai."""
    if unit == "HOURS":
        return issued_at + timedelta(hours=length), True
    if unit == "BUSINESS_DAYS":
        return end_of_business_day(issued_at, length)
    raise ValueError(f"unknown cure unit {unit}")


def cure_advance(target: str, lines: Lines, effective_advance: Decimal | None) -> Decimal:
    """Exposure per collateral value at which a call is cured: the pool's own advance rate, or what the warning line stands for.

    Never more than the warning line stands for: a call that asks for nothing would be cured and issued again at every mark.
    """
    at_warning = 1 / lines.warning
    return at_warning if target == "WARNING" else min(at_warning, effective_advance or 1 / lines.start)


def is_cured(collateral_value: Decimal, exposure: Decimal, advance: Decimal) -> bool:
    """Whether the exposure is back at what the value secures, to within a fen."""
    return exposure <= advance * collateral_value + Decimal("0.01")


def cause_split(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[Cause, Decimal]:
    """Change of collateral value in three parts that add up, from the `commodities` of two valuation details.

    Each commodity carries quantity (all pledged), eligible_quantity and collateral_value. Quantity: units that came or went, at today's value per
    unit; price: today's value per eligible unit less the earlier one, on the earlier eligible quantity; eligibility: the rest.
    """
    parts = dict.fromkeys(Cause, Decimal(0))
    if before is None:
        return parts
    for code in sorted(set(before) | set(now)):
        old, new = _figures(before.get(code)), _figures(now.get(code))
        old_per = old["value"] / old["eligible"] if old["eligible"] else None
        new_per = new["per"] if new["per"] is not None else old_per
        if new_per is None:
            continue
        quantity = (new["quantity"] - old["quantity"]) * new_per
        price = old["eligible"] * (new_per - old_per) if old_per is not None else Decimal(0)
        parts[Cause.QUANTITY] += quantity
        parts[Cause.PRICE] += price
        parts[Cause.ELIGIBILITY] += new["value"] - old["value"] - quantity - price
    return parts


def _figures(commodity: Mapping[str, Any] | None) -> dict[str, Any]:
    if commodity is None:
        return {"quantity": Decimal(0), "eligible": Decimal(0), "value": Decimal(0), "per": None}
    quantity, eligible = Decimal(str(commodity["quantity"])), Decimal(str(commodity["eligible_quantity"]))
    value = Decimal(str(commodity["collateral_value"]))
    return {"quantity": quantity, "eligible": eligible, "value": value, "per": value / eligible if eligible else None}


def main_cause(parts: Mapping[Cause, Decimal]) -> Cause:
    """The part that took most; PRICE where nothing fell."""
    worst = min(Cause, key=lambda c: parts[c])
    return worst if parts[worst] < 0 else Cause.PRICE
