"""What a facility lets out: draws, releases, terms at set-up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from collateral_actions import OTHER, SIGNER, cash, requested, rival
from collateral_world import NOW, TENANT, World, build_world, facility

from collateral import facility_service as facilities
from collateral import registry_service as registry
from collateral.commands import (
    CashKind,
    FacilityCommodity,
)
from collateral.errors import RejectedInput, Shortfall, WrongState
from collateral.valuation_service import position
from db.pool import Pool


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool, with_facility=True)


def mixed(world: World) -> tuple[list[str], list[str]]:
    """Facility F-2 with steel lent at 80 % and steel lent at 50 %: ten coils each, 800 000 each."""
    with world.pool.connection() as conn:
        conn.execute(
            """INSERT INTO commodity SELECT 'HRC-OLD', name, name_zh, commodity_group, unit, weighing_tolerance, price_min, price_max, price_currency,
                      ageing_steps FROM commodity WHERE commodity_code = 'HRC'"""
        )
    world.price("4000", NOW, commodity_code="HRC-OLD")
    terms = tuple(
        FacilityCommodity(commodity_code=code, advance_rate=Decimal(rate), primary_source="SHFE")
        for code, rate in (("HRC", "0.80"), ("HRC-OLD", "0.50"))
    )
    facilities.open_facility(world.pool, facility("F-2", product="GENERAL", advance_rate=Decimal("0.80"), commodities=terms), "loader", NOW)
    good, poor = world.coils(1, 10), world.coils(11, 10, commodity_code="HRC-OLD")
    world.pledged(good + poor, "F-2")
    return good, poor


def test_release_of_the_better_goods_leaves_a_base_that_carries_the_loan(world: World) -> None:
    good, _ = mixed(world)
    cash(world, CashKind.DRAWDOWN, "500000", facility_id="F-2")  # the poor half carries 400 000
    order = requested(world, good, facility_id="F-2")
    facilities.approve_release_as_maker(world.pool, TENANT, order.release_id, "maker", NOW)
    with pytest.raises(Shortfall) as refused:
        facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "checker", NOW, signer=SIGNER)
    assert refused.value.details["cash"] == Decimal("100000.00")
    cash(world, CashKind.REPAYMENT, "100000", facility_id="F-2")
    facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "checker", NOW, signer=SIGNER)
    facilities.approve_release_as_second_checker(world.pool, TENANT, order.release_id, "checker2", NOW, signer=SIGNER)
    assert position(world.pool, "F-2", NOW).availability == 0


def test_held_goods_do_not_eat_a_limit_that_seen_goods_fill(world: World) -> None:
    facilities.open_facility(world.pool, facility("F-2", limit_amount=Decimal(300_000)), "loader", NOW)
    registry.register_device(
        world.pool,
        registry.RegisterDevice(device_id="rd-2", tenant_id=TENANT, site="WH-SH-01", device_class="rfid", format="native", name="B"),
        "devices",
        NOW,
    )
    seen, held = world.coils(1, 10), world.coils(11, 10, seen_at=None)
    world.see(held, NOW, "rd-2")
    world.heard("rd-2", NOW, "offline")
    world.pledged(seen + held, "F-2")
    with pytest.raises(Shortfall):
        cash(world, CashKind.DRAWDOWN, "300000.01", facility_id="F-2")
    cash(world, CashKind.DRAWDOWN, "300000", facility_id="F-2")


def test_old_price_of_goods_that_are_not_pledged_stops_nobody(world: World) -> None:
    with world.pool.connection() as conn:
        conn.execute("UPDATE commodity SET price_currency = 'CNY' WHERE commodity_code = 'BRENT'")
        conn.execute(
            """INSERT INTO price_quote SELECT 'old', 'BRENT', 'SHFE', quoted_at - interval '30 days', published_at, recorded_at, 100, 'CNY', 'bbl', false, 0,
                      true, 'ACCEPTED', NULL FROM price_quote LIMIT 1"""
        )
    terms = tuple(FacilityCommodity(commodity_code=c, advance_rate=Decimal("0.70"), primary_source="SHFE") for c in ("HRC", "BRENT"))
    facilities.open_facility(world.pool, facility("F-2", commodities=terms), "loader", NOW)
    world.pledged(world.coils(1, 10), "F-2")
    cash(world, CashKind.DRAWDOWN, "1000", facility_id="F-2")


def test_nothing_is_drawn_after_maturity(world: World) -> None:
    facilities.open_facility(world.pool, facility("F-2", matures_on=date(2020, 3, 8)), "loader", NOW)
    world.pledged(world.coils(1, 10), "F-2")
    with pytest.raises(WrongState, match="2020-03-08"):
        cash(world, CashKind.DRAWDOWN, "1000", facility_id="F-2")
    with pytest.raises(RejectedInput, match="matures"):
        facilities.open_facility(world.pool, facility("F-3", matures_on=date(2020, 2, 1)), "loader", NOW)


def test_loan_born_under_its_warning_line_is_refused_at_set_up(world: World) -> None:
    terms = (FacilityCommodity(commodity_code="HRC", advance_rate=Decimal("0.80"), primary_source="SHFE"),)
    with pytest.raises(RejectedInput, match="HRC"):
        facilities.open_facility(world.pool, facility("F-2", advance_rate=Decimal("0.60"), commodities=terms), "loader", NOW)


@pytest.mark.parametrize("amount", ["1e30", "NaN", "Infinity", "0.001", "-1"])
def test_amounts_that_no_book_can_hold_are_refused(world: World, amount: str) -> None:
    with pytest.raises(RejectedInput):
        cash(world, CashKind.FEE, amount)


def test_a_device_of_another_tenant_confirms_nothing(world: World) -> None:
    rival(world)
    ids = world.coils(1, 1, seen_at=None)
    world.pledged(ids)
    spy = registry.RegisterDevice(device_id="spy", tenant_id=OTHER, site="elsewhere", device_class="gps", format="owntracks", name="Spy")
    registry.register_device(world.pool, spy, "devices", NOW)
    world.see(ids, NOW, "spy")
    with world.pool.connection() as conn:
        conn.execute("INSERT INTO vehicle_position (device_id, observed_at, lon, lat, goods) VALUES ('spy', %s, 121, 31, %s)", (NOW, ids))
    assert position(world.pool, "F-1", NOW).confirmed_value == 0
