"""Values facilities from the store: one consistent read, the pure valuation, one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral import valuation_store as store
from collateral.calendar import BANK_ZONE, business_date
from collateral.errors import NotFound
from collateral.ids import new_id
from collateral.lines import Lines
from collateral.margin import CLEAR_MARKS, next_state
from collateral.model import Balance, LineState, Valuation
from collateral.prices import NoPrice, PickedPrice, Quote, pick
from collateral.registry_store import many
from collateral.transactions import in_transaction
from collateral.valuation import PledgedUnit, PoolValue, Standing, UnitValue, fen, standing, value_pool
from collateral.valuation_store import FacilityBook, Mark, Quotes
from db.pool import Pool

IDS_SHOWN_MAX = 20
LATE_DAYS = 7
RESTATE_DAYS = 400
RESTATED_MAX = 5000


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """A facility with its units, their values and where that puts the loan."""

    book: FacilityBook
    units: tuple[PledgedUnit, ...]
    pool: PoolValue
    standing: Standing
    line_state: LineState

    @property
    def lines(self) -> Lines:
        return self.book.credit.lines

    def value_of(self, goods_id: str) -> UnitValue | None:
        """The value of one unit, None when it is not pledged here."""
        return next((u for u in self.pool.units if u.goods_id == goods_id), None)


def value_facility(
    pool: Pool, facility_id: str, as_of: datetime, cause: str, persist: bool = True, *, restates: tuple[str, datetime] | None = None
) -> Valuation:
    """Value one facility and, with persist, write the row that margin works on. Raises NotFound.

    restates: (the mark that this one replaces, when); the money is then that of as_of, by what is known now.
    """

    def work(conn: Connection[Any]) -> Valuation:
        if restates is None:
            made = _valuation(assess(conn, facility_id, as_of), as_of, cause)
        else:
            old, now = restates
            made = replace(_valuation(assess(conn, facility_id, as_of, now), as_of, cause), recorded_at=now, restates=old)
        if persist:
            store.insert_valuations(conn, [made])
        return made

    return in_transaction(pool, work, one_instant=True)


def value_locked(conn: Connection[Any], facility_id: str, as_of: datetime, cause: str) -> Valuation:
    """A mark inside the transaction of a command that holds the facility's lock."""
    made = _valuation(assess(conn, facility_id, as_of), as_of, cause)
    store.insert_valuations(conn, [made])
    return made


def value_all(pool: Pool, as_of: datetime, cause: str, tenant_id: str | None = None) -> list[Valuation]:
    """Value all facilities that are not closed, in one read and one write."""

    def work(conn: Connection[Any]) -> list[Valuation]:
        made = [_valuation(a, as_of, cause) for a in assess_many(conn, None, as_of, tenant_id)]
        store.insert_valuations(conn, made)
        return made

    return in_transaction(pool, work, one_instant=True)


def restate_past_days(pool: Pool, now: datetime, tenant_id: str | None = None) -> list[Valuation]:
    """Value again the last mark of each past day whose price came, or came out of quarantine, after the mark. Other days stay as they are.

    Looks at prices that came in the last LATE_DAYS and back RESTATE_DAYS, at most RESTATED_MAX marks a call, oldest first. The new rows name
    the old ones; no call is made on the past.
    """
    today = datetime.combine(business_date(now), time(), BANK_ZONE)
    params = {"came_since": now - timedelta(days=LATE_DAYS), "now": now, "until": today, "tenant_id": tenant_id, "limit": RESTATED_MAX}

    def work(conn: Connection[Any]) -> list[dict[str, Any]]:
        [late] = many(conn, store.Q["oldest_late_price"], params)
        if late["quoted_at"] is None:
            return []
        since = max(late["quoted_at"], now - timedelta(days=RESTATE_DAYS))
        return many(conn, store.Q["marks_to_restate"], {**params, "since": since})

    due = in_transaction(pool, work)
    return [value_facility(pool, d["facility_id"], d["as_of"], "PRICE", restates=(d["valuation_id"], now)) for d in due]


