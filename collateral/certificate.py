"""A borrowing base certificate: the way from gross value to availability, with every unit and why it counts or not. Pure.

The content is fixed when it is issued. Amounts are in fen; every step of the waterfall is the difference of two rounded subtotals, so that
the steps add up to the last figure exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from collateral.sightings import Sighting
from collateral.valuation import PledgedUnit, PoolValue, Standing, UnitValue, fen
from collateral.valuation_store import FacilityBook

SCHEMA = "borrowing-base-certificate/1"
ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What a certificate states: a facility's book, units and values at one instant."""

    book: FacilityBook
    units: tuple[PledgedUnit, ...]
    pool: PoolValue
    standing: Standing


def content_of(basis: Basis, *, certificate_id: str, as_of: datetime, issued_at: datetime, issued_by: str) -> dict[str, Any]:
    """The certificate as JSON values: decimals as strings, times in RFC 3339, lists in a fixed order."""
    s, balance = basis.standing, basis.book.balance
    return {
        "schema": SCHEMA,
        "certificate_id": certificate_id,
        "facility_id": basis.book.facility_id,
        "tenant_id": basis.book.tenant_id,
        "currency": basis.book.currency,
        "as_of": as_of.isoformat(),
        "issued_at": issued_at.isoformat(),
        "issued_by": issued_by,
        "judged": not s.why_not_judged,
        "why_not_judged": list(s.why_not_judged),
        "waterfall": waterfall(basis),
        "value": _texts(
            {
                "book_value": fen(sum((v.would_be_value for v in basis.pool.units), ZERO)),
                "collateral_value": s.collateral_value,
                "physically_confirmed": fen(basis.pool.confirmed_value),
                "held_while_a_reader_is_silent": fen(basis.pool.held_value),
                "pending_first_sighting": fen(basis.pool.pending_value),
            }
        ),
        "exposure": _texts(
            {
                "principal": balance.principal,
                "interest": balance.interest,
                "fees": balance.fees,
                "cash_margin": balance.cash_margin,
                "exposure": s.exposure,
            }
        ),
        "ledger_entry_no": balance.last_entry_no,
        "ratios": _texts({"coverage": s.coverage, "ltv": s.ltv, "effective_advance": s.effective_advance}),
        "ineligible": ineligible(basis.pool),
        "prices": _prices(basis),
        "units": [unit_line(u, v) for u, v in zip(basis.units, basis.pool.units, strict=True)],
    }


def waterfall(basis: Basis) -> list[dict[str, str]]:
    """From gross market value to availability; a step with sign '-' is taken off, '=' is what stands then."""
    units, pool, s, credit = basis.pool.units, basis.pool, basis.standing, basis.book.credit
    gross = fen(pool.gross_market_value)
    after_haircuts = fen(sum((v.would_be_value for v in units), ZERO))
    uncapped = fen(sum((v.would_be_value for v in units if not v.reasons), ZERO))
    eligible = s.collateral_value
    advanced = fen(pool.weighted_advance)
    available_to = min(credit.limit_amount, s.borrowing_base)
    steps = [
        ("=", "gross_market_value", gross),
        ("-", "haircuts_for_age_and_quality", gross - after_haircuts),
        ("-", "ineligible", after_haircuts - uncapped),
        ("-", "above_concentration_caps", uncapped - eligible),
        ("=", "collateral_value", eligible),
        ("-", "not_advanced", eligible - advanced),
        ("-", "reserves", advanced - s.borrowing_base),
        ("=", "borrowing_base", s.borrowing_base),
        ("-", "above_limit", s.borrowing_base - available_to),
        ("-", "exposure", s.exposure),
        ("=", "availability", s.availability),
    ]
    return [{"sign": sign, "step": name, "amount": text(amount)} for sign, name, amount in steps]


def ineligible(pool: PoolValue) -> list[dict[str, Any]]:
    """Units that count nothing, each under its first reason so that the amounts add up, and what caps took."""
    found: dict[str, tuple[int, Decimal]] = {}
    for v in pool.units:
        causes: Mapping[str, Decimal] = {v.reasons[0]: v.would_be_value} if v.reasons else v.capped
        for reason, amount in causes.items():
            units, value = found.get(reason, (0, ZERO))
            found[reason] = (units + 1, value + amount)
    return [{"reason": reason, "units": units, "value": text(fen(value))} for reason, (units, value) in sorted(found.items())]


def _prices(basis: Basis) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for code in sorted({u.commodity_code for u in basis.units}):
        price, term = basis.pool.prices.get(code), basis.book.terms.get(code)
        if price is None or term is None:
            lines.append({"commodity_code": code, "price": None, "why": basis.pool.cannot_judge.get(code, "commodity_not_accepted")})
            continue
        lines.append(
            {
                "commodity_code": code,
                "price": text(price.per_unit.quantize(Decimal("0.0001"))),
                "unit": price.unit,
                "price_id": price.quote.price_id,
                "source": price.quote.source,
                "quoted_at": price.quote.quoted_at.isoformat(),
                "stale_discount": text(price.stale_discount),
                "flags": list(price.flags),
                "advance_rate": text(term.advance_rate),
            }
        )
    return lines


def unit_line(unit: PledgedUnit, value: UnitValue) -> dict[str, Any]:
    """One unit: what it is, who saw it when, what it is worth and why it counts or not."""
    return {
        "goods_id": value.goods_id,
        "commodity_code": value.commodity_code,
        "quantity": text(value.quantity),
        "warehouse_id": unit.warehouse_id,
        "sighting": value.sighting.value,
        "confirmed_by": unit.seen_by if value.sighting in (Sighting.CONFIRMED, Sighting.HELD) else None,
        "confirmed_at": None if unit.seen_at is None else unit.seen_at.isoformat(),
        "unit_price": text(value.unit_price.quantize(Decimal("0.0001"))),
        "market_value": text(fen(value.market_value)),
        "haircut": text(value.haircut),
        "advance": text(value.advance),
        "collateral_value": text(fen(value.collateral_value)),
        "reasons": list(value.reasons),
        "capped": {k: text(fen(a)) for k, a in sorted(value.capped.items())},
        "differentials": list(value.differentials),
    }


def text(amount: Decimal) -> str:
    """A decimal as the API writes it."""
    return format(amount, "f")


def _texts(figures: Mapping[str, Decimal | None]) -> dict[str, str | None]:
    return {name: None if amount is None else text(amount) for name, amount in figures.items()}
