"""Prices as they are reported: judged one after the other per commodity, kept with their verdict; and two people's word for a doubted one.

Market data (tenant None) is everybody's; a tenant's quotes are judged among themselves and value that tenant's facilities only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral import price_store as overrides
from collateral import registry_store as store
from collateral.commands import PriceReport
from collateral.errors import NotFound, RejectedInput, SamePersonRefused, WrongState
from collateral.ids import new_id
from collateral.model import PriceResult, PriceStatus
from collateral.price_store import PriceOverride
from collateral.prices import Quote, with_new_quote
from collateral.transactions import in_transaction
from db.pool import Pool

PRICES_MAX = 5000
_AROUND = timedelta(days=15)


def record_prices(pool: Pool, reports: Sequence[PriceReport], now: datetime, *, tenant_id: str | None = None) -> list[PriceResult]:
    """One result per report, in the order given; a quote that is refused is kept with its reason.

    tenant_id: whose prices they are; None = market data. NOTIFY `price` (payload: the commodity code) when a quote becomes usable.
    Raises RejectedInput on an unknown commodity.
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
            results[i] = _record(conn, tenant_id, reports[i], now)
        final = {r.price_id: r for r in _as_they_stand(conn, tenant_id, list(results.values()))}
        return [final[results[i].price_id] for i in range(len(reports))]

    return in_transaction(pool, work)


def _record(conn: Connection[Any], tenant_id: str | None, report: PriceReport, now: datetime) -> PriceResult:
    band = store.band(conn, report.commodity_code)
    if band is None:
        raise RejectedInput(f"unknown commodity {report.commodity_code}", field="commodity_code")
    known = store.quotes_around(conn, tenant_id, report.commodity_code, report.quoted_at - _AROUND, report.quoted_at + _AROUND)
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
    _insert(conn, verdict, {**asdict(report), "published_at": report.published_at or report.quoted_at, "tenant_id": tenant_id}, now)
    for other in freed:
        params = {"price_id": other.price_id, "status": other.status, "reason": other.reason, "now": now}
        conn.execute(store.Q["set_price_status"], params)
    if verdict.status is PriceStatus.ACCEPTED or freed:
        store.notify(conn, "price", report.commodity_code)
    return _result(verdict, "RECORDED")


def _insert(conn: Connection[Any], quote: Quote, printed: dict[str, Any], now: datetime) -> None:
    verdict = {"price_id": quote.price_id, "status": quote.status, "reason": quote.reason, "now": now}
    conn.execute(store.Q["insert_price"], {**printed, **verdict})


def _as_they_stand(conn: Connection[Any], tenant_id: str | None, results: list[PriceResult]) -> list[PriceResult]:
    """A later report of the same batch may have confirmed an earlier one."""
    standing = []
    for result in results:
        row = store.quote_by_id(conn, result.price_id, tenant_id)
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


def propose_override(pool: Pool, tenant_id: str, price_id: str, reason: str, actor: str, now: datetime) -> PriceOverride:
    """One person's word for a quarantined price; it counts when another person agrees. Raises NotFound, WrongState, EntryConflict."""

    def work(conn: Connection[Any]) -> PriceOverride:
        _quarantined(conn, tenant_id, price_id)
        made = PriceOverride(
            override_id=new_id("override"),
            tenant_id=tenant_id,
            price_id=price_id,
            status="PROPOSED",
            reason=reason,
            proposed_by=actor,
            proposed_at=now,
        )
        overrides.insert(conn, made)
        return made

    return in_transaction(pool, work)


def decide_override(
    pool: Pool, tenant_id: str, override_id: str, actor: str, now: datetime, *, approve: bool, reason: str
) -> PriceOverride:
    """The second person's word. Approved, the price counts from now on, for this tenant only.

    A tenant's own quote leaves quarantine; of a market quote the tenant gets a copy of its own, for others have not vouched for it.
    Raises NotFound, SamePersonRefused, WrongState.
    """

    def work(conn: Connection[Any]) -> PriceOverride:
        asked = overrides.for_update(conn, tenant_id, override_id)
        if asked.status != "PROPOSED":
            raise WrongState(f"override {override_id} is {asked.status}, not PROPOSED", status=asked.status)
        if asked.proposed_by == actor:
            raise SamePersonRefused("who vouches for a price cannot be the second person too", user_id=actor)
        used = _accept(conn, asked, actor, reason, now) if approve else None
        return overrides.decide(conn, asked, actor=actor, now=now, reason=reason, used_price_id=used)

    return in_transaction(pool, work)


def _quarantined(conn: Connection[Any], tenant_id: str, price_id: str) -> dict[str, Any]:
    row = store.quote_by_id(conn, price_id, tenant_id)
    if row is None:
        raise NotFound(f"there is no price {price_id}")
    if row["status"] != PriceStatus.QUARANTINED:
        why = f": {row['reason']}" if row["reason"] else ""
        raise WrongState(f"price {price_id} is {row['status']}, not QUARANTINED{why}", status=row["status"])
    return row


def _accept(conn: Connection[Any], asked: PriceOverride, actor: str, reason: str, now: datetime) -> str:
    row = _quarantined(conn, asked.tenant_id, asked.price_id)
    conn.execute(store.Q["lock_prices"], {"commodity_code": row["commodity_code"]})
    words = f"{row['reason']}; vouched for by {asked.proposed_by}: {asked.reason}; and by {actor}: {reason}"
    store.notify(conn, "price", row["commodity_code"])
    if row["tenant_id"] is not None:
        conn.execute(store.Q["set_price_status"], {"price_id": asked.price_id, "status": PriceStatus.ACCEPTED, "reason": words, "now": now})
        return asked.price_id
    verdict = Quote(**{**_printed(row), "price_id": new_id("price"), "status": PriceStatus.ACCEPTED, "reason": words})
    _insert(conn, verdict, {**row, "tenant_id": asked.tenant_id}, now)
    return verdict.price_id


def _printed(row: dict[str, Any]) -> dict[str, Any]:
    quote = store.quote_from_row(row)
    return {
        n: getattr(quote, n) for n in ("commodity_code", "source", "quoted_at", "price", "currency", "unit", "tax_inclusive", "vat_rate")
    }
