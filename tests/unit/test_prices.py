"""Which price to believe."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from itertools import permutations
from typing import Any

import pytest

from collateral.calendar import end_of_business_day, trading_days_between
from collateral.model import PriceStatus
from collateral.prices import Band, NoPrice, PickedPrice, Quote, judged, pick, with_new_quote

BAND = Band(unit="t", price_min=D(1000), price_max=D(9000), currency="CNY")
MONDAY = datetime(2020, 3, 9, 8, tzinfo=UTC)


def quote(price: str, source: str = "SHFE", at: datetime = MONDAY, **other: Any) -> Quote:
    made = Quote(
        price_id=f"{source}-{at.isoformat()}",
        commodity_code="HRC",
        source=source,
        quoted_at=at,
        price=D(price),
        currency="CNY",
        unit="t",
        tax_inclusive=False,
        vat_rate=D(0),
    )
    return replace(made, **other)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (quote("-36.98"), "not_positive"),
        (quote("0"), "not_positive"),
        (quote("999.99"), "outside_band"),
        (quote("9000.01"), "outside_band"),
        (quote("4", unit="kg"), None),
        (quote("4000", unit="kg"), "outside_band"),
        (quote("4000", unit="piece"), "wrong_unit"),
        (quote("4000", currency="USD"), "wrong_currency"),
        (quote("1000"), None),
        (quote("9000"), None),
        (quote("10170", tax_inclusive=True, vat_rate=D("0.13")), None),
    ],
)
def test_sanity_of_a_quote(bad: Quote, code: str | None) -> None:
    verdict = judged(bad, BAND, [])
    assert (verdict.reason or "").split(":")[0] == (code or "")
    assert verdict.status is (PriceStatus.ACCEPTED if code is None else PriceStatus.REFUSED)


@pytest.mark.parametrize(
    ("price", "status"), [("3600", "ACCEPTED"), ("3599.99", "QUARANTINED"), ("4400", "ACCEPTED"), ("4400.01", "QUARANTINED")]
)
def test_jump_of_more_than_a_tenth_waits(price: str, status: str) -> None:
    assert judged(quote(price), BAND, [quote("4000", at=MONDAY - timedelta(days=3))]).status == status


@pytest.mark.parametrize(
    ("check", "confirmed"),
    [("3300", True), ("3564", True), ("3565", False), ("4500", False), ("2900", False)],
)
def test_second_source_confirms_only_a_like_move(check: str, confirmed: bool) -> None:
    known = [quote("4000", at=MONDAY - timedelta(days=3)), quote("4050", "MYSTEEL", at=MONDAY - timedelta(days=3))]
    known.append(judged(quote(check, "MYSTEEL"), BAND, known))
    status = judged(quote("3320"), BAND, known).status
    assert status is (PriceStatus.ACCEPTED if confirmed else PriceStatus.QUARANTINED)


def test_a_crash_of_three_days_is_accepted_in_every_order_of_arrival_within_a_day() -> None:
    band = Band(unit="bbl", price_min=D(5), price_max=D(300), currency="USD")
    days = [("51.29", "50.99"), ("45.60", "45.10"), ("35.33", "35.80")]

    def brent(price: str, source: str, day: int) -> Quote:
        return quote(price, source, MONDAY + timedelta(days=day), unit="bbl", currency="USD")

    for order in permutations(range(4)):
        known = [brent(days[0][0], "EIA", 0), brent(days[0][1], "ICE", 0)]
        later = [brent(days[1][0], "EIA", 1), brent(days[1][1], "ICE", 1), brent(days[2][0], "EIA", 4), brent(days[2][1], "ICE", 4)]
        for i in order:
            changed = with_new_quote(later[i], band, known)
            ids = {q.price_id for q in changed}
            known = [q for q in known if q.price_id not in ids] + changed
        assert {q.status for q in known} == {PriceStatus.ACCEPTED}, order


def picked(primary: Quote | None, check: Quote | None, as_of: datetime = MONDAY, **other: Any) -> PickedPrice | NoPrice:
    return pick(primary, check, **{"tolerance": D("0.03"), "unit": "t", "currency": "CNY", "as_of": as_of, **other})


@pytest.mark.parametrize(
    ("check", "price", "flags"),
    [("3880", "4000", ()), ("3879", "3879", ("sources_differ",)), ("4120", "4000", ()), ("4121", "4000", ("sources_differ",))],
)
def test_primary_within_tolerance_else_the_lower(check: str, price: str, flags: tuple[str, ...]) -> None:
    got = picked(quote("4000"), quote(check, "MYSTEEL"))
    assert isinstance(got, PickedPrice)
    assert (got.per_unit, got.flags) == (D(price), flags)


@pytest.mark.parametrize(
    ("days", "age", "discount", "flags"),
    [
        (0, 0, "0", ()),
        (1, 1, "0", ()),
        (2, 2, "0.01", ("stale",)),
        (3, 3, "0.02", ("stale",)),
        (4, 4, "0.03", ("stale", "expired")),
        (6, 4, "0.03", ("stale", "expired")),
        (7, 5, "0.03", ("stale", "expired")),
    ],
)
def test_old_price_loses_a_per_cent_a_trading_day_and_then_expires(days: int, age: int, discount: str, flags: tuple[str, ...]) -> None:
    got = picked(quote("4000"), None, MONDAY.replace(hour=9) + timedelta(days=days), check_expected=False)
    assert isinstance(got, PickedPrice)
    assert (got.age_trading_days, got.stale_discount, got.flags) == (age, D(discount), flags)
    assert got.per_unit == 4000 * (1 - D(discount))


def test_no_price_says_why() -> None:
    assert picked(None, None) == NoPrice(reason="price_missing")
    assert picked(quote("4000", currency="USD"), None) == NoPrice(reason="price_currency_differs")
    assert picked(quote("4000", unit="piece"), None) == NoPrice(reason="price_unit_differs")
    alone = picked(None, quote("3900", "MYSTEEL"))
    assert isinstance(alone, PickedPrice)
    assert (alone.per_unit, alone.flags) == (D(3900), ("one_source",))


def test_vat_is_taken_out() -> None:
    got = picked(quote("4520", tax_inclusive=True, vat_rate=D("0.13")), None, check_expected=False)
    assert isinstance(got, PickedPrice)
    assert got.per_unit == 4000


@pytest.mark.parametrize(
    ("later", "age"), [("2020-03-09T08:59", 0), ("2020-03-09T09:00", 1), ("2020-03-10T08:59", 1), ("2020-03-10T09:00", 2)]
)
def test_a_day_that_still_trades_does_not_age_a_price(later: str, age: int) -> None:
    friday_close = datetime(2020, 3, 6, 7, tzinfo=UTC)
    assert trading_days_between(friday_close, datetime.fromisoformat(later).replace(tzinfo=UTC)) == (age, True)


def test_holidays_and_make_up_days() -> None:
    before, after = datetime(2020, 1, 23, 4, tzinfo=UTC), datetime(2020, 2, 3, 9, tzinfo=UTC)
    assert trading_days_between(before, after) == (1, True)  # spring festival of 2020, extended to 2 February
    friday = datetime(2020, 1, 17, 4, tzinfo=UTC)
    assert end_of_business_day(friday, 1) == (datetime(2020, 1, 19, 9, tzinfo=UTC), True)  # Sunday the 19th was a work day
    assert end_of_business_day(MONDAY, 1) == (datetime(2020, 3, 10, 9, tzinfo=UTC), True)
    assert end_of_business_day(datetime(2090, 3, 10, tzinfo=UTC), 1)[1] is False
