"""Ranked sources, differentials, caps, products, interest: both sides of every line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from collateral_world import facility
from hypothesis import given
from hypothesis import strategies as st

from collateral.commands import CashKind, FacilityCommodity
from collateral.differentials import Differential, adjusted, table
from collateral.errors import RejectedInput, Shortfall
from collateral.interest import DayCount, PrincipalChange, Rate, interest_to, rounded
from collateral.ledger import after, cash_postings, reversed_postings, sums
from collateral.model import Balance, PriceStatus
from collateral.prices import Band, NoPrice, PickedPrice, Quote, SourceRule, judged, pick
from collateral.products import Product, departures
from collateral.sightings import Sighting
from collateral.valuation import CommodityTerms, PledgedUnit, PoolValue, value_pool

D = Decimal
MONDAY = datetime(2020, 3, 9, 6, tzinfo=UTC)


def quote(price: str, source: str, at: datetime = MONDAY, **other: Any) -> Quote:
    made = Quote(
        price_id=f"{source}-{at:%d}", commodity_code="HRC", source=source, quoted_at=at, price=D(price), currency="CNY", unit="t", tax_inclusive=False,
        vat_rate=D(0),
    )  # fmt: skip
    return replace(made, **other)


def picked(*ranked: Quote | None, rule: SourceRule = SourceRule.PRIMARY_WITH_TOLERANCE) -> PickedPrice | NoPrice:
    primary, check, *further = (*ranked, None, None)[: max(2, len(ranked))]
    return pick(
        primary, check, tolerance=D("0.03"), unit="t", currency="CNY", as_of=MONDAY, rule=rule, further=[q for q in further if q is not None]
    )  # fmt: skip


OLD = MONDAY - timedelta(days=9)  # six trading days


@pytest.mark.parametrize(
    ("ranked", "source", "flags"),
    [
        ((quote("4000", "SHFE"), quote("3990", "MYSTEEL")), "SHFE", ()),
        ((quote("4000", "SHFE", OLD), quote("3990", "MYSTEEL"), quote("3980", "SMM")), "MYSTEEL", ("stand_in",)),
        ((quote("4000", "SHFE", OLD), quote("3990", "MYSTEEL", OLD), quote("3980", "SMM")), "SMM", ("stand_in", "one_source")),
        ((quote("4000", "SHFE", OLD), quote("3990", "MYSTEEL", OLD)), "SHFE", ("one_source", "stale", "expired")),
        ((quote("570", "LME", currency="USD"), quote("3990", "MYSTEEL"), quote("3980", "SMM")), "MYSTEEL", ("stand_in",)),
    ],
)
def test_the_first_source_in_rank_that_is_not_expired_prices(ranked: tuple[Quote, ...], source: str, flags: tuple[str, ...]) -> None:
    got = picked(*ranked)
    assert isinstance(got, PickedPrice)
    assert (got.quote.source, got.flags) == (source, flags)


@pytest.mark.parametrize(("check", "price"), [("3999", "3999"), ("4000", "4000"), ("4001", "4000")])
def test_lower_of_two_takes_the_lower_even_within_tolerance(check: str, price: str) -> None:
    got = picked(quote("4000", "SHFE"), quote(check, "MYSTEEL"), rule=SourceRule.LOWER_OF)
    assert isinstance(got, PickedPrice)
    assert got.per_unit == D(price)


@pytest.mark.parametrize(
    ("price", "status"), [("-36.98", "REFUSED"), ("0", "REFUSED"), ("4.99", "REFUSED"), ("5", "ACCEPTED"), ("300.01", "REFUSED")]
)
def test_wti_of_20_april_2020_is_refused_and_so_is_what_lies_outside_the_band(price: str, status: str) -> None:
    printed = quote(price, "EIA", datetime(2020, 4, 20, 18, 30, tzinfo=UTC), unit="bbl", currency="USD")
    band = Band(unit="bbl", price_min=D(5), price_max=D(300), currency="USD")
    assert judged(printed, band, []).status == PriceStatus(status)


GRADE = Differential(differential_id="d1", commodity_code="HRC", kind="GRADE", applies_to="Q345B", amount=D(120), currency="CNY")
PLACE = Differential(differential_id="d2", commodity_code="HRC", kind="PLACE", applies_to="WH-SH-01", share=D("-0.05"))


@pytest.mark.parametrize(
    ("grade", "place", "price", "applied"),
    [
        ("Q345B", "WH-SH-01", "3914.00", ("d1", "d2")),  # (4000 + 120) x 0.95
        ("Q345B", "WH-SH-02", "4120", ("d1",)),
        ("Q235B", "WH-SH-01", "3800.00", ("d2",)),
        (None, None, "4000", ()),
    ],
)
def test_amounts_are_added_before_shares_are_taken(grade: str | None, place: str | None, price: str, applied: tuple[str, ...]) -> None:
    marks = {"GRADE": grade, "PLACE": place, "SPEC": None, "BRAND": None}
    assert adjusted(D(4000), marks, table([GRADE, PLACE], []), "CNY") == (D(price), applied)


def test_a_facility_s_own_differential_stands_before_the_general_one_and_another_currency_is_not_applied() -> None:
    own = replace(GRADE, differential_id="own", amount=D(50))
    assert adjusted(D(4000), {"GRADE": "Q345B"}, table([GRADE], [own]), "CNY") == (D(4050), ("own",))
    assert adjusted(D(4000), {"GRADE": "Q345B"}, table([GRADE], []), "USD") == (D(4000), ())


def unit(number: int, **other: Any) -> PledgedUnit:
    made = PledgedUnit(
        goods_id=f"HRC-{number}",
        commodity_code="HRC",
        quantity=D(10),
        unit="t",
        sighting=Sighting.CONFIRMED,
        warehouse_id="WH-1",
        brand="BAO",
    )
    return replace(made, **other)


def pool(*units: PledgedUnit, **other: Any) -> PoolValue:
    terms = CommodityTerms(commodity_code="HRC", unit="t", advance_rate=D("0.70"))
    price = pick(quote("4000", "SHFE"), None, tolerance=D("0.03"), unit="t", currency="CNY", as_of=MONDAY, check_expected=False)
    accepted = other.pop("accepted_grades", None)
    return value_pool(
        units, {"HRC": replace(terms, accepted_grades=accepted)}, {"HRC": price}, currency="CNY", as_of=MONDAY, **other
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [(5, 5, "400000"), (6, 4, "360000"), (10, 0, "200000"), (4, 6, "360000")],  # of 400 000, at most 200 000 in one warehouse
)
def test_what_lies_above_a_concentration_cap_counts_nothing(first: int, second: int, value: str) -> None:
    units = [unit(n, warehouse_id="WH-1") for n in range(first)] + [unit(100 + n, warehouse_id="WH-2") for n in range(second)]
    got = pool(*units, caps={"WAREHOUSE": D("0.5")})
    assert got.collateral_value.quantize(D("0.01")) == D(value)
    assert sum((a for v in got.units for a in v.capped.values()), D(0)).quantize(D("0.01")) == D(400000) - D(value)
    assert got.gross_market_value == D(400000)


def test_the_hardest_of_several_caps_counts_and_goods_without_a_brand_lie_under_one_name() -> None:
    units = [unit(n, brand=None) for n in range(5)] + [unit(10 + n, warehouse_id=f"WH-{n}") for n in range(5)]
    got = pool(*units, caps={"WAREHOUSE": D("0.9"), "BRAND": D("0.4")})
    assert got.collateral_value.quantize(D("0.01")) == D(320000)
    assert {k for v in got.units for k in v.capped} == {"cap_brand:unknown", "cap_brand:BAO"}


def test_a_grade_that_is_not_on_the_list_counts_nothing_and_a_differential_below_zero_cannot_be_judged() -> None:
    got = pool(unit(1, grade="Q235B"), unit(2, grade="Q195"), accepted_grades=frozenset({"Q235B"}))
    assert [v.reasons for v in got.units] == [(), ("grade_not_accepted",)]
    worse = replace(GRADE, amount=D(-4000))
    got = pool(unit(1, grade="Q345B"), differentials={"HRC": table([worse], [])})
    assert got.cannot_judge == {"HRC": "price_not_positive_after_differentials"}


def rate(annual: str, start: date, end: date | None = None, count: DayCount = DayCount.ACT_360) -> Rate:
    return Rate(valid_from=start, valid_to=end, annual_rate=D(annual), day_count=count)


JAN = date(2020, 1, 1)


@pytest.mark.parametrize(
    ("count", "days", "interest"),
    [
        (DayCount.ACT_360, 0, "0.00"),
        (DayCount.ACT_360, 1, "1000.00"),  # 7.2 M x 5 % / 360
        (DayCount.ACT_360, 366, "366000.00"),  # a leap year is 366 days of 360
        (DayCount.ACT_365F, 1, "986.30"),
        (DayCount.ACT_365F, 365, "360000.00"),
    ],
)
def test_interest_by_day_count(count: DayCount, days: int, interest: str) -> None:
    drawn = [PrincipalChange(day=JAN, amount=D(7_200_000))]
    assert interest_to(drawn, [rate("0.05", JAN, count=count)], JAN + timedelta(days=days), "CNY") == D(interest)


def test_a_new_rate_and_a_repayment_count_from_their_day_and_a_missing_rate_is_said() -> None:
    changes = [PrincipalChange(day=JAN, amount=D(3_600_000)), PrincipalChange(day=date(2020, 1, 11), amount=D(-1_800_000))]
    rates = [rate("0.10", JAN, date(2020, 1, 21)), rate("0.05", date(2020, 1, 21), date(2020, 1, 31))]
    assert interest_to(changes, rates, date(2020, 1, 31), "CNY") == D(10_000 + 5_000 + 2_500)
    with pytest.raises(RejectedInput, match="from 2020-01-31 on"):
        interest_to(changes, rates, date(2020, 2, 1), "CNY")


@pytest.mark.parametrize(("thousandths", "fen"), [(5, "0.00"), (15, "0.02"), (14, "0.01"), (16, "0.02"), (25, "0.02"), (-15, "-0.02")])
def test_interest_is_rounded_half_to_even(thousandths: int, fen: str) -> None:
    assert rounded(Fraction(thousandths, 1000), "CNY") == D(fen)


FEN = st.integers(0, 10**10).map(lambda n: D(n) / 100)


@given(
    principal=FEN, interest=FEN, fees=FEN, margin=FEN, share=st.fractions(0, 1), order=st.permutations(["fees", "interest", "principal"])
)
def test_money_conserves_through_a_repayment_in_any_order_and_its_reversal(
    principal: D, interest: D, fees: D, margin: D, share: Fraction, order: list[str]
) -> None:
    before = Balance(
        facility_id="F", currency="CNY", principal=principal, interest=interest, fees=fees, cash_margin=margin, last_entry_no=0, last_hash=""
    )  # fmt: skip
    owed = principal + interest + fees
    paid = D(int(owed * 100 * share.numerator / share.denominator)) / 100
    if paid == 0:
        return
    lines = cash_postings(CashKind.REPAYMENT, paid, before, order)
    assert set(sums(lines).values()) == {D(0)}
    then = after(before, lines)
    assert then.exposure == before.exposure - paid
    for i, name in enumerate(order):
        if getattr(then, name) < getattr(before, name):
            assert all(getattr(then, earlier) == 0 for earlier in order[:i]), f"{name} was paid before what stands before it"
    assert after(then, reversed_postings(lines)) == before
    with pytest.raises(Shortfall, match=r"0\.01 more than is owed"):
        cash_postings(CashKind.REPAYMENT, owed + D("0.01"), before, order)


@given(
    days=st.lists(st.tuples(st.integers(0, 60), st.integers(-(10**9), 10**9)), max_size=8),
    steps=st.lists(st.integers(1, 10), min_size=1, max_size=8),
)
def test_posting_day_by_day_never_drifts_from_the_sum_of_the_days(days: list[tuple[int, int]], steps: list[int]) -> None:
    changes = [PrincipalChange(day=JAN + timedelta(days=n), amount=D(fen) / 100) for n, fen in days]
    rates = [rate("0.0435", JAN, count=DayCount.ACT_365F)]
    posted, day = D(0), JAN
    for step in steps:
        day += timedelta(days=step)
        posted += interest_to(changes, rates, day, "CNY") - posted
    assert posted == interest_to(changes, rates, day, "CNY")


STEEL = Product(
    product="STEEL_STATIC", name="Steel", name_zh="钢材", pledge_modes=("STATIC",), tenor_days_max=366, cure_hours_max=24, cure_days_max=3,
    disposal_cost_min=D("0.03"), advances={"*": D("0.75"), "oil": D("0.60")},
)  # fmt: skip
OPENED = date(2020, 2, 8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"pledge_mode": "FLOATING"}, "pledge mode FLOATING"),
        ({"matures_on": OPENED + timedelta(days=366)}, None),
        ({"matures_on": OPENED + timedelta(days=367)}, "1 more than 366"),
        ({"cure_length": 3}, None),
        ({"cure_length": 4}, "longer than 3"),
        ({"disposal_cost": D("0.03")}, None),
        ({"disposal_cost": D("0.029")}, "below 0.03"),
        ({"commodities": (FacilityCommodity(commodity_code="HRC", advance_rate=D("0.75"), primary_source="SHFE"),)}, None),
        ({"commodities": (FacilityCommodity(commodity_code="HRC", advance_rate=D("0.76"), primary_source="SHFE"),)}, "0.01 above 0.75"),
        ({"commodities": (FacilityCommodity(commodity_code="BRENT", advance_rate=D("0.61"), primary_source="EIA"),)}, "0.01 above 0.60"),
    ],
)
def test_a_facility_beyond_its_product_is_told_by_how_much(change: dict[str, Any], said: str | None) -> None:
    found = departures(STEEL, facility(**change), OPENED, {"HRC": "steel", "BRENT": "oil"})
    assert found == [] if said is None else len(found) == 1 and said in found[0]


def test_a_product_without_a_group_for_the_goods_does_not_take_them() -> None:
    assert departures(replace(STEEL, advances={"oil": D("0.6")}), facility(), OPENED, {"HRC": "steel"}) == [
        "HRC: goods of the group steel are not taken"
    ]