def position(pool: Pool, facility_id: str, as_of: datetime, known_at: datetime | None = None) -> Position:
    """The figures of a facility at an instant; writes nothing. Raises NotFound.

    known_at: the money is that of as_of, by what was recorded until then; None = as it stands now.
    """
    return in_transaction(pool, lambda conn: position_of(assess(conn, facility_id, as_of, known_at), as_of), one_instant=True)


def assess(conn: Connection[Any], facility_id: str, as_of: datetime, known_at: datetime | None = None) -> Assessment:
    """One facility, inside the caller's transaction. Raises NotFound."""
    found = assess_many(conn, [facility_id], as_of, known_at=known_at)
    if not found:
        raise NotFound(f"there is no facility {facility_id}")
    return found[0]


def assess_many(
    conn: Connection[Any],
    facility_ids: Sequence[str] | None,
    as_of: datetime,
    tenant_id: str | None = None,
    *,
    known_at: datetime | None = None,
) -> list[Assessment]:
    """Facilities by id, or all that are not closed, with a fixed number of reads. known_at: as in position."""
    money_at = None if known_at is None else (as_of, known_at)
    books = store.facility_books(conn, facility_ids, tenant_id, on=business_date(as_of), money_at=money_at)
    ids = [b.facility_id for b in books]
    quotes = store.quotes(conn, ids, as_of)
    units = store.pledged_units(conn, books, as_of)
    marks = store.previous_marks(conn, ids, as_of, CLEAR_MARKS)
    return [_assessment(b, units[b.facility_id], quotes, marks.get(b.facility_id, []), as_of) for b in books]


def _assessment(book: FacilityBook, units: list[PledgedUnit], quotes: Quotes, marks: Sequence[Mark], as_of: datetime) -> Assessment:
    pool = value_pool(
        units,
        book.terms,
        _prices(book, quotes, as_of),
        currency=book.currency,
        as_of=as_of,
        differentials=book.differentials,
        caps=book.caps,
    )
    where = standing(pool, book.credit)
    state = where.raw_state
    if state is not LineState.CANNOT_JUDGE and marks:
        state = next_state(marks[0].state, [where.coverage, *(m.coverage for m in marks)], book.credit.lines)
    return Assessment(book=book, units=tuple(units), pool=pool, standing=where, line_state=state)


def _prices(book: FacilityBook, quotes: Quotes, as_of: datetime) -> dict[str, PickedPrice | NoPrice]:
    def of(code: str, source: str | None) -> Quote | None:
        return store.newest(quotes, book.tenant_id, code, source)

    return {
        code: pick(
            of(code, rule.primary_source),
            of(code, rule.check_source),
            tolerance=rule.tolerance,
            unit=book.terms[code].unit,
            currency=book.currency,
            as_of=as_of,
            check_expected=rule.check_source is not None,
            rule=rule.rule,
            further=[q for s in rule.further_sources if (q := of(code, s)) is not None],
        )
        for code, rule in book.price_rules.items()
    }


def _valuation(a: Assessment, as_of: datetime, cause: str) -> Valuation:
    s = a.standing
    return Valuation(
        valuation_id=new_id("val"),
        tenant_id=a.book.tenant_id,
        facility_id=a.book.facility_id,
        as_of=as_of,
        recorded_at=as_of,
        cause=cause,
        currency=a.book.currency,
        gross_market_value=fen(a.pool.gross_market_value),
        collateral_value=s.collateral_value,
        confirmed_value=fen(a.pool.confirmed_value),
        borrowing_base=s.borrowing_base,
        exposure=s.exposure,
        availability=s.availability,
        effective_advance=s.effective_advance,
        coverage=s.coverage,
        ltv=s.ltv,
        warning_line=a.lines.warning.quantize(Decimal("0.000001")),
        margin_call_line=a.lines.margin_call.quantize(Decimal("0.000001")),
        disposal_line=a.lines.disposal.quantize(Decimal("0.000001")),
        min_control_value=s.min_control_value,
        line_state=a.line_state,
        detail=detail_of(a),
    )


