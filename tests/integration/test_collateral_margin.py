"""Valuation and margin on a real store: prices fall, calls are issued, cured or expire, cases are drafted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from collateral_world import NOW, TENANT, World, build_world, facility

from collateral import facility_service as facilities
from collateral import margin_service as margin
from collateral import registry_service as registry
from collateral.commands import CashKind, CashMovement, RegisterDevice
from collateral.errors import NotFound, SamePersonRefused, Shortfall, WrongState
from collateral.model import LineState, MarginOutcome
from collateral.valuation_service import position, value_all, value_facility
from db.pool import Pool

HOUR = timedelta(hours=1)


@pytest.fixture
def world(pool: Pool) -> World:
    world = build_world(pool, with_facility=True)
    world.pledged(world.coils(1, 125))  # 2 500 t, DOMAIN 2.4 fixture A
    cash(world, CashKind.DRAWDOWN, "7000000", NOW)
    return world


def cash(world: World, kind: CashKind, amount: str, at: datetime) -> None:
    command = CashMovement(
        tenant_id=TENANT,
        facility_id="F-1",
        kind=kind,
        amount=Decimal(amount),
        currency="CNY",
        reason="test",
        idempotency_key=f"{kind}-{amount}-{at.isoformat()}",
    )
    facilities.post_cash(world.pool, command, "loader", at)


def mark(world: World, at: datetime, price: str | None = None) -> MarginOutcome:
    if price is not None:
        assert world.price(price, at - timedelta(minutes=1)) == "ACCEPTED"
    made = value_facility(world.pool, "F-1", at, "PRICE")
    return margin.apply_margin(world.pool, made.valuation_id, at)


def test_fixture_a_call_and_disposal_proposal(world: World) -> None:
    before = position(world.pool, "F-1", NOW)
    assert (before.collateral_value, before.exposure, before.availability) == (Decimal("10000000.00"), Decimal("7000000.00"), 0)
    assert mark(world, NOW).action == "none"
    outcome = mark(world, NOW + HOUR, "3600")
    assert outcome.action == "issued"
    call = outcome.call
    assert call is not None
    assert (call.cash_amount, call.goods_amount, call.cause) == (Decimal("700000.00"), Decimal("1000000.00"), "PRICE")
    assert call.cure_deadline == datetime(2020, 3, 10, 9, tzinfo=UTC)
    again = margin.apply_margin(world.pool, outcome.valuation_id, NOW + HOUR)
    assert (again.action, again.call) == ("open", call)
    world.price("3400", NOW + 2 * HOUR)
    late = call.cure_deadline + timedelta(minutes=1)
    world.see([f"HRC-{i:05d}" for i in range(1, 126)], late)
    value_facility(world.pool, "F-1", late, "OVERNIGHT")
    assert margin.expire_calls(world.pool, call.cure_deadline) == []
    [ended] = margin.expire_calls(world.pool, late)
    assert ended.action == "disposal_drafted"
    assert ended.call is not None
    assert ended.call.status == "ESCALATED"
    case = ended.disposal
    assert case is not None
    assert (case.status, case.trigger, case.exposure, case.collateral_value) == (
        "DRAFT",
        "CALL_EXPIRED",
        Decimal(7000000),
        Decimal(8500000),
    )
    assert case.proposed_sale_value == Decimal("4200000.00")  # 1 235.3 t x 3 400
    assert world.scalar("SELECT status FROM facility WHERE facility_id = 'F-1'") == "FROZEN"
    assert world.scalar("SELECT array_agg(kind ORDER BY event_id) FROM margin_call_event") == ["ISSUED", "EXPIRED", "ESCALATED"]
    assert margin.expire_calls(world.pool, late) == []


def test_call_is_cured_by_cash_to_the_fen(world: World) -> None:
    call = mark(world, NOW + HOUR, "3600").call
    assert call is not None
    acknowledged = margin.acknowledge_call(world.pool, TENANT, call.call_id, "officer", NOW + HOUR)
    assert acknowledged.status == "ACKNOWLEDGED"
    cash(world, CashKind.MARGIN_DEPOSIT, "200000", NOW + 2 * HOUR)
    assert mark(world, NOW + 2 * HOUR).action == "partly_cured"
    assert mark(world, NOW + 2 * HOUR + timedelta(minutes=1)).action == "open"
    cash(world, CashKind.REPAYMENT, "499999.90", NOW + 3 * HOUR)
    assert mark(world, NOW + 3 * HOUR).action == "partly_cured"
    cash(world, CashKind.REPAYMENT, "0.10", NOW + 4 * HOUR)
    cured = mark(world, NOW + 4 * HOUR)
    assert cured.action == "cured"
    assert world.scalar("SELECT detail->>'how' FROM margin_call_event WHERE kind = 'CURED'") == "CASH"
    assert mark(world, NOW + 5 * HOUR).action == "none"
    with pytest.raises(WrongState):
        margin.acknowledge_call(world.pool, TENANT, call.call_id, "officer", NOW + 5 * HOUR)


def test_call_is_cured_by_goods(world: World) -> None:
    mark(world, NOW + HOUR, "3600")
    world.pledged(world.coils(1000, 14, seen_at=NOW + HOUR), at=NOW + HOUR)  # 280 t x 3 600 = 1 008 000
    assert mark(world, NOW + 2 * HOUR).action == "cured"
    assert world.scalar("SELECT detail->>'how' FROM margin_call_event WHERE kind = 'CURED'") == "GOODS"


def test_gap_through_two_lines_drafts_a_case_at_once(world: World) -> None:
    world.price("3200", NOW + HOUR, source="SHFE")  # a jump: waits for a second source
    assert position(world.pool, "F-1", NOW + HOUR).line_state is LineState.OK
    price_id = world.scalar("SELECT price_id FROM price_quote WHERE status = 'QUARANTINED'")
    world.vouch(price_id, NOW + HOUR)
    outcome = mark(world, NOW + HOUR)
    assert (outcome.state, outcome.action, outcome.call) == (LineState.DISPOSAL, "disposal_drafted", None)
    case = outcome.disposal
    assert case is not None
    with pytest.raises(SamePersonRefused):
        margin.approve_disposal(
            world.pool, TENANT, margin.approve_disposal(world.pool, TENANT, case.case_id, "approver", NOW).case_id, "approver", NOW
        )
    assert margin.approve_disposal(world.pool, TENANT, case.case_id, "approver2", NOW).status == "APPROVED"
    assert world.scalar("SELECT status FROM facility WHERE facility_id = 'F-1'") == "IN_DISPOSAL"
    assert margin.withdraw_disposal(world.pool, TENANT, case.case_id, "approver", "bought back", NOW).status == "WITHDRAWN"
    assert world.scalar("SELECT status FROM facility WHERE facility_id = 'F-1'") == "ACTIVE"
    with pytest.raises(NotFound):
        margin.approve_disposal(world.pool, TENANT, "case_none", "approver", NOW)


def test_warning_clears_only_a_point_above_the_line_for_two_marks(world: World) -> None:
    assert mark(world, NOW + HOUR, "3780").state is LineState.WARNING
    assert mark(world, NOW + 2 * HOUR, "3830").state is LineState.WARNING
    assert mark(world, NOW + 3 * HOUR, "3830").state is LineState.OK


def test_missing_price_cannot_be_judged_and_never_counts_as_zero(world: World) -> None:
    with world.pool.connection() as conn:
        conn.execute("DELETE FROM price_quote")
    outcome = mark(world, NOW + HOUR)
    assert (outcome.state, outcome.action) == (LineState.CANNOT_JUDGE, "cannot_judge")
    assert position(world.pool, "F-1", NOW + HOUR).detail["cannot_judge"] == ["price_missing:HRC"]
    assert world.scalar("SELECT count(*) FROM margin_call") == 0
    with pytest.raises(Shortfall, match="price_missing"):
        cash(world, CashKind.DRAWDOWN, "1", NOW + HOUR)


def test_goods_behind_a_silent_reader_keep_their_value_for_a_day_and_then_do_not(world: World) -> None:
    """Another device keeps talking: the stream is alive and only this reader is silent."""
    other = RegisterDevice(device_id="rd-2", tenant_id=TENANT, site="WH-SH-01", device_class="rfid", format="native", name="Gate")
    registry.register_device(world.pool, other, "devices", NOW)
    seen_at = NOW
    for hours, value, held, confirmed in ((1, 10_000_000, 10_000_000, 0), (23, 10_000_000, 10_000_000, 0), (25, 0, 0, 0)):
        at = seen_at + timedelta(hours=hours)
        world.heard("rd-2", at)
        p = position(world.pool, "F-1", at)
        assert (p.collateral_value, p.held_value, p.confirmed_value) == (value, held, confirmed), hours
    assert list(p.ineligible) == ["not_sighted"]


def test_reader_dies_a_while_after_the_sighting_and_the_day_counts_from_its_last_word(world: World) -> None:
    other = RegisterDevice(device_id="rd-2", tenant_id=TENANT, site="WH-SH-01", device_class="rfid", format="native", name="Gate")
    registry.register_device(world.pool, other, "devices", NOW)
    world.heard("rd-1", NOW + 20 * HOUR)
    world.price("4000", NOW + 24 * HOUR)
    for hours, held in ((30, 10_000_000), (44, 10_000_000), (45, 0)):
        world.heard("rd-2", NOW + hours * HOUR)
        assert position(world.pool, "F-1", NOW + hours * HOUR).held_value == held, hours


def test_goods_not_seen_yet_are_pending_and_raise_no_call_in_their_first_day(world: World) -> None:
    facilities.open_facility(world.pool, facility("F-2"), "loader", NOW)
    world.pledged(world.coils(2000, 5, seen_at=None), "F-2", at=NOW)
    old_loan = CashMovement(
        tenant_id=TENANT,
        facility_id="F-2",
        kind=CashKind.DRAWDOWN,
        amount=Decimal(200000),
        currency="CNY",
        reason="taken over",
        idempotency_key="old",
        happened_at=NOW - timedelta(days=9),
        already_paid=True,
    )
    facilities.post_cash(world.pool, old_loan, "loader", NOW)
    p = position(world.pool, "F-2", NOW + HOUR)
    assert (p.collateral_value, p.pending_value, p.line_state) == (0, Decimal(400000), LineState.CANNOT_JUDGE)
    assert p.ineligible["pending_sighting"]["units"] == 5
    p = position(world.pool, "F-2", NOW + 25 * HOUR)
    assert (p.line_state, list(p.ineligible)) == (LineState.DISPOSAL, ["not_sighted"])


def test_cause_of_a_call_is_told_from_quantity_and_eligibility(world: World) -> None:
    mark(world, NOW)
    with world.pool.connection() as conn:
        conn.execute("UPDATE goods_unit SET state = 'MISSING' WHERE goods_id < 'HRC-00014'")
    call = mark(world, NOW + HOUR).call
    assert call is not None
    assert call.cause == "ELIGIBILITY"


def test_value_all_writes_one_row_per_open_facility(world: World) -> None:
    facilities.open_facility(world.pool, facility("F-2"), "loader", NOW)
    with world.pool.connection() as conn:
        conn.execute("UPDATE facility SET status = 'CLOSED' WHERE facility_id = 'F-2'")
    facilities.open_facility(world.pool, facility("F-3"), "loader", NOW)
    made = value_all(world.pool, NOW, "OVERNIGHT")
    assert [(v.facility_id, v.line_state) for v in made] == [("F-1", LineState.OK), ("F-3", LineState.OK)]
    assert made[1].coverage is None
    with pytest.raises(NotFound):
        value_facility(world.pool, "F-404", NOW, "MANUAL")
