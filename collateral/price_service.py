"""Prices as they are reported: judged one after the other per commodity, kept with their verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral import registry_store as store
from collateral.commands import PriceReport
from collateral.errors import NotFound, RejectedInput, WrongState
from collateral.ids import new_id
from collateral.model import PriceResult, PriceStatus
from collateral.prices import Quote, with_new_quote
from collateral.transactions import in_transaction
from db.pool import Pool

PRICES_MAX = 5000
_AROUND = timedelta(days=15)


def record_prices(pool: Pool, reports: Sequence[PriceReport], now: datetime) -> list[PriceResult]:
    """One result per report, in the order given; a quote that is refused is kept with its reason.

    NOTIFY `price` (payload: the commodity code) when a quote becomes usable. Raises RejectedInput on an unknown commodity.
    """
    if not 1 <= len(reports) <= PRICES_MAX:
        raise RejectedInput(f"one report takes 1 to {PRICES_MAX} prices, not {len(reports)}")
    for report in reports:
        if report.quoted_at.tzinfo is None:
            raise RejectedInput("quoted_at needs an offset", field="quoted_at")
        if not report.price.is_finite():
            raise RejectedInput(f"price {report.price} is not a number", field="price")
        if not 0 <= report.vat_rate < 1:
            raise RejectedInput(f"vat_rate {report.vat_rate} is not within [0, 1)", field="vat_rate")

    def work(conn: Connection[Any]) -> list[PriceResult]:
        results: dict[int, PriceResult] = {}
        order = sorted(range(len(reports)), key=lambda i: (reports[i].commodity_code, reports[i].quoted_at, reports[i].source))
        locked: set[str] = set()
        for i in order:
            if reports[i].commodity_code not in locked:
                conn.execute(store.Q["lock_prices"], {"commodity_code": reports[i].commodity_code})
                locked.add(reports[i].commodity_code)
            results[i] = _record(conn, reports[i], now)
        final = {r.price_id: r for r in _as_they_stand(conn, list(results.values()))}
        return [final[results[i].price_id] for i in range(len(reports))]

    return in_transaction(pool, work)


def _record(conn: Connection[Any], report: PriceReport, now: datetime) -> PriceResult:
    band = store.band(conn, report.commodity_code)
    if band is None:
        raise RejectedInput(f"unknown commodity {report.commodity_code}", field="commodity_code")
    known = store.quotes_around(conn, report.commodity_code, report.quoted_at - _AROUND, report.quoted_at + _AROUND)
    quote = Quote(
        price_id=new_id("price"),
        commodity_code=report.commodity_code,
        source=report.source,
        quoted_at=report.quoted_at,
        price=report.price,
        currency=report.currency,
        unit=report.unit,
        tax_inclusive=report.tax_inclusive,
        vat_rate=report.vat_rate,
    )
    same = next((q for q in known if q.source == report.source and q.quoted_at == report.quoted_at), None)
    if same is not None:
        repeated = (same.price, same.currency, same.unit, same.tax_inclusive, same.vat_rate) == (
            report.price.quantize(Decimal("0.0001")),
            report.currency,
            report.unit,
            report.tax_inclusive,
            report.vat_rate,
        )
        return _result(same, "REPEATED" if repeated else "CONFLICT")
    verdict, *freed = with_new_quote(quote, band, known)
    conn.execute(
        store.Q["insert_price"],
        {
            "price_id": verdict.price_id,
            "commodity_code": report.commodity_code,
            "source": report.source,
            "quoted_at": report.quoted_at,
            "published_at": report.published_at or report.quoted_at,
            "now": now,
            "price": report.price,
            "currency": report.currency,
            "unit": report.unit,
            "tax_inclusive": report.tax_inclusive,
            "vat_rate": report.vat_rate,
            "synthetic": report.synthetic,
            "status": verdict.status,
            "reason": verdict.reason,
        },
    )
    for other in freed:
        conn.execute(store.Q["set_price_status"], {"price_id": other.price_id, "status": other.status, "reason": other.reason})
    if verdict.status is PriceStatus.ACCEPTED or freed:
        store.notify(conn, "price", report.commodity_code)
    return _result(verdict, "RECORDED")


def _as_they_stand(conn: Connection[Any], results: list[PriceResult]) -> list[PriceResult]:
    """A later report of the same batch may have confirmed an earlier one."""
    standing = []
    for result in results:
        row = store.one(conn, store.Q["price_by_id"], {"price_id": result.price_id})
        assert row is not None
        standing.append(_result(store.quote_from_row(row), result.outcome))
    return standing


def _result(quote: Quote, outcome: str) -> PriceResult:
    return PriceResult(
        commodity_code=quote.commodity_code,
        source=quote.source,
        quoted_at=quote.quoted_at,
        price_id=quote.price_id,
        status=quote.status,
        reason=quote.reason,
        outcome=outcome,
    )


def accept_price(pool: Pool, price_id: str, actor: str, reason: str, now: datetime) -> PriceResult:
    """A person's word for a quarantined price. Raises WrongState when it is not in quarantine."""

    def work(conn: Connection[Any]) -> PriceResult:
        row = store.one(conn, store.Q["price_by_id"], {"price_id": price_id})
        if row is None:
            raise NotFound(f"there is no price {price_id}")
        if row["status"] != PriceStatus.QUARANTINED:
            raise WrongState(f"price {price_id} is {row['status']}, not QUARANTINED", status=row["status"])
        words = f"{row['reason']}; accepted by {actor}: {reason}"
        conn.execute(store.Q["set_price_status"], {"price_id": price_id, "status": PriceStatus.ACCEPTED, "reason": words})
        store.notify(conn, "price", row["commodity_code"])
        return _result(store.quote_from_row({**row, "status": PriceStatus.ACCEPTED, "reason": words}), "RECORDED")

    return in_transaction(pool, work)
