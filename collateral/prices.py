"""Which price to believe: sanity of a quote, confirmation of a jump, choice between two sources, staleness (DOMAIN 2.6). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from collateral.calendar import trading_days_between
from collateral.model import PriceStatus
from collateral.units import Quantity, Unit

JUMP_MAX = Decimal("0.10")
CONFIRM_WITHIN = timedelta(hours=24)
CONFIRM_MOVE_DIFFERENCE_MAX = Decimal("0.05")
FRESH_TRADING_DAYS = 1
STALE_TRADING_DAYS_MAX = 3
STALE_DISCOUNT_PER_DAY = Decimal("0.01")


class SourceRule(StrEnum):
    """How two sources make one price; mirrored by a CHECK in SQL."""

    PRIMARY_WITH_TOLERANCE = "PRIMARY_WITH_TOLERANCE"
    LOWER_OF = "LOWER_OF"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """A price as printed by its source; `net` is what valuation uses."""

    price_id: str
    commodity_code: str
    source: str
    quoted_at: datetime
    price: Decimal
    currency: str
    unit: str
    tax_inclusive: bool
    vat_rate: Decimal
    status: PriceStatus = PriceStatus.ACCEPTED
    reason: str | None = None

    @property
    def net(self) -> Decimal:
        """Ex-VAT, per unit of the quote."""
        return self.price / (1 + self.vat_rate) if self.tax_inclusive else self.price


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Sanity band of a commodity: ex-VAT, per unit, in currency."""

    unit: str
    price_min: Decimal
    price_max: Decimal
    currency: str


def price_per(quote: Quote, unit: str) -> Decimal | None:
    """Ex-VAT price per another unit, or None where no fixed ratio exists."""
    try:
        return quote.net / Quantity(Decimal(1), Unit(quote.unit)).in_unit(Unit(unit)).amount
    except ValueError:
        return None


def refusal(quote: Quote, band: Band) -> str | None:
    """Why this quote can never be used, or None."""
    if not quote.price.is_finite() or quote.price <= 0:
        return f"not_positive: {quote.price} {quote.currency}"
    if quote.currency != band.currency:
        return f"wrong_currency: {quote.currency} where {band.currency} is kept"
    per_unit = price_per(quote, band.unit)
    if per_unit is None:
        return f"wrong_unit: {quote.unit} where {band.unit} is kept"
    if not band.price_min <= per_unit <= band.price_max:
        return f"outside_band: {per_unit:.4f} {band.currency}/{band.unit} is not within {band.price_min}..{band.price_max}"
    return None


def _last_accepted(quote: Quote, known: Sequence[Quote]) -> Quote | None:
    earlier = [q for q in known if q.source == quote.source and q.status is PriceStatus.ACCEPTED and q.quoted_at < quote.quoted_at]
    return max(earlier, key=lambda q: q.quoted_at, default=None)


def move(quote: Quote, known: Sequence[Quote]) -> Decimal | None:
    """Relative change against the last accepted quote of the same source; None without one."""
    last = _last_accepted(quote, known)
    return None if last is None else quote.net / last.net - 1


def confirming(quote: Quote, known: Sequence[Quote]) -> Quote | None:
    """The quote of another source that makes the same move at the same time."""
    own = move(quote, known)
    if own is None:
        return None
    for other in known:
        if other.source == quote.source or other.status is PriceStatus.REFUSED or abs(other.quoted_at - quote.quoted_at) >= CONFIRM_WITHIN:
            continue
        its = move(other, known)
        if its is not None and its * own > 0 and abs(its - own) <= CONFIRM_MOVE_DIFFERENCE_MAX:
            return other
    return None


def judged(quote: Quote, band: Band, known: Sequence[Quote]) -> Quote:
    """The quote with its status: refused, quarantined until a second source shows the same jump, or accepted."""
    if (why := refusal(quote, band)) is not None:
        return replace(quote, status=PriceStatus.REFUSED, reason=why)
    change = move(quote, known)
    if change is None or abs(change) <= JUMP_MAX:
        return replace(quote, status=PriceStatus.ACCEPTED, reason=None)
    other = confirming(quote, known)
    if other is not None:
        return replace(quote, status=PriceStatus.ACCEPTED, reason=f"jump of {change:+.2%} confirmed by {other.source}")
    return replace(quote, status=PriceStatus.QUARANTINED, reason=f"jump of {change:+.2%} without a second source")


