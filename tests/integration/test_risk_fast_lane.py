"""The fast lane on a real store: exits, returns, clones and refusals, in milliseconds, exactly once."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from collateral_world import NOW, TENANT, facility
from risk_world import RiskWorld, build_risk_world

from collateral import facility_service as facilities
from collateral import release_service
from collateral.clock import FixedClock
from collateral.commands import CreatePledge, RequestRelease
from collateral.errors import AlreadyPledged
from collateral.rule_input_service import SetThreshold, set_threshold
from collateral.signing import ReleaseSigner
from db.pool import Pool
from risk.fast_lane import FastLane, listen
from risk.rules import RULES

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


def lane(world: RiskWorld, **other: Any) -> FastLane:
    return FastLane(world.pool, FixedClock(NOW + timedelta(hours=1)), **other)


def within(seconds: float, condition: Callable[[], bool]) -> float:
    """Seconds until the condition held; fails after the limit."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.005)
    return time.monotonic() - started


def issued_release(world: RiskWorld, goods: list[str]) -> str:
    asked = release_service.request_release(
        world.pool,
        RequestRelease(
            tenant_id=TENANT, facility_id="F-1", goods_ids=tuple(goods), vehicle_plate="沪A12345", driver_id="D", valid_from=NOW,
            valid_to=NOW + timedelta(hours=2), reason="sold",
        ),
        "operator",
        NOW,
    )  # fmt: skip
    signer = ReleaseSigner.from_secret("a secret of the test, 32 bytes at least")
    release_service.approve_release_as_maker(world.pool, TENANT, asked.release_id, "officer", NOW)
    order = release_service.approve_release_as_checker(world.pool, TENANT, asked.release_id, "approver", NOW, signer=signer)
    if order.needs_second_checker:
        order = release_service.approve_release_as_second_checker(world.pool, TENANT, asked.release_id, "approver2", NOW, signer=signer)
    assert order.status == "ISSUED"
    return asked.release_id


def test_a_pledged_unit_through_the_gate_without_release_is_a_p1_with_its_evidence(world: RiskWorld) -> None:
    goods = world.coils(1, 3)
    pledge = world.pledged(goods[:2])
    movement_id = world.movement("GATE_OUT", goods[0], NOW + MINUTE)
    world.movement("GATE_OUT", goods[2], NOW + MINUTE)  # not pledged
    assert lane(world).drain() == 2
    assert world.open("R01") == [goods[0]]
    alert = world.alerts("R01")[0]
    assert (alert["severity"], alert["pledge_id"], alert["facility_id"]) == ("P1", pledge.pledge_id, "F-1")
    assert alert["evidence"]["movement_id"] == movement_id
    assert alert["exposure_at_risk"] == Decimal("80000.00")
    assert alert["sla_due_at"] - alert["opened_at"] == 15 * MINUTE


def test_a_release_done_right_raises_nothing_and_settles_the_item(world: RiskWorld) -> None:
    goods = world.coils(1, 30)
    world.pledged(goods)
    release_id = issued_release(world, goods[:1])
    world.movement("GATE_OUT", goods[0], NOW + 30 * MINUTE)
    lane(world).drain()
    lane(world).drain()
    assert world.alerts() == []
    assert world.scalar("SELECT status FROM release_order WHERE release_id = %s", release_id) == "GATED_OUT"
    assert world.scalar("SELECT released_at FROM pledge_item WHERE goods_id = %s", goods[0]) == NOW + 30 * MINUTE


def test_the_release_window_has_half_an_hour_of_grace_and_no_more(world: RiskWorld) -> None:
    goods = world.coils(1, 30)
    world.pledged(goods)
    issued_release(world, goods[:2])
    world.movement("GATE_OUT", goods[0], NOW + timedelta(hours=2) + 30 * MINUTE)
    world.movement("GATE_OUT", goods[1], NOW + timedelta(hours=2) + 30 * MINUTE + timedelta(seconds=1))
    lane(world).drain()
    assert world.open("R01") == [goods[1]]


def test_the_fast_lane_judges_by_what_the_site_has_set_and_tells_it(world: RiskWorld) -> None:
    goods = world.coils(1, 30)
    world.pledged(goods)
    issued_release(world, goods[:2])
    tight = SetThreshold(
        tenant_id=TENANT, rule_code="R01", name="window_grace", value=Decimal(600), reason="busy gate", warehouse_id="WH-SH-01"
    )
    version = set_threshold(world.pool, tight, "officer", NOW)
    world.movement("GATE_OUT", goods[0], NOW + timedelta(hours=2) + 10 * MINUTE)
    world.movement("GATE_OUT", goods[1], NOW + timedelta(hours=2) + 11 * MINUTE)
    lane(world).drain()
    assert world.open("R01") == [goods[1]]
    assert world.alerts("R01")[0]["thresholds"]["window_grace"] == f"10 min (set, version {version})"
    assert world.scalar("SELECT released_at FROM pledge_item WHERE goods_id = %s", goods[1]) is None, (
        "what nothing covers stays in the book"
    )


