"""Reads what a valuation needs and writes its result. Each function takes the connection first and never commits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral.differentials import Differential, Table, table
from collateral.lines import Lines, lines_of
from collateral.model import Balance, LineState, Valuation
from collateral.price_store import differentials_on
from collateral.prices import Quote, SourceRule
from collateral.registry_store import many, quote_from_row
from collateral.sightings import Observer, sighting
from collateral.valuation import CommodityTerms, Credit, PledgedUnit
from db.sql import load_queries

Q = load_queries(__file__, "valuation.sql")
_ZERO = Decimal("0.00")
_NOTHING = {"principal": _ZERO, "interest": _ZERO, "fees": _ZERO, "cash_margin": _ZERO, "last_entry_no": 0}


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceRule:
    """Who prices a commodity for a facility, in rank, and how two sources make one price."""

    primary_source: str
    check_source: str | None
    tolerance: Decimal
    rule: SourceRule
    further_sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityBook:
    """A facility's contract, balance and terms."""

    facility_id: str
    tenant_id: str
    currency: str
    status: str
    borrower_party_id: str
    disposal_cost: Decimal
    cure_unit: str
    cure_length: int
    cure_target: str
    credit: Credit
    balance: Balance
    terms: Mapping[str, CommodityTerms]
    price_rules: Mapping[str, PriceRule]
    matures_on: date
    differentials: Mapping[str, Table]
    caps: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """An earlier valuation, as the state ladder needs it."""

    coverage: Decimal | None
    state: LineState


def facility_books(
    conn: Connection[Any],
    facility_ids: Sequence[str] | None,
    tenant_id: str | None = None,
    *,
    on: date,
    money_at: tuple[datetime, datetime] | None = None,
) -> list[FacilityBook]:
    """Contract, balance and terms of the named facilities, or of all that are not closed.

    on: the day whose differentials hold. money_at: (as of, known at); None = the balance as it stands.
    """
    rows = many(conn, Q["facilities"], {"facility_ids": None if facility_ids is None else list(facility_ids), "tenant_id": tenant_id})
    terms: dict[str, dict[str, CommodityTerms]] = {}
    rules: dict[str, dict[str, PriceRule]] = {}
    for t in many(conn, Q["terms"], {"facility_ids": [r["facility_id"] for r in rows]}):
        terms.setdefault(t["facility_id"], {})[t["commodity_code"]] = CommodityTerms(
            commodity_code=t["commodity_code"],
            unit=t["unit"],
            advance_rate=t["advance_rate"],
            location_discount=t["location_discount"],
            quality_haircut=t["quality_haircut"],
            ageing_steps=tuple(t["ageing_steps"]),
            accepted_grades=None if t["accepted_grades"] is None else frozenset(t["accepted_grades"]),
        )
        rules.setdefault(t["facility_id"], {})[t["commodity_code"]] = PriceRule(
            primary_source=t["primary_source"],
            check_source=t["check_source"],
            tolerance=t["source_tolerance"],
            rule=SourceRule(t["price_rule"]),
            further_sources=tuple(t["further_sources"]),
        )
    ids = [r["facility_id"] for r in rows]
    if money_at is not None:
        as_of, known_at = money_at
        then = {r["facility_id"]: r for r in many(conn, Q["balances_at"], {"facility_ids": ids, "as_of": as_of, "known_at": known_at})}
        rows = [{**r, **_NOTHING, **then.get(r["facility_id"], {})} for r in rows]
    caps: dict[str, dict[str, Decimal]] = {}
    for c in many(conn, Q["caps"], {"facility_ids": ids}):
        caps.setdefault(c["facility_id"], {})[c["dimension"]] = c["share"]
    held = differentials_on(conn, sorted({r["tenant_id"] for r in rows}), on)
    by_tenant: dict[str, dict[str, list[tuple[str | None, Differential]]]] = {}
    for tenant, facility_id, differential in held:
        by_tenant.setdefault(tenant, {}).setdefault(differential.commodity_code, []).append((facility_id, differential))
    return [
        _book(r, terms.get(r["facility_id"], {}), rules.get(r["facility_id"], {}), by_tenant.get(r["tenant_id"], {}), caps) for r in rows
    ]


