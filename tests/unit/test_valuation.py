"""What goods are worth and where that puts a loan: fixture A, both sides of each line, and what cannot be judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.lines import derived_lines
from collateral.model import LineState, PriceStatus
from collateral.prices import NoPrice, PickedPrice, Quote, pick
from collateral.sightings import Observer, Sighting, is_silent, sighting
from collateral.valuation import (
    CommodityTerms,
    Credit,
    PledgedUnit,
    PoolValue,
    Standing,
    ageing,
    call_amounts,
    partial_sale_value,
    standing,
    state_at,
    unit_price,
    value_pool,
)

NOW = datetime(2020, 3, 9, 6, tzinfo=UTC)
LINES = derived_lines(D("0.70"), D("0.05"))
STEPS = ({"from_days": 91, "haircut": "0.05"}, {"from_days": 181, "haircut": "0.15"}, {"from_days": 361, "ineligible": True})
HRC = CommodityTerms(commodity_code="HRC", unit="t", advance_rate=D("0.70"), ageing_steps=STEPS)


def quote(price: str, **other: Any) -> Quote:
    made = Quote(
        price_id="p",
        commodity_code="HRC",
        source="SHFE",
        quoted_at=NOW,
        price=D(price),
        currency="CNY",
        unit="t",
        tax_inclusive=False,
        vat_rate=D(0),
        status=PriceStatus.ACCEPTED,
    )
    return replace(made, **other)


def priced(price: str) -> PickedPrice | NoPrice:
    return pick(quote(price), None, tolerance=D("0.03"), unit="t", currency="CNY", as_of=NOW, check_expected=False)


def unit(**other: Any) -> PledgedUnit:
    made = PledgedUnit(goods_id="HRC-1", commodity_code="HRC", quantity=D(2500), unit="t", sighting=Sighting.CONFIRMED)
    return replace(made, **other)


def pool(price: str, *units: PledgedUnit) -> PoolValue:
    return value_pool(units or (unit(),), {"HRC": HRC}, {"HRC": priced(price)}, currency="CNY", as_of=NOW)


def credit(exposure: str = "7000000", **other: Any) -> Credit:
    made = Credit(limit_amount=D(10**8), advance_rate=D("0.70"), reserves=D(0), control_value_floor=D(0), exposure=D(exposure), lines=LINES)
    return replace(made, **other)


def at(price: str, exposure: str = "7000000") -> Standing:
    return standing(pool(price), credit(exposure))


def test_worthless_collateral_is_a_fact_and_leads_to_disposal() -> None:
    s = standing(pool("4000", unit(state="MISSING")), credit())
    assert (s.collateral_value, s.coverage, s.ltv, s.raw_state) == (D("0.00"), 0, None, LineState.DISPOSAL)
    assert s.call_cash_amount == D("7000000.00")
    assert s.call_goods_amount == D("10000000.00")


def test_missing_price_cannot_be_judged_and_is_no_zero() -> None:
    p = value_pool([unit()], {"HRC": HRC}, {"HRC": NoPrice(reason="price_missing")}, currency="CNY", as_of=NOW)
    s = standing(p, credit())
    assert (s.raw_state, s.why_not_judged) == (LineState.CANNOT_JUDGE, ("price_missing:HRC",))


def test_zero_exposure_has_no_ratio_and_is_never_below_a_line() -> None:
    s = at("4000", "0")
    assert (s.coverage, s.ltv, s.raw_state, s.min_control_value) == (None, 0, LineState.OK, 0)
    assert s.releasable_now == D("10000000.00")
    assert standing(pool("4000", unit(state="MISSING")), credit("0")).raw_state is LineState.OK


def test_fixture_a() -> None:
    start = at("4000")
    assert (start.collateral_value, start.availability, start.coverage, start.raw_state) == (
        D("10000000.00"),
        0,
        D("1.42857143"),
        LineState.OK,
    )
    fallen = at("3600")
    assert fallen.collateral_value == D("9000000.00")
    assert fallen.ltv is not None
    assert fallen.coverage is not None
    assert (round(fallen.ltv * 100, 1), round(fallen.coverage * 100, 1)) == (D("77.8"), D("128.6"))
    assert (fallen.call_cash_amount, fallen.call_goods_amount) == (D("700000.00"), D("1000000.00"))
    assert round(fallen.call_goods_amount / 3600, 1) == D("277.8")
    assert fallen.raw_state is LineState.MARGIN_CALL
    low = at("3400")
    assert low.ltv is not None
    assert (low.collateral_value, round(low.ltv * 100, 1)) == (D("8500000.00"), D("82.4"))
    sale = partial_sale_value(D(7000000), D(8500000), D("0.70"), D("0.05"))
    assert round(sale / 3400, 1) == D("1235.3")
    left, owed = D(8500000) - sale, D(7000000) - sale * D("0.95")
    assert (round(owed / 10**6, 3), round(left / 10**6, 3), round(owed / left * 100, 1)) == (D("3.010"), D("4.300"), D("70.0"))


@pytest.mark.parametrize(
    ("line", "at_it", "below_it"),
    [
        (LINES.warning, LineState.OK, LineState.WARNING),
        (LINES.margin_call, LineState.WARNING, LineState.MARGIN_CALL),
        (LINES.disposal, LineState.MARGIN_CALL, LineState.DISPOSAL),
    ],
)
def test_a_line_belongs_to_the_better_side(line: D, at_it: LineState, below_it: LineState) -> None:
    assert state_at(line, LINES) is at_it
    assert state_at(line - D("0.000001"), LINES) is below_it
    assert state_at(line + D("0.000001"), LINES) is at_it


def test_unit_price_is_the_lower_of_discounted_reference_and_invoice() -> None:
    terms = replace(HRC, location_discount=D("0.02"), quality_haircut=D("0.10"))
    assert unit_price(D(4000), terms, None) == D("3528.00")
    assert unit_price(D(4000), terms, D("3528.01")) == D("3528.00")
    assert unit_price(D(4000), terms, D("3527.99")) == D("3527.99")


def test_kilograms_and_tonnes_give_the_same_value() -> None:
    in_kg = pool("4000", unit(quantity=D(2500000), unit="kg", invoice_unit_price=D("3.9"), invoice_currency="CNY"))
    in_t = pool("4000", unit(invoice_unit_price=D(3900), invoice_currency="CNY"))
    assert in_kg.collateral_value == in_t.collateral_value == D(9750000)


@pytest.mark.parametrize(
    ("days", "haircut", "over"),
    [(90, "0", False), (91, "0.05", False), (180, "0.05", False), (181, "0.15", False), (360, "0.15", False), (361, "0", True)],
)
def test_ageing_steps_from_both_sides(days: int, haircut: str, over: bool) -> None:
    assert ageing(STEPS, days) == (D(haircut), over)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sighting": Sighting.PENDING}, "pending_sighting"),
        ({"sighting": Sighting.NOT_SIGHTED}, "not_sighted"),
        ({"open_p1": ("R01",)}, "open_p1_alert"),
        ({"aged_from": date(2019, 1, 1)}, "over_age"),
        ({"state": "DISPUTED"}, "state_disputed"),
        ({"owner_is_borrower": False}, "title_not_borrowers"),
        ({"receipt_state": "FROZEN"}, "receipt_frozen"),
        ({"insurance_until": date(2020, 3, 8)}, "insurance_expired"),
        ({"release_issued": True}, "release_issued"),
        ({"commodity_code": "PIG-IRON"}, "commodity_not_accepted"),
    ],
)
def test_ineligible_unit_counts_nothing_and_says_why(change: dict[str, Any], reason: str) -> None:
    p = pool("4000", unit(**change))
    assert p.collateral_value == 0
    assert p.units[0].reasons == (reason,)
    assert not p.cannot_judge


@pytest.mark.parametrize(
    "change", [{"insurance_until": date(2020, 3, 9)}, {"open_p2": ("R03",)}, {"sighting": Sighting.HELD}, {"receipt_state": "ENDORSED"}]
)
def test_what_does_not_make_ineligible(change: dict[str, Any]) -> None:
    assert pool("4000", unit(**change)).collateral_value == D(10000000)


def test_mixed_pool_advances_each_unit_at_its_own_rate() -> None:
    copper = CommodityTerms(commodity_code="CU", unit="t", advance_rate=D("0.80"))
    p = value_pool(
        [unit(quantity=D(1000)), unit(goods_id="CU-1", commodity_code="CU", quantity=D(100), warehouse_grade="B")],
        {"HRC": HRC, "CU": copper},
        {"HRC": priced("4000"), "CU": priced("40000")},
        currency="CNY",
        as_of=NOW,
    )
    s = standing(p, credit("1000000", reserves=D(50000)))
    assert s.effective_advance == D("0.72500000")  # 4 M at 70 %, 4 M at 80 % less 5 points for grade B
    assert s.borrowing_base == D("5750000.00")
    assert s.availability == D("4750000.00")


def test_contract_floor_holds_where_it_is_higher() -> None:
    assert standing(pool("4000"), credit("700000", control_value_floor=D(3000000))).min_control_value == D(3000000)
    assert standing(pool("4000"), credit("3500000", control_value_floor=D(3000000))).min_control_value == D(5000000)


def test_verdict_that_hangs_on_unseen_goods_is_not_passed() -> None:
    units = (unit(quantity=D(2000)), unit(goods_id="HRC-2", quantity=D(500), sighting=Sighting.PENDING))
    assert standing(pool("4000", *units), credit()).raw_state is LineState.CANNOT_JUDGE
    assert standing(pool("4000", *units), credit("9900000")).raw_state is LineState.DISPOSAL
    assert standing(pool("4000", *units), credit("5000000")).raw_state is LineState.OK


def test_where_a_sale_nets_no_more_than_it_secures_all_is_sold() -> None:
    assert partial_sale_value(D(900), D(1000), D("0.95"), D("0.05")) == 0
    assert partial_sale_value(D(960), D(1000), D("0.95"), D("0.05")) == 1000
    assert partial_sale_value(D(2000), D(1000), D("0.70"), D("0.05")) == 1000


money = st.decimals("0.01", "1e9", places=2)


@given(exposure=money, value=money, advance=st.decimals("0.3", "0.95", places=3))
def test_either_call_amount_alone_restores_the_advance_rate(exposure: D, value: D, advance: D) -> None:
    cash, goods = call_amounts(exposure, value, advance)
    assert exposure - cash <= advance * value + D("0.00001")
    assert exposure <= advance * (value + goods) + D("0.00001")
    assert (cash == 0) == (exposure - advance * value <= D("0.00000005"))


@given(exposure=money, value=money, advance=st.decimals("0.3", "0.9", places=3))
def test_partial_sale_restores_the_advance_rate_or_sells_all(exposure: D, value: D, advance: D) -> None:
    sale = partial_sale_value(exposure, value, advance, D("0.05"))
    assert 0 <= sale <= value
    if sale < value:
        assert exposure - sale * D("0.95") <= advance * (value - sale) + D("0.01")


@given(quantities=st.lists(st.decimals("0.001", "1000", places=3), min_size=1, max_size=8), price=st.integers(1, 90000))
def test_value_is_additive_over_units(quantities: list[D], price: int) -> None:
    whole = pool(str(price), *(unit(goods_id=str(i), quantity=q) for i, q in enumerate(quantities)))
    assert whole.collateral_value == sum(quantities) * price
    assert whole.collateral_value == whole.confirmed_value


HEARD = Observer(device_id="rd-1", heard_at=NOW, expected_interval=timedelta(seconds=60), presence_online=True)


@pytest.mark.parametrize(
    ("heard_before", "online", "interval_s", "silent"),
    [
        (15 * 60, True, 60, False),
        (15 * 60 + 1, True, 60, True),
        (3 * 3600, True, 3600, False),
        (3 * 3600 + 1, True, 3600, True),
        (0, False, 60, True),
    ],
)
def test_silence_is_judged_against_the_stream(heard_before: int, online: bool, interval_s: int, silent: bool) -> None:
    observer = Observer(
        device_id="rd-1",
        heard_at=NOW - timedelta(seconds=heard_before),
        expected_interval=timedelta(seconds=interval_s),
        presence_online=online,
    )
    assert is_silent(observer, NOW) is silent


@pytest.mark.parametrize(
    ("seen_h", "heard_h", "stream_h", "expected"),
    [
        (0, 0, 0, Sighting.CONFIRMED),
        (24, 0, 0, Sighting.CONFIRMED),
        (25, 0, 0, Sighting.NOT_SIGHTED),  # the reader is well and does not see it
        (1, 1, 0, Sighting.HELD),
        (30, 23, 0, Sighting.HELD),
        (48, 24, 0, Sighting.HELD),
        (49, 24, 0, Sighting.NOT_SIGHTED),
        (30, 25, 0, Sighting.NOT_SIGHTED),
        (30, 20, 20, Sighting.HELD),  # the whole stream is behind: nobody is silent, the platform is
        (60, 25, 25, Sighting.NOT_SIGHTED),
    ],
)
def test_sighting_by_age_of_unit_reader_and_stream(seen_h: int, heard_h: int, stream_h: int, expected: Sighting) -> None:
    def ago(hours: int) -> datetime:
        return NOW - timedelta(hours=hours)

    got = sighting(ago(seen_h), replace(HEARD, heard_at=ago(heard_h)), pledged_at=ago(100), as_of=NOW, stream_at=ago(stream_h))
    assert got is expected


def test_never_seen_is_pending_for_a_day() -> None:
    for hours, expected in ((24, Sighting.PENDING), (25, Sighting.NOT_SIGHTED)):
        assert sighting(None, None, pledged_at=NOW - timedelta(hours=hours), as_of=NOW, stream_at=NOW) is expected