@pytest.mark.parametrize(("after", "open_"), [(10 * MINUTE, 0), (10 * MINUTE + timedelta(seconds=1), 1)])
def test_a_unit_back_inside_within_ten_minutes_clears_its_alert(world: RiskWorld, after: timedelta, open_: int) -> None:
    goods = world.coils(1, 1)
    world.pledged(goods)
    fast = lane(world)
    world.movement("GATE_OUT", goods[0], NOW + MINUTE)
    fast.drain()
    assert len(world.open("R01")) == 1
    world.movement("GATE_IN", goods[0], NOW + MINUTE + after, from_zone_id="WH-SH-01/gate-out", to_zone_id="WH-SH-01/gate-in")
    fast.drain()
    assert len(world.open("R01")) == open_


def test_goods_aboard_a_lorry_that_leaves_the_fence_without_release_are_each_found(world: RiskWorld) -> None:
    goods = world.coils(1, 3)
    world.pledged(goods[:2])
    world.movement(
        "FENCE_EXIT", None, NOW + MINUTE, device_id="trk-1", vehicle_plate="沪A12345", from_zone_id=None, to_zone_id=None,
        evidence={"warehouse_id": "WH-SH-01", "goods": goods},
    )  # fmt: skip
    lane(world).drain()
    assert world.open("R01") == goods[:2]


def test_a_tag_at_two_sites_faster_than_a_lorry_or_with_two_chips_is_cloned(world: RiskWorld) -> None:
    goods = world.coils(1, 3)
    world.pledged(goods)
    away = {"device_id": "rd-far", "from_zone_id": "WH-SH-01/bay-1", "to_zone_id": "WH-SH-02/bay-1"}
    world.movement("SITE_CHANGE", goods[0], NOW + 10 * MINUTE, from_seen_at=NOW + 8 * MINUTE, **away)
    world.movement("SITE_CHANGE", goods[1], NOW + 60 * MINUTE, from_seen_at=NOW, **away)  # 41 km in an hour: a lorry
    world.movement("TID_MISMATCH", goods[2], NOW + MINUTE, evidence={"expected_tid": "E1", "tid": "E2"})
    lane(world).drain()
    assert world.open("R03") == [goods[0], goods[2]]
    fast = next(a for a in world.alerts("R03") if "speed_kmh" in a["evidence"])
    assert fast["evidence"]["speed_kmh"] > 120


def test_a_double_pledge_refused_by_the_ledger_is_reported_with_both_facilities(world: RiskWorld) -> None:
    goods = world.coils(1, 2)
    pledge = world.pledged(goods)
    facilities.open_facility(world.pool, facility("F-2"), "loader", NOW)
    again = facilities.create_pledge(
        world.pool, CreatePledge(tenant_id=TENANT, facility_id="F-2", goods_ids=tuple(goods[:1])), "loader", NOW
    )
    with pytest.raises(AlreadyPledged):
        facilities.approve_pledge(world.pool, TENANT, again.pledge_id, "approver", NOW)
    lane(world).drain()
    assert world.open("R05") == goods[:1]
    alert = world.alerts("R05")[0]
    assert (alert["pledge_id"], alert["facility_id"], alert["leg"]) == (pledge.pledge_id, "F-1", "T")
    assert alert["evidence"]["requested_facility_id"] == "F-2"


def test_two_legs_on_one_pledge_are_noted_and_raise_what_can_rise(world: RiskWorld) -> None:
    goods = world.coils(1, 2)
    pledge = world.pledged(goods)
    world.execute(
        "INSERT INTO alert (alert_id, tenant_id, rule_code, rule_version, subject_kind, subject_id, pledge_id, leg, severity, status, summary, summary_zh,"
        " evidence, occurred_at, opened_at, last_found_at) VALUES ('a-t', 'demo', 'R16', 1, 'document', 'D-1', %s, 'T', 'P2', 'OPEN', 's', 's', '{}', %s, %s, %s)",
        pledge.pledge_id, NOW, NOW, NOW,
    )  # fmt: skip
    world.movement("GATE_OUT", goods[0], NOW + MINUTE)
    lane(world).drain()
    raised = next(a for a in world.alerts() if a["alert_id"] == "a-t")
    assert (raised["severity"], raised["composite_legs"]) == ("P1", ["L", "T"])
    assert world.events("a-t") == ["RAISED"]


