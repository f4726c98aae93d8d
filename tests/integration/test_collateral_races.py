"""Money, goods and verdicts that cross each other between one statement and the next."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from collateral_actions import HOUR, cash, issued
from collateral_world import NOW, World, build_world

from collateral import facility_service as facilities
from collateral import margin_service as margin
from collateral import valuation_store
from collateral.commands import CashKind
from collateral.errors import WrongState
from collateral.model import LineState
from collateral.valuation_service import value_all, value_facility
from db.pool import Pool


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool, with_facility=True)


def blocked_on_a_lock(world: World) -> bool:
    return bool(world.scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"))


def test_draw_that_waited_while_the_facility_was_frozen_is_refused(world: World) -> None:
    world.pledged(world.coils(1, 10))
    ended: list[str] = []

    def draw() -> None:
        try:
            cash(world, CashKind.DRAWDOWN, "1000")
            ended.append("paid out")
        except WrongState as exc:
            ended.append(str(exc.details["status"]))

    with psycopg.connect(world.pool.conninfo) as margin_desk:
        margin_desk.execute("SELECT 1 FROM facility_balance WHERE facility_id = 'F-1' FOR UPDATE")
        thread = threading.Thread(target=draw)
        thread.start()
        wait_until(lambda: blocked_on_a_lock(world))
        margin_desk.execute("UPDATE facility SET status = 'FROZEN' WHERE facility_id = 'F-1'")
        margin_desk.commit()
    thread.join(20)
    assert ended == ["FROZEN"]


def wait_until(holds: Any, limit_s: float = 10) -> None:
    tick = threading.Event()
    for _ in range(int(limit_s / 0.02)):
        if holds():
            return
        tick.wait(0.02)
    raise AssertionError("it did not happen in time")


def test_mark_taken_while_money_and_goods_move_is_of_one_instant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repayment and the exit it paid for commit between two reads of a mark: no call for a loan that was never short."""
    ids = world.coils(1, 10)
    world.pledged(ids)
    cash(world, CashKind.DRAWDOWN, "560000")
    reads = valuation_store.facility_books

    def then_the_world_moves(*args: Any, **kwargs: Any) -> Any:
        books = reads(*args, **kwargs)
        monkeypatch.setattr(valuation_store, "facility_books", reads)
        cash(world, CashKind.REPAYMENT, "280000")
        issued(world, ids[:5])
        for goods_id in ids[:5]:
            assert facilities.record_gate_out(world.pool, goods_id, NOW, NOW) is not None
        return books

    monkeypatch.setattr(valuation_store, "facility_books", then_the_world_moves)
    [made] = value_all(world.pool, NOW, "OVERNIGHT")
    assert (made.line_state, made.coverage) == (LineState.OK, Decimal("1.42857143"))


def test_cash_that_came_after_the_last_mark_cures_a_call_at_its_deadline(world: World) -> None:
    ids = world.coils(1, 125)
    world.pledged(ids)
    cash(world, CashKind.DRAWDOWN, "7000000")
    world.price("3600", NOW + HOUR)
    call = margin.apply_margin(world.pool, value_facility(world.pool, "F-1", NOW + HOUR, "PRICE").valuation_id, NOW + HOUR).call
    assert call is not None
    cash(world, CashKind.MARGIN_DEPOSIT, "700000", call.cure_deadline - HOUR)
    world.see(ids, call.cure_deadline)
    [outcome] = margin.expire_calls(world.pool, call.cure_deadline + timedelta(seconds=1))
    assert outcome.action == "cured"
    assert world.scalar("SELECT status FROM facility WHERE facility_id = 'F-1'") == "ACTIVE"
    assert world.scalar("SELECT count(*) FROM disposal_case") == 0


def test_cash_that_came_between_a_mark_and_its_verdict_counts(world: World) -> None:
    world.pledged(world.coils(1, 125))
    cash(world, CashKind.DRAWDOWN, "7000000")
    world.price("3600", NOW + HOUR)
    made = value_facility(world.pool, "F-1", NOW + HOUR, "PRICE")
    cash(world, CashKind.REPAYMENT, "700000", NOW + HOUR)
    outcome = margin.apply_margin(world.pool, made.valuation_id, NOW + HOUR)
    assert (outcome.action, outcome.call) == ("none", None)
    assert world.scalar("SELECT exposure FROM valuation ORDER BY as_of DESC LIMIT 1") == Decimal(6300000)
    assert margin.apply_margin(world.pool, made.valuation_id, NOW + HOUR).action == "none"
    assert world.scalar("SELECT count(*) FROM valuation") == 2


def test_one_fen_left_on_a_large_pool_does_not_stop_the_valuation_of_all(world: World) -> None:
    world.pledged(world.coils(1, 2000))  # 160 million
    cash(world, CashKind.FEE, "0.01")
    [made] = value_all(world.pool, NOW, "OVERNIGHT")
    assert made.coverage == Decimal("16000000000")
