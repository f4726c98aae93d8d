"""R05 over two tenants: each learns of its own goods, and of another lender's only that there is one."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from collateral_actions import OTHER, approved, offered, rival
from collateral_world import NOW, TENANT
from psycopg.types.json import Jsonb
from risk_world import RiskWorld, all_heard, build_risk_world

from collateral import registry_service as registry
from collateral.clock import FixedClock
from collateral.errors import AlreadyPledged
from db.pool import Pool
from risk.fast_lane import FastLane


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    made = build_risk_world(pool)
    rival(made)
    return made


def foreign(world: RiskWorld, goods_id: str, heat_no: str, piece_no: str) -> str:
    """A coil of the other tenant."""
    coil = registry.GoodsRegistration(
        goods_id=goods_id, commodity_code="HRC", kind="COIL", quantity=Decimal(1), unit="t", owner_party_id="R-TRADER", mill="BAOSTEEL",
        heat_no=heat_no, piece_no=piece_no,
    )  # fmt: skip
    registry.register_goods(world.pool, OTHER, [coil], "loader", NOW)
    return goods_id


def said(world: RiskWorld, tenant_id: str) -> str:
    """Everything that a tenant's alerts and their history say."""
    with world.pool.connection() as conn:
        alerts = conn.execute("SELECT to_jsonb(a) FROM alert a WHERE tenant_id = %s", (tenant_id,)).fetchall()
        events = conn.execute("SELECT detail FROM alert_event WHERE tenant_id = %s", (tenant_id,)).fetchall()
    return json.dumps([*alerts, *events], ensure_ascii=False)


def test_a_refused_second_pledge_of_another_tenants_goods_names_nothing_of_that_tenant(world: RiskWorld) -> None:
    mine = world.coils(1, 1)
    pledge = world.pledged(mine)
    theirs = foreign(world, "R-1", "H7", "1")
    with pytest.raises(AlreadyPledged):
        approved(world, offered(world, [theirs], "F-R", tenant_id=OTHER))
    FastLane(world.pool, FixedClock(NOW)).drain()
    alerts = world.alerts("R05")
    assert [(a["tenant_id"], a["subject_id"], a["facility_id"], a["pledge_id"]) for a in alerts] == [(OTHER, "R-1", "F-R", None)]
    assert alerts[0]["evidence"]["detail"]["held_by_another_tenant"] is True
    for name in (mine[0], "F-1", pledge.pledge_id, TENANT):
        assert name not in said(world, OTHER).replace(f'"{OTHER}"', "")


def test_names_that_a_refusal_kept_of_another_tenant_do_not_reach_the_alert(world: RiskWorld) -> None:
    mine = world.coils(1, 1)
    pledge = world.pledged(mine)
    theirs = foreign(world, "R-1", "H7", "2")
    detail = {
        "goods_id": theirs, "other_goods_id": mine[0], "other_pledge_id": pledge.pledge_id, "other_facility_id": "F-1", "conflicts": [mine[0]],
    }  # fmt: skip
    world.execute(
        "INSERT INTO refused_command (tenant_id, refused_at, user_id, command, code, facility_id, detail)"
        " VALUES (%s, %s, 'u', 'approve_pledge', 'already_pledged', 'F-R', %s)",
        OTHER, NOW, Jsonb(detail),
    )  # fmt: skip
    FastLane(world.pool, FixedClock(NOW)).drain()
    assert len(world.alerts("R05")) == 1
    for name in (mine[0], '"F-1"', pledge.pledge_id):
        assert name not in said(world, OTHER)


def test_twins_under_two_tenants_are_told_to_both_without_names(world: RiskWorld) -> None:
    mine = world.coils(1, 1, heat_no="H-7")
    pledge = world.pledged(mine)
    other = approved(world, offered(world, [foreign(world, "R-1", "H7", "1")], "F-R", tenant_id=OTHER))
    all_heard(world, NOW)
    world.check(NOW)
    world.check(NOW + timedelta(minutes=5))
    found = world.alerts("R05")
    assert sorted((a["tenant_id"], a["subject_id"], a["evidence"]["held_by_another_tenant"]) for a in found) == [
        (TENANT, mine[0], True), (OTHER, "R-1", True),
    ]  # fmt: skip
    assert all(world.events(a["alert_id"]) == ["OPENED"] for a in found)
    assert all(name not in said(world, OTHER) for name in (mine[0], '"F-1"', pledge.pledge_id))
    assert all(name not in said(world, TENANT) for name in ("R-1", "F-R", other.pledge_id))


def test_all_twins_of_one_identity_are_found(world: RiskWorld) -> None:
    heats = ("H7", "H-7", "H_7", "H/7")
    goods = [world.coils(i, 1, heat_no=heat, piece_no="1")[0] for i, heat in enumerate(heats, start=1)]
    for i, g in enumerate(goods):
        world.pledged([g], at=NOW - timedelta(hours=10 - i))
    all_heard(world, NOW)
    world.check(NOW)
    assert world.open("R05") == goods[1:]
    assert {tuple(a["evidence"]["goods_ids"]) for a in world.alerts("R05")} == {tuple(goods)}
