"""Reads what a valuation needs and writes its result. Each function takes the connection first and never commits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral.lines import Lines, lines_of
from collateral.model import Balance, LineState, Valuation
from collateral.prices import Quote
from collateral.registry_store import many, quote_from_row
from collateral.sightings import Observer, sighting
from collateral.valuation import CommodityTerms, Credit, PledgedUnit
from db.sql import load_queries

Q = load_queries(__file__, "valuation.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceRule:
    """Who prices a commodity for a facility."""

    primary_source: str
    check_source: str | None
    tolerance: Decimal


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """An earlier valuation, as the state ladder needs it."""

    coverage: Decimal | None
    state: LineState


def facility_books(conn: Connection[Any], facility_ids: Sequence[str] | None, tenant_id: str | None = None) -> list[FacilityBook]:
    """Contract, balance and terms of the named facilities, or of all that are not closed."""
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
        )
        rules.setdefault(t["facility_id"], {})[t["commodity_code"]] = PriceRule(
            primary_source=t["primary_source"], check_source=t["check_source"], tolerance=t["source_tolerance"]
        )
    return [_book(r, terms.get(r["facility_id"], {}), rules.get(r["facility_id"], {})) for r in rows]


def _book(row: Mapping[str, Any], terms: Mapping[str, CommodityTerms], rules: Mapping[str, PriceRule]) -> FacilityBook:
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
    )
    return FacilityBook(**{n: row[n] for n in names}, credit=credit, balance=balance, terms=terms, price_rules=rules)


def quotes(conn: Connection[Any], facility_ids: Sequence[str], as_of: datetime) -> dict[tuple[str, str], Quote]:
    """The newest accepted quote by (commodity, source)."""
    rows = many(conn, Q["quotes"], {"facility_ids": list(facility_ids), "as_of": as_of})
    return {(r["commodity_code"], r["source"]): quote_from_row(r) for r in rows}


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
