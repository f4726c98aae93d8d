"""What pledged goods are worth and what that means for a loan (DOMAIN 2.4). Pure; Decimal throughout, rounded once at the end.

A missing price is CANNOT_JUDGE with its reason, never a zero. A worthless pool is a fact and leads to disposal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Any

from collateral.calendar import business_date
from collateral.differentials import KINDS, Table, adjusted
from collateral.lines import Lines
from collateral.model import LineState
from collateral.prices import NoPrice, PickedPrice
from collateral.sightings import Sighting
from collateral.units import Quantity, Unit

FEN = Decimal("0.01")
RATIO = Decimal("0.00000001")
ZERO = Decimal(0)
GRADE_CUT = {"A": ZERO, "B": Decimal("0.05"), "C": Decimal("0.10"), "D": Decimal("0.10")}
GONE_STATES = ("GATED_OUT", "DELIVERED", "MISSING", "DISPUTED", "QUARANTINED")


@dataclass(frozen=True, kw_only=True, slots=True)
class CommodityTerms:
    """How a facility values one commodity. ageing_steps as in the commodity's row."""

    commodity_code: str
    unit: str
    advance_rate: Decimal
    location_discount: Decimal = ZERO
    quality_haircut: Decimal = ZERO
    ageing_steps: tuple[Mapping[str, Any], ...] = ()
    accepted_grades: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PledgedUnit:
    """One live pledged unit with what bears on its value at the instant of valuation."""

    goods_id: str
    commodity_code: str
    quantity: Decimal
    unit: str
    sighting: Sighting
    invoice_unit_price: Decimal | None = None
    invoice_currency: str | None = None
    aged_from: date | None = None
    state: str = "PLEDGED"
    warehouse_grade: str | None = None
    owner_is_borrower: bool = True
    open_p1: tuple[str, ...] = ()
    open_p2: tuple[str, ...] = ()
    receipt_state: str | None = None
    insurance_until: date | None = None
    release_issued: bool = False
    grade: str | None = None
    spec: str | None = None
    brand: str | None = None
    mill: str | None = None
    warehouse_id: str | None = None
    seen_at: datetime | None = None
    seen_by: str | None = None

    def mark(self, dimension: str) -> str | None:
        """What this unit counts under for a cap or a differential."""
        match dimension:
            case "WAREHOUSE" | "PLACE":
                return self.warehouse_id
            case "BRAND":
                return self.brand
            case "MILL":
                return self.mill
            case "GRADE":
                return self.grade
            case "SPEC":
                return self.spec
        return f"{self.commodity_code}/{self.grade or '-'}/{self.spec or '-'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitValue:
    """Value of one unit. collateral_value is 0 when reasons is not empty; would_be_value is what it were without them.

    capped: the caps that cut the value, with the amounts they took. differentials: what was applied to the reference price.
    """

    goods_id: str
    commodity_code: str
    quantity: Decimal
    unit_price: Decimal
    market_value: Decimal
    would_be_value: Decimal
    collateral_value: Decimal
    advance: Decimal
    haircut: Decimal
    sighting: Sighting
    reasons: tuple[str, ...]
    capped: Mapping[str, Decimal] = field(default_factory=dict)
    differentials: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolValue:
    """Value of all units of a facility. cannot_judge: reasons by commodity; its units count nothing and the whole is not judged.

    price_flags: of the commodities that are pledged.
    """

    units: tuple[UnitValue, ...]
    gross_market_value: Decimal
    collateral_value: Decimal
    confirmed_value: Decimal
    held_value: Decimal
    pending_value: Decimal
    weighted_advance: Decimal
    cannot_judge: Mapping[str, str]
    price_flags: Mapping[str, tuple[str, ...]]
    prices: Mapping[str, PickedPrice] = field(default_factory=dict)

    @property
    def effective_advance(self) -> Decimal | None:
        """Value-weighted advance rate; None when nothing is of value."""
        return None if self.collateral_value == 0 else self.weighted_advance / self.collateral_value


