"""Coverage lines of a facility, derived from its advance rate or taken from its contract (DOMAIN 2.5). Pure; ratios, not per cent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from collateral.errors import RejectedInput

_DISPOSAL_LTV = Decimal("0.82")
_DISPOSAL_CAP = Decimal("1.25")
_CALL_SHARE = Decimal("0.45")
_WARNING_SHARE = Decimal("0.72")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Coverage at draw and at the three lines below it: start > warning > margin_call > disposal."""

    start: Decimal
    warning: Decimal
    margin_call: Decimal
    disposal: Decimal

    def price_fall(self, line: Decimal) -> Decimal:
        """The price fall from the day of draw that leads to this coverage, as a share: 0.05 = five per cent down."""
        return 1 - line / self.start


def derived_lines(advance_rate: Decimal, disposal_cost: Decimal) -> Lines:
    """The lines of a facility whose contract names none. Raises RejectedInput where the advance rate leaves no room for them."""
    if not 0 < advance_rate < 1:
        raise RejectedInput(f"advance rate {advance_rate} is not between 0 and 1", field="advance_rate")
    start = 1 / advance_rate
    disposal = max(1 + disposal_cost, min(_DISPOSAL_LTV / advance_rate, _DISPOSAL_CAP))
    room = start - disposal
    made = Lines(start=start, warning=disposal + _WARNING_SHARE * room, margin_call=disposal + _CALL_SHARE * room, disposal=disposal)
    return checked(made, disposal_cost)


def contract_lines(advance_rate: Decimal, disposal_cost: Decimal, warning: Decimal, margin_call: Decimal, disposal: Decimal) -> Lines:
    """The lines that a contract names. Raises RejectedInput that says which relation fails."""
    if not 0 < advance_rate < 1:
        raise RejectedInput(f"advance rate {advance_rate} is not between 0 and 1", field="advance_rate")
    return checked(Lines(start=1 / advance_rate, warning=warning, margin_call=margin_call, disposal=disposal), disposal_cost)


def checked(lines: Lines, disposal_cost: Decimal) -> Lines:
    """The same lines, if start > warning > margin call > disposal >= 1 + disposal cost. Raises RejectedInput that says which relation fails."""
    faults = []
    if not lines.start > lines.warning:
        faults.append(
            f"warning line {lines.warning:.4f} is not below the start coverage {lines.start:.4f}: the loan would be born under it"
        )
    if not lines.warning > lines.margin_call:
        faults.append(f"margin-call line {lines.margin_call:.4f} is not below the warning line {lines.warning:.4f}")
    if not lines.margin_call > lines.disposal:
        faults.append(f"disposal line {lines.disposal:.4f} is not below the margin-call line {lines.margin_call:.4f}")
    if not lines.disposal >= 1 + disposal_cost:
        faults.append(f"disposal line {lines.disposal:.4f} does not cover the loan and the cost of a sale, {1 + disposal_cost:.4f}")
    if faults:
        raise RejectedInput("; ".join(faults), faults=faults)
    return lines


def lines_of(
    advance_rate: Decimal, disposal_cost: Decimal, warning: Decimal | None, margin_call: Decimal | None, disposal: Decimal | None
) -> Lines:
    """Contract lines when all three are given, derived ones when none is. Raises RejectedInput on one or two."""
    if warning is not None and margin_call is not None and disposal is not None:
        return contract_lines(advance_rate, disposal_cost, warning, margin_call, disposal)
    if warning is None and margin_call is None and disposal is None:
        return derived_lines(advance_rate, disposal_cost)
    raise RejectedInput("give all three lines or none", field="warning_line")
