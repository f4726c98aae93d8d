"""Exits beside the time of the order that covers them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from collateral_actions import HOUR, issued
from collateral_world import NOW, TENANT, World, build_world

from collateral import facility_service as facilities
from collateral import ledger_service
from db.pool import Pool


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool, with_facility=True)


def test_order_issued_after_the_exit_does_not_cover_it(world: World) -> None:
    ids = world.coils(1, 20)
    world.pledged(ids)
    issued(world, ids[:1], NOW + HOUR)
    assert facilities.record_gate_out(world.pool, ids[0], NOW + timedelta(minutes=20), NOW + 2 * HOUR) is None
    assert world.scalar("SELECT count(*) FROM pledge_item WHERE released_at IS NULL") == 20


@pytest.mark.parametrize("ended", ["EXPIRED", "CANCELLED"])
def test_exit_reported_after_the_order_ended_is_settled_by_its_own_time(world: World, ended: str) -> None:
    ids = world.coils(1, 20)
    world.pledged(ids)
    order = issued(world, ids[:2])
    if ended == "EXPIRED":
        assert facilities.expire_releases(world.pool, NOW + 9 * HOUR) == [order.release_id]
    else:
        facilities.cancel_release(world.pool, TENANT, order.release_id, "operator", NOW + 9 * HOUR)
    left_at = NOW + 7 * HOUR
    settled = facilities.record_gate_out(world.pool, ids[0], left_at, NOW + 10 * HOUR)
    assert settled is not None
    assert (settled.status, settled.gated_out_ids, settled.returned_ids) == ("RECONCILED", (ids[0],), (ids[1],))
    assert facilities.record_gate_out(world.pool, ids[0], left_at, NOW + 10 * HOUR) == settled
    assert facilities.record_gate_out(world.pool, ids[1], NOW + 10 * HOUR, NOW + 10 * HOUR) is None
    assert world.scalar("SELECT array_agg(state ORDER BY goods_id) FROM goods_unit WHERE goods_id = ANY(%s)", ids[:2]) == [
        "GATED_OUT",
        "PLEDGED",
    ]
    assert world.scalar("SELECT sum(amount) FROM ledger_posting WHERE account = 'stock:pledged'") == 19 * 20
    assert ledger_service.verify_chain(world.pool, "F-1") == []