def ageing(steps: Sequence[Mapping[str, Any]], age_days: int) -> tuple[Decimal, bool]:
    """(haircut, whether the unit is over age) by the last step whose from_days has been reached."""
    reached = [s for s in steps if int(s["from_days"]) <= age_days]
    if not reached:
        return ZERO, False
    step = max(reached, key=lambda s: int(s["from_days"]))
    if step.get("ineligible"):
        return ZERO, True
    return Decimal(str(step.get("haircut", "0"))), False


def unit_price(reference: Decimal, terms: CommodityTerms, invoice: Decimal | None) -> Decimal:
    """The lower of the discounted reference price and the invoice, both ex-VAT and per the same unit."""
    discounted = reference * (1 - terms.location_discount) * (1 - terms.quality_haircut)
    return discounted if invoice is None else min(discounted, invoice)


def ineligible_reasons(unit: PledgedUnit, *, over_age: bool, on: date) -> tuple[str, ...]:
    """Why a unit counts nothing; empty = it counts."""
    found = []
    if unit.sighting is Sighting.PENDING:
        found.append("pending_sighting")
    if unit.sighting is Sighting.NOT_SIGHTED:
        found.append("not_sighted")
    if unit.state in GONE_STATES:
        found.append(f"state_{unit.state.lower()}")
    if unit.open_p1:
        found.append("open_p1_alert")
    if over_age:
        found.append("over_age")
    if not unit.owner_is_borrower:
        found.append("title_not_borrowers")
    if unit.receipt_state in ("FROZEN", "CANCELLED"):
        found.append(f"receipt_{unit.receipt_state.lower()}")
    if unit.insurance_until is not None and unit.insurance_until < on:
        found.append("insurance_expired")
    if unit.release_issued:
        found.append("release_issued")
    return tuple(found)


def value_pool(
    units: Sequence[PledgedUnit],
    terms: Mapping[str, CommodityTerms],
    prices: Mapping[str, PickedPrice | NoPrice],
    *,
    currency: str,
    as_of: datetime,
    differentials: Mapping[str, Table] | None = None,
    caps: Mapping[str, Decimal] | None = None,
) -> PoolValue:
    """Value every unit and add up. A commodity that the facility does not accept makes its units ineligible, not unjudged.

    differentials: by commodity. caps: by dimension, the share of the eligible value that may lie under one name.
    """
    on = business_date(as_of)
    tables = differentials or {}
    pledged = {unit.commodity_code for unit in units}
    valued: list[UnitValue] = []
    cannot: dict[str, str] = {}
    gross = collateral = confirmed = held = pending = weighted = ZERO
    for unit in units:
        term, price = terms.get(unit.commodity_code), prices.get(unit.commodity_code)
        if term is None:
            valued.append(_worthless(unit, "commodity_not_accepted"))
            continue
        if price is None or isinstance(price, NoPrice):
            cannot[unit.commodity_code] = "price_missing" if price is None else price.reason
            valued.append(_worthless(unit, cannot[unit.commodity_code]))
            continue
        one = _value_unit(unit, term, price, currency, on, tables.get(unit.commodity_code, {}))
        if one.unit_price <= 0:
            cannot[unit.commodity_code] = "price_not_positive_after_differentials"
            valued.append(_worthless(unit, cannot[unit.commodity_code]))
            continue
        valued.append(one)
    if caps:
        valued = capped(units, valued, caps)
    for one in valued:
        gross += one.market_value
        collateral += one.collateral_value
        weighted += one.collateral_value * one.advance
        if one.sighting is Sighting.CONFIRMED:
            confirmed += one.collateral_value
        elif one.sighting is Sighting.HELD:
            held += one.collateral_value
        if one.reasons == ("pending_sighting",):
            pending += one.would_be_value
    return PoolValue(
        units=tuple(valued),
        gross_market_value=gross,
        collateral_value=collateral,
        confirmed_value=confirmed,
        held_value=held,
        pending_value=pending,
        weighted_advance=weighted,
        cannot_judge=cannot,
        price_flags={code: p.flags for code, p in prices.items() if isinstance(p, PickedPrice) and p.flags and code in pledged},
        prices={code: p for code, p in prices.items() if isinstance(p, PickedPrice)},
    )