def with_new_quote(quote: Quote, band: Band, known: Sequence[Quote]) -> list[Quote]:
    """All quotes whose status changes by this one, itself first.

    A new quote may confirm a quarantined one, and a confirmed one is the new base of those after it; so the quarantine is looked through again
    until nothing changes. An accepted quote is never taken back.
    """
    now_known = [q for q in known if q.price_id != quote.price_id]
    changed = {quote.price_id: judged(quote, band, now_known)}
    now_known.append(changed[quote.price_id])
    while True:
        freed = None
        for held in sorted((q for q in now_known if q.status is PriceStatus.QUARANTINED), key=lambda q: q.quoted_at):
            verdict = judged(held, band, now_known)
            if verdict.status is PriceStatus.ACCEPTED:
                freed = verdict
                break
        if freed is None:
            break
        changed[freed.price_id] = freed
        now_known = [freed if q.price_id == freed.price_id else q for q in now_known]
    return [changed[quote.price_id], *(q for key, q in changed.items() if key != quote.price_id)]


@dataclass(frozen=True, kw_only=True, slots=True)
class PickedPrice:
    """The reference price of a commodity for a facility: ex-VAT, per unit, after the discount for age.

    flags: stale, expired (no draw and no release on it), one_source, stand_in (a source of lower rank prices, for the primary's quote is
    expired or not comparable), sources_differ, calendar_weekdays_only.
    """

    per_unit: Decimal
    unit: str
    currency: str
    quote: Quote
    check: Quote | None
    age_trading_days: int
    stale_discount: Decimal
    flags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NoPrice:
    """Why there is no reference price."""

    reason: str


def pick(
    primary: Quote | None,
    check: Quote | None,
    *,
    tolerance: Decimal,
    unit: str,
    currency: str,
    as_of: datetime,
    check_expected: bool = True,
    rule: SourceRule = SourceRule.PRIMARY_WITH_TOLERANCE,
    further: Sequence[Quote] = (),
) -> PickedPrice | NoPrice:
    """One price from ranked sources, discounted when it is old.

    primary, check, further: the newest accepted quote of each source at as_of, in rank. The first that is comparable and not expired prices,
    the next such one checks it. PRIMARY_WITH_TOLERANCE: the lower of the two when they differ by more than tolerance; LOWER_OF: always the lower.
    Where every quote is expired, the first of them prices, flagged.
    """
    ranked = [q for q in (primary, check, *further) if q is not None]
    if not ranked:
        return NoPrice(reason="price_missing")
    comparable = [(q, per) for q in ranked if q.currency == currency and (per := price_per(q, unit)) is not None]
    if not comparable:
        return NoPrice(reason="price_currency_differs" if ranked[0].currency != currency else "price_unit_differs")
    ages = {q.price_id: trading_days_between(q.quoted_at, as_of) for q, _ in comparable}
    in_time = [(q, per) for q, per in comparable if ages[q.price_id][0] <= STALE_TRADING_DAYS_MAX]
    chosen, per_unit = (in_time or comparable)[0]
    other, other_per_unit = in_time[1] if len(in_time) > 1 else (None, None)
    flags: list[str] = []
    if primary is not None and chosen is not primary:
        flags.append("stand_in")
    if primary is None or (other is None and check_expected):
        flags.append("one_source")
    if other is not None and other_per_unit is not None:
        differ = abs(other_per_unit / per_unit - 1) > tolerance
        if differ:
            flags.append("sources_differ")
        if (differ or rule is SourceRule.LOWER_OF) and other_per_unit < per_unit:
            (chosen, per_unit), other = (other, other_per_unit), chosen
    age, known_calendar = ages[chosen.price_id]
    if not known_calendar:
        flags.append("calendar_weekdays_only")
    discount = Decimal(0)
    if age > FRESH_TRADING_DAYS:
        flags.append("stale")
        discount = STALE_DISCOUNT_PER_DAY * min(age - FRESH_TRADING_DAYS, STALE_TRADING_DAYS_MAX)
    if age > STALE_TRADING_DAYS_MAX:
        flags.append("expired")
    return PickedPrice(
        per_unit=per_unit * (1 - discount),
        unit=unit,
        currency=currency,
        quote=chosen,
        check=other,
        age_trading_days=age,
        stale_discount=discount,
        flags=tuple(flags),
    )