def test_nothing_is_doubled_when_the_lane_dies_before_it_has_kept_its_place(world: RiskWorld) -> None:
    goods = world.coils(1, 5)
    world.pledged(goods)
    for g in goods:
        world.movement("GATE_OUT", g, NOW + MINUTE)
    dying = lane(world)
    dying._advance = lambda batch: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]  # killed between the two commits
    with pytest.raises(KeyboardInterrupt):
        dying.drain()
    lane(world).drain()
    assert world.open("R01") == goods
    assert all(world.events(a["alert_id"]) == ["OPENED"] for a in world.alerts("R01"))
    lane(world).drain()
    assert len(world.alerts("R01")) == 5


def test_a_closed_exit_is_not_opened_again_by_its_own_movement(world: RiskWorld) -> None:
    goods = world.coils(1, 1)
    world.pledged(goods)
    world.movement("GATE_OUT", goods[0], NOW + MINUTE)
    lane(world).drain()
    world.execute("UPDATE alert SET status = 'RESOLVED', resolved_at = %s", NOW)
    world.execute("UPDATE fast_lane_cursor SET movement_xid = '0', refusal_xid = '0'")
    lane(world).drain()
    assert world.open("R01") == []


def test_a_movement_that_commits_after_a_younger_one_is_not_skipped(world: RiskWorld, database_url: str) -> None:
    goods = world.coils(1, 2)
    world.pledged(goods)
    fast = lane(world)
    insert = (
        "INSERT INTO movement (occurred_at, received_at, kind, tag_epc, goods_id, device_id, from_zone_id, to_zone_id)"
        " VALUES (%s, %s, 'GATE_OUT', 'E2', %s, 'gate-1', 'WH-SH-01/gate-in', 'WH-SH-01/gate-out') RETURNING movement_id"
    )
    with psycopg.connect(database_url) as slow:
        first = slow.execute(insert, (NOW + MINUTE, NOW, goods[0])).fetchone()
        second = world.movement("GATE_OUT", goods[1], NOW + MINUTE)
        assert first is not None
        assert first[0] < second
        fast.drain()
        assert world.open("R01") == [goods[1]]
        fast.forget()  # even after a restart
        fast.drain()
        slow.commit()
    fast.drain()
    assert world.open("R01") == goods


def test_many_movements_are_judged_in_small_batches(world: RiskWorld) -> None:
    goods = world.coils(1, 25)
    world.pledged(goods)
    for g in goods:
        world.movement("GATE_OUT", g, NOW + MINUTE)
    assert lane(world, batch_max=7).drain() == 25
    assert world.open("R01") == goods


def test_one_movement_that_a_rule_cannot_bear_hides_no_other(world: RiskWorld) -> None:
    goods = world.coils(1, 3)
    world.pledged(goods)
    ids = [world.movement("GATE_OUT", g, NOW + MINUTE) for g in goods]
    r01 = next(r for r in RULES if r.code == "R01")

    def fragile(snapshot: Any) -> Any:
        if any(m.movement_id == ids[1] for m in snapshot.movements):
            raise ValueError("cannot bear it")
        return r01.check(snapshot)

    lane(world, rules=[dataclasses.replace(r01, check=fragile)]).drain()
    assert world.open("R01") == [goods[0], goods[2]]
    assert world.scalar("SELECT status FROM job_run WHERE job = 'fast_lane'") == "PARTLY_FAILED"


def test_from_the_commit_of_a_movement_to_its_alert_takes_well_under_half_a_second(world: RiskWorld, database_url: str) -> None:
    goods = world.coils(1, 12)
    world.pledged(goods)
    fast, stop, told = lane(world), threading.Event(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            told.wait(1)
            told.clear()
            fast.drain()

    threads = [
        threading.Thread(target=work),
        threading.Thread(target=listen, args=(database_url, lambda _: told.set(), stop), kwargs={"poll_s": 1.0}),
    ]
    for thread in threads:
        thread.start()
    try:
        within(
            5,
            lambda: (
                world.scalar("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chuantou-risk-listen' AND state = 'idle'") > 0
            ),
        )
        took = []
        for i, g in enumerate(goods, start=1):
            world.movement("GATE_OUT", g, NOW + MINUTE)
            took.append(within(5, lambda i=i: world.scalar("SELECT count(*) FROM alert") == i))
        assert sorted(took)[len(took) // 2] < 0.5
    finally:
        stop.set()
        told.set()
        for thread in threads:
            thread.join()