def position_of(a: Assessment, as_of: datetime) -> Position:
    """The figures of an assessment."""
    s = a.standing
    detail = detail_of(a)
    return Position(
        facility_id=a.book.facility_id,
        as_of=as_of,
        currency=a.book.currency,
        balance=a.book.balance,
        gross_market_value=fen(a.pool.gross_market_value),
        collateral_value=s.collateral_value,
        confirmed_value=fen(a.pool.confirmed_value),
        held_value=fen(a.pool.held_value),
        pending_value=fen(a.pool.pending_value),
        exposure=s.exposure,
        coverage=s.coverage,
        ltv=s.ltv,
        effective_advance=s.effective_advance,
        borrowing_base=s.borrowing_base,
        availability=s.availability,
        start_line=a.lines.start.quantize(Decimal("0.000001")),
        warning_line=a.lines.warning.quantize(Decimal("0.000001")),
        margin_call_line=a.lines.margin_call.quantize(Decimal("0.000001")),
        disposal_line=a.lines.disposal.quantize(Decimal("0.000001")),
        min_control_value=s.min_control_value,
        excess_value=s.excess_value,
        releasable_now=s.releasable_now,
        call_cash_amount=s.call_cash_amount,
        call_goods_amount=s.call_goods_amount,
        line_state=a.line_state,
        units=len(a.pool.units),
        eligible_units=sum(not u.reasons for u in a.pool.units),
        ineligible=detail["ineligible"],
        detail=detail,
    )


def detail_of(a: Assessment) -> dict[str, Any]:
    """What a valuation was decided on: per commodity quantities, price used and haircuts; ineligible units by reason; what was not judged."""
    commodities: dict[str, dict[str, Any]] = {}
    ineligible: dict[str, dict[str, Any]] = {}
    for u in a.pool.units:
        c = commodities.setdefault(
            u.commodity_code, {"units": 0, "quantity": Decimal(0), "eligible_quantity": Decimal(0), "collateral_value": Decimal(0)}
        )
        c["units"] += 1
        c["quantity"] += u.quantity
        c["collateral_value"] += u.collateral_value
        if not u.reasons:
            c["eligible_quantity"] += u.quantity
        for reason, amount in u.capped.items():
            r = ineligible.setdefault(reason, {"units": 0, "value": Decimal(0), "goods_ids": []})
            r["units"] += 1
            r["value"] += amount
            if len(r["goods_ids"]) < IDS_SHOWN_MAX:
                r["goods_ids"].append(u.goods_id)
        for reason in u.reasons:
            r = ineligible.setdefault(reason, {"units": 0, "value": Decimal(0), "goods_ids": []})
            r["units"] += 1
            r["value"] += u.would_be_value
            if len(r["goods_ids"]) < IDS_SHOWN_MAX:
                r["goods_ids"].append(u.goods_id)
    for code, c in commodities.items():
        c["collateral_value"] = fen(c["collateral_value"])
        c.update(_price_detail(a, code))
    for r in ineligible.values():
        r["value"] = fen(r["value"])
    return {
        "commodities": commodities,
        "ineligible": ineligible,
        "held_value": fen(a.pool.held_value),
        "pending_value": fen(a.pool.pending_value),
        "cannot_judge": list(a.standing.why_not_judged),
        "raw_state": a.standing.raw_state,
        "book_entry_no": a.book.balance.last_entry_no,
    }


def _price_detail(a: Assessment, code: str) -> dict[str, Any]:
    term = a.book.terms.get(code)
    price = a.pool.prices.get(code)
    if term is None or price is None:
        return {"price": None, "reason": a.pool.cannot_judge.get(code, "commodity_not_accepted")}
    return {
        "unit": term.unit,
        "advance_rate": term.advance_rate,
        "location_discount": term.location_discount,
        "quality_haircut": term.quality_haircut,
        "price": price.per_unit.quantize(Decimal("0.0001")),
        "price_id": price.quote.price_id,
        "price_source": price.quote.source,
        "quoted_at": price.quote.quoted_at.isoformat(),
        "age_trading_days": price.age_trading_days,
        "stale_discount": price.stale_discount,
        "flags": list(price.flags),
    }
