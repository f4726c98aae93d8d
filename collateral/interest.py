"""Interest on principal by days: named day counts, exact until it is rounded once to the fen, half to even. Pure.

What is posted is what all days so far come to, less what was posted before. So a back-dated draw, a correction or a new rate is made good
at the next accrual, and daily postings never drift from the sum of the days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from collateral.errors import RejectedInput
from collateral.units import Money


class DayCount(StrEnum):
    """How many days a year of interest has; mirrored by a CHECK in SQL."""

    ACT_360 = "ACT/360"
    ACT_365F = "ACT/365F"

    @property
    def year_days(self) -> int:
        return 360 if self is DayCount.ACT_360 else 365


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """What borrowing costs from valid_from up to but not on valid_to, as a share a year."""

    valid_from: date
    valid_to: date | None
    annual_rate: Decimal
    day_count: DayCount


@dataclass(frozen=True, kw_only=True, slots=True)
class PrincipalChange:
    """Principal drawn (+) or repaid (-) on a bank day. It bears interest from that day's end: a day's principal is that at its end."""

    day: date
    amount: Decimal


def interest_to(changes: Iterable[PrincipalChange], rates: Sequence[Rate], end: date, currency: str) -> Decimal:
    """Interest of all days before end, in fen. Days before the first rate bear none.

    Raises RejectedInput on a day with principal between two rates, or after the last one ended: its rate is missing, not zero.
    """
    by_day: dict[date, Decimal] = {}
    for c in changes:
        by_day[c.day] = by_day.get(c.day, Decimal(0)) + c.amount
    ordered = sorted(rates, key=lambda r: r.valid_from)
    if not ordered or not by_day:
        return Decimal("0.00")
    edges = sorted({*by_day, *(r.valid_from for r in ordered), *(r.valid_to for r in ordered if r.valid_to is not None), end})
    exact, principal = Fraction(0), Decimal(0)
    for start, until in pairwise(edges):
        principal += by_day.get(start, Decimal(0))
        if until > end:
            break
        if principal == 0 or start < ordered[0].valid_from:
            continue
        rate = next((r for r in ordered if r.valid_from <= start and (r.valid_to is None or start < r.valid_to)), None)
        if rate is None:
            raise RejectedInput(
                f"no interest rate is set from {start} on, and {principal} {currency} are drawn", field="rate", missing_from=start
            )
        exact += Fraction(principal) * Fraction(rate.annual_rate) * (until - start).days / rate.day_count.year_days
    return rounded(exact, currency)


def rounded(exact: Fraction, currency: str) -> Decimal:
    """To the fen, half to even; a fraction loses nothing before."""
    fen = round(exact * 100)  # Python rounds a Fraction half to even
    return Money(Decimal(fen) / 100, currency).rounded().amount