def _book(
    row: Mapping[str, Any],
    terms: Mapping[str, CommodityTerms],
    rules: Mapping[str, PriceRule],
    held: Mapping[str, Sequence[tuple[str | None, Differential]]],
    caps: Mapping[str, Mapping[str, Decimal]],
) -> FacilityBook:
    balance = Balance(**{f.name: row[f.name] for f in fields(Balance)})
    lines: Lines = lines_of(row["advance_rate"], row["disposal_cost"], row["warning_line"], row["margin_call_line"], row["disposal_line"])
    credit = Credit(
        limit_amount=row["limit_amount"],
        advance_rate=row["advance_rate"],
        reserves=row["reserves"],
        control_value_floor=row["control_value_floor"],
        exposure=balance.exposure,
        lines=lines,
    )
    names = (
        "facility_id",
        "tenant_id",
        "currency",
        "status",
        "borrower_party_id",
        "disposal_cost",
        "cure_unit",
        "cure_length",
        "cure_target",
        "matures_on",
    )
    mine = row["facility_id"]
    return FacilityBook(
        **{n: row[n] for n in names},
        credit=credit,
        balance=balance,
        terms=terms,
        price_rules=rules,
        differentials={
            code: table([d for f, d in found if f is None], [d for f, d in found if f == mine])
            for code, found in held.items()
            if code in terms
        },
        caps=caps.get(mine, {}),
    )


Quotes = Mapping[tuple[str | None, str, str], Quote]


def quotes(conn: Connection[Any], facility_ids: Sequence[str], as_of: datetime) -> Quotes:
    """The newest accepted quote by (tenant, commodity, source); tenant None = market data."""
    rows = many(conn, Q["quotes"], {"facility_ids": list(facility_ids), "as_of": as_of})
    return {(r["tenant_id"], r["commodity_code"], r["source"]): quote_from_row(r) for r in rows}


def newest(quotes: Quotes, tenant_id: str, commodity_code: str, source: str | None) -> Quote | None:
    """What a tenant goes by for a source: the newer of its own and the market's quote, its own where both are of one instant."""
    if source is None:
        return None
    own, market = quotes.get((tenant_id, commodity_code, source)), quotes.get((None, commodity_code, source))
    if own is None or market is None:
        return own or market
    return own if own.quoted_at >= market.quoted_at else market


def pledged_units(conn: Connection[Any], books: Sequence[FacilityBook], as_of: datetime) -> dict[str, list[PledgedUnit]]:
    """Live pledged units by facility."""
    stream = {r["tenant_id"]: r["stream_at"] for r in many(conn, Q["stream_at"], {})}
    by_id = {b.facility_id: b for b in books}
    found: dict[str, list[PledgedUnit]] = {b.facility_id: [] for b in books}
    for row in many(conn, Q["units"], {"facility_ids": list(by_id), "as_of": as_of}):
        book = by_id[row["facility_id"]]
        found[book.facility_id].append(_unit(row, book, stream.get(book.tenant_id), as_of))
    return found


def _unit(row: Mapping[str, Any], book: FacilityBook, stream_at: datetime | None, as_of: datetime) -> PledgedUnit:
    observer = None
    if row["device_id"] is not None and row["expected_interval_s"] is not None:
        observer = Observer(
            device_id=row["device_id"],
            heard_at=row["heard_at"],
            expected_interval=timedelta(seconds=row["expected_interval_s"]),
            presence_online=row["presence_online"],
        )
    return PledgedUnit(
        goods_id=row["goods_id"],
        commodity_code=row["commodity_code"],
        quantity=row["quantity"],
        unit=row["unit"],
        sighting=sighting(row["seen_at"], observer, pledged_at=row["pledged_at"], as_of=as_of, stream_at=stream_at or row["seen_at"]),
        invoice_unit_price=row["invoice_unit_price"],
        invoice_currency=row["invoice_currency"],
        aged_from=row["aged_from"],
        state=row["state"],
        warehouse_grade=row["warehouse_grade"],
        owner_is_borrower=row["owner_party_id"] == book.borrower_party_id,
        open_p1=tuple(row["open_p1"]),
        open_p2=tuple(row["open_p2"]),
        receipt_state=row["receipt_state"],
        insurance_until=row["insurance_until"],
        release_issued=row["release_issued"],
        grade=row["grade"],
        spec=row["spec"],
        brand=row["brand"],
        mill=row["mill"],
        warehouse_id=row["warehouse_id"],
        seen_at=row["seen_at"],
        seen_by=row["device_id"],
    )


def previous_marks(conn: Connection[Any], facility_ids: Sequence[str], as_of: datetime, marks: int) -> dict[str, list[Mark]]:
    """The newest judged marks before as_of, newest first, by facility."""
    found: dict[str, list[Mark]] = {}
    for r in many(conn, Q["previous_marks"], {"facility_ids": list(facility_ids), "as_of": as_of, "marks": marks}):
        found.setdefault(r["facility_id"], []).append(Mark(coverage=r["coverage"], state=LineState(r["line_state"])))
    return found


def insert_valuations(conn: Connection[Any], valuations: Sequence[Valuation]) -> None:
    """The rows of one run."""
    with conn.cursor() as cur:
        cur.executemany(
            Q["insert_valuation"],
            [{f.name: getattr(v, f.name) for f in fields(v)} | {"detail": Jsonb(v.detail, dumps=_dumps)} for v in valuations],
        )


def _dumps(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