def _worthless(unit: PledgedUnit, reason: str) -> UnitValue:
    return UnitValue(
        goods_id=unit.goods_id,
        commodity_code=unit.commodity_code,
        quantity=unit.quantity,
        unit_price=ZERO,
        market_value=ZERO,
        would_be_value=ZERO,
        collateral_value=ZERO,
        advance=ZERO,
        haircut=ZERO,
        sighting=unit.sighting,
        reasons=(reason,),
    )


def capped(units: Sequence[PledgedUnit], valued: Sequence[UnitValue], caps: Mapping[str, Decimal]) -> list[UnitValue]:
    """Values after concentration caps: what a name has above its share of the eligible value counts nothing, taken from its units in proportion.

    Shares are of the eligible value before any cap. Each dimension is judged by itself and the hardest cut counts. Units without a name in a
    dimension lie under one name, "unknown".
    """
    total = sum((v.collateral_value for v in valued), ZERO)
    if total == 0:
        return list(valued)
    kept: dict[tuple[str, str], Decimal] = {}
    for dimension, share in caps.items():
        by_name: dict[str, Decimal] = {}
        for unit, value in zip(units, valued, strict=True):
            name = unit.mark(dimension) or "unknown"
            by_name[name] = by_name.get(name, ZERO) + value.collateral_value
        kept |= {(dimension, name): share * total / amount for name, amount in by_name.items() if amount > share * total}
    if not kept:
        return list(valued)
    made = []
    for unit, value in zip(units, valued, strict=True):
        cuts = [(kept[key], *key) for d in caps if (key := (d, unit.mark(d) or "unknown")) in kept]
        if not cuts or value.collateral_value == 0:
            made.append(value)
            continue
        factor, dimension, name = min(cuts)
        left = value.collateral_value * factor
        taken = {f"cap_{dimension.lower()}:{name}": value.collateral_value - left}
        made.append(replace(value, collateral_value=left, capped=taken))
    return made


