"""V06 follows from the quotes and the calendar alone: not from when a run looks, nor in which order the quotes came."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_facts import HOUR, MINUTE, findings, snapshot

from collateral.calendar import BANK_ZONE, BUSINESS_DAY_ENDS
from risk.facts import CommodityPrices, QuoteFact
from risk.rules import stale_price
from simulators.embedded.demo import WORLD_START
from simulators.scenario import choose
from simulators.world.market import brent, brent_quotes

MONDAY = date(2020, 3, 9)


def quote(source: str, at: datetime, price: Decimal, status: str = "ACCEPTED") -> QuoteFact:
    return QuoteFact(
        price_id=f"{source}-{at.isoformat()}",
        source=source,
        quoted_at=at,
        per_unit=price,
        currency="USD",
        unit="bbl",
        status=status,
        reason=None,
    )


def faults(quotes: list[QuoteFact], as_of: datetime) -> list[str]:
    """What V06 finds as of an instant, from what was quoted by then, as the store loads it: by event time."""
    known = tuple(sorted((q for q in quotes if q.quoted_at <= as_of), key=lambda q: (q.quoted_at, q.price_id)))
    prices = CommodityPrices(tenant_id="demo", commodity_code="BRENT", quotes=known, facility_ids=("F-1",), exposure=None, currency="USD")
    return [name for f in findings(stale_price.check(snapshot(as_of=as_of, prices=(prices,)))) for name in f.evidence["faults"]]


def session_end(day: date) -> datetime:
    return datetime.combine(day, BUSINESS_DAY_ENDS, BANK_ZONE).astimezone(UTC)


looks = st.integers(0, 24 * 60 * 60 - 1).map(lambda s: timedelta(seconds=s))


@given(day=st.integers(0, 21), first=looks, second=looks, days_old=st.integers(1, 6), order=st.randoms())
def test_between_the_ends_of_two_sessions_it_does_not_matter_when_a_run_looks(
    day: int, first: timedelta, second: timedelta, days_old: int, order: object
) -> None:
    start = session_end(MONDAY + timedelta(days=day))
    quotes = [quote(s, start - timedelta(days=days_old), Decimal(50)) for s in ("A", "B")]
    order.shuffle(quotes)  # type: ignore[attr-defined]
    assert faults(quotes, start + first) == faults(quotes, start + second)


@pytest.mark.parametrize("delay", [timedelta(0), 24 * MINUTE, 2 * HOUR], ids=["at once", "a second late", "five seconds late"])
def test_the_prices_of_the_sample_world_are_never_doubtful_whenever_runs_look(delay: timedelta) -> None:
    arrivals = [(WORLD_START, d) for d in sorted(brent()) if d < date(2020, 3, 6)]
    for step in choose("price-fall")[0].steps:
        if "day" in step.options:
            arrivals.append((WORLD_START + step.after + delay, date.fromisoformat(step.options["day"])))
    assert len(arrivals) > 10
    quotes = [(at, quote(q.source, q.quoted_at, q.price)) for at, day in arrivals for q in brent_quotes(day)]
    doubtful = {
        (as_of, *found)
        for as_of in (WORLD_START + i * 5 * MINUTE for i in range(36 * 12))
        if (found := faults([q for at, q in quotes if at <= as_of], as_of))
    }
    assert doubtful == set()


def test_a_price_goes_stale_at_the_end_of_the_second_session_without_one_and_not_before() -> None:
    friday = [quote("A", datetime.combine(date(2020, 3, 6), time(7), UTC), Decimal(50))]
    tuesday = session_end(date(2020, 3, 10))
    assert faults(friday, tuesday - timedelta(seconds=1)) == []
    assert faults(friday, tuesday) == ["stale"]
    late = [*friday, replace(friday[0], price_id="late", quoted_at=tuesday - 2 * HOUR)]
    assert faults(late, tuesday) == []