def _value_unit(unit: PledgedUnit, term: CommodityTerms, price: PickedPrice, currency: str, on: date, differentials: Table) -> UnitValue:
    quantity = Quantity(unit.quantity, Unit(unit.unit)).in_unit(Unit(term.unit)).amount
    invoice = None
    if unit.invoice_unit_price is not None and unit.invoice_currency == currency:
        invoice = unit.invoice_unit_price / Quantity(Decimal(1), Unit(unit.unit)).in_unit(Unit(term.unit)).amount
    reference = price.per_unit
    applied: tuple[str, ...] = ()
    if differentials:
        reference, applied = adjusted(reference, {kind: unit.mark(kind) for kind in KINDS}, differentials, currency)
    per_unit = unit_price(reference, term, invoice)
    haircut, over_age = ageing(term.ageing_steps, (on - unit.aged_from).days if unit.aged_from is not None else 0)
    reasons = ineligible_reasons(unit, over_age=over_age, on=on)
    if term.accepted_grades is not None and unit.grade not in term.accepted_grades:
        reasons = (*reasons, "grade_not_accepted")
    market = quantity * per_unit
    would_be = market * (1 - haircut)
    return UnitValue(
        goods_id=unit.goods_id,
        commodity_code=unit.commodity_code,
        quantity=quantity,
        unit_price=per_unit,
        market_value=market,
        would_be_value=would_be,
        collateral_value=ZERO if reasons else would_be,
        advance=max(ZERO, term.advance_rate - GRADE_CUT.get(unit.warehouse_grade or "A", ZERO)),
        haircut=haircut,
        sighting=unit.sighting,
        reasons=reasons,
        differentials=applied,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Credit:
    """The loan's side of a valuation: contract figures and what is owed."""

    limit_amount: Decimal
    advance_rate: Decimal
    reserves: Decimal
    control_value_floor: Decimal
    exposure: Decimal
    lines: Lines


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where the loan stands. Money in fen, ratios to eight places; None where there is nothing to divide by."""

    collateral_value: Decimal
    exposure: Decimal
    effective_advance: Decimal | None
    borrowing_base: Decimal
    availability: Decimal
    coverage: Decimal | None
    ltv: Decimal | None
    min_control_value: Decimal
    excess_value: Decimal
    releasable_now: Decimal
    call_cash_amount: Decimal
    call_goods_amount: Decimal
    raw_state: LineState
    why_not_judged: tuple[str, ...]


def fen(amount: Decimal) -> Decimal:
    """To the fen, half to even."""
    return amount.quantize(FEN, rounding=ROUND_HALF_EVEN)


def fen_up(amount: Decimal) -> Decimal:
    """Up to the next fen; what lies below a hundred-thousandth of a fen is noise of a division."""
    return amount.quantize(Decimal("0.0000001")).quantize(FEN, rounding=ROUND_CEILING)


def coverage(collateral_value: Decimal, exposure: Decimal) -> Decimal | None:
    """Collateral value per exposure; None (unlimited) when nothing is owed."""
    return None if exposure <= 0 else collateral_value / exposure


def state_at(covered: Decimal | None, lines: Lines) -> LineState:
    """The worst line that this coverage is below. On a line is not below it."""
    if covered is None or covered >= lines.warning:
        return LineState.OK
    if covered >= lines.margin_call:
        return LineState.WARNING
    if covered >= lines.disposal:
        return LineState.MARGIN_CALL
    return LineState.DISPOSAL


def min_control_value(exposure: Decimal, effective_advance: Decimal, floor: Decimal) -> Decimal:
    """Value that must stay: what the exposure needs at the effective advance, or the contract's floor if that is more."""
    return max(floor, max(ZERO, exposure) / effective_advance)


def call_amounts(exposure: Decimal, collateral_value: Decimal, advance: Decimal) -> tuple[Decimal, Decimal]:
    """(cash, goods) that each alone restores the advance rate, rounded up to the fen; 0 when nothing is short."""
    cash = max(ZERO, exposure - advance * collateral_value)
    goods = max(ZERO, exposure / advance - collateral_value)
    return fen_up(cash), fen_up(goods)


def partial_sale_value(exposure: Decimal, market_value: Decimal, advance: Decimal, discount: Decimal) -> Decimal:
    """Market value of the goods to sell, at a discount, so that what remains is back at the advance rate; at most all of them.

    This is q x p of DOMAIN 2.4. Where the net proceeds of a unit do not exceed what it secures, selling some mends nothing: all is sold.
    """
    short = exposure - advance * market_value
    if short <= 0:
        return ZERO
    room = (1 - discount) - advance
    return market_value if room <= 0 else min(market_value, short / room)


def standing(pool: PoolValue, credit: Credit) -> Standing:
    """Put the pool beside the loan.

    CANNOT_JUDGE when a price is missing, or when the verdict hangs on units that are not sighted yet but still may be.
    """
    value, exposure = fen(pool.collateral_value), fen(credit.exposure)
    advance = pool.effective_advance if pool.effective_advance else credit.advance_rate
    base = pool.weighted_advance - credit.reserves
    control = min_control_value(exposure, advance, credit.control_value_floor)
    covered = coverage(value, exposure)
    state = state_at(covered, credit.lines)
    why = [f"{reason}:{code}" for code, reason in sorted(pool.cannot_judge.items())]
    if (
        state is not LineState.OK
        and pool.pending_value > 0
        and state_at(coverage(value + pool.pending_value, exposure), credit.lines) is not state
    ):
        why.append("pending_sighting")
    if why and exposure > 0:
        state = LineState.CANNOT_JUDGE
    cash, goods = call_amounts(exposure, value, advance)
    return Standing(
        collateral_value=value,
        exposure=exposure,
        effective_advance=None if pool.effective_advance is None else pool.effective_advance.quantize(RATIO),
        borrowing_base=fen(base),
        availability=fen(min(credit.limit_amount, base) - exposure),
        coverage=None if covered is None else covered.quantize(RATIO),
        ltv=None if value == 0 else (exposure / value).quantize(RATIO),
        min_control_value=fen_up(control),
        excess_value=fen(value - control),
        releasable_now=max(ZERO, fen(value - control)),
        call_cash_amount=cash,
        call_goods_amount=goods,
        raw_state=state,
        why_not_judged=tuple(why),
    )
