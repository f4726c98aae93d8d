"""Pledges, cash and releases on a real store, also from many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from collateral_world import NOW, TENANT, World, build_world, facility

from collateral import facility_service as facilities
from collateral import ledger_service
from collateral.commands import CashKind, CashMovement, CreatePledge, RequestRelease
from collateral.errors import AlreadyPledged, ChuantouError, EntryConflict, RejectedInput, SamePersonRefused, Shortfall, WrongState
from collateral.model import Outcome, ReleaseOrder
from collateral.release import is_hash_of, paper
from collateral.signing import ReleaseSigner, is_signed_by
from collateral.valuation_service import position
from db.pool import Pool

SIGNER = ReleaseSigner.from_secret("a secret of the tests only")
EARLIER = NOW - timedelta(days=2)


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool, with_facility=True)


def cash(kind: CashKind, amount: str, key: str = "", **other: object) -> CashMovement:
    made = CashMovement(
        tenant_id=TENANT,
        facility_id="F-1",
        kind=kind,
        amount=Decimal(amount),
        currency="CNY",
        reason="test",
        idempotency_key=key or f"{kind}-{amount}",
    )
    return replace(made, **other)  # type: ignore[arg-type]


def release(goods_ids: list[str], facility_id: str = "F-1") -> RequestRelease:
    return RequestRelease(
        tenant_id=TENANT,
        facility_id=facility_id,
        goods_ids=tuple(goods_ids),
        vehicle_plate="沪A12345",
        driver_id="310101199001011234",
        valid_from=NOW,
        valid_to=NOW + timedelta(hours=8),
        reason="sold",
    )


def issue(world: World, order: ReleaseOrder) -> ReleaseOrder:
    facilities.approve_release_as_maker(world.pool, TENANT, order.release_id, "maker", NOW)
    order = facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "checker", NOW, signer=SIGNER)
    if order.status != "ISSUED":
        order = facilities.approve_release_as_second_checker(world.pool, TENANT, order.release_id, "checker2", NOW, signer=SIGNER)
    return order


def test_pledge_is_made_by_one_and_approved_by_another(world: World) -> None:
    ids = world.coils(1, 3)
    draft = facilities.create_pledge(world.pool, CreatePledge(tenant_id=TENANT, facility_id="F-1", goods_ids=tuple(ids)), "loader", NOW)
    assert draft.status == "DRAFT"
    assert world.scalar("SELECT count(*) FROM pledge_item WHERE released_at IS NULL") == 0
    with pytest.raises(SamePersonRefused):
        facilities.approve_pledge(world.pool, TENANT, draft.pledge_id, "loader", NOW)
    with pytest.raises(psycopg.errors.CheckViolation, match="pledge_maker_is_not_checker"), world.pool.connection() as conn:
        conn.execute("UPDATE pledge SET approved_by = created_by")
    live = facilities.approve_pledge(world.pool, TENANT, draft.pledge_id, "approver", NOW)
    assert (live.status, live.goods_ids) == ("ACTIVE", tuple(ids))
    assert world.scalar("SELECT count(*) FROM pledge_item WHERE released_at IS NULL") == 3
    assert world.scalar("SELECT count(*) FROM goods_unit WHERE state = 'PLEDGED'") == 3
    with pytest.raises(WrongState):
        facilities.approve_pledge(world.pool, TENANT, draft.pledge_id, "approver", NOW)
    assert ledger_service.verify_all_chains(world.pool) == {}


@pytest.mark.parametrize("same", ["goods_id", "identity_key", "vin"])
def test_second_pledge_of_the_same_goods_is_refused_and_reported(world: World, same: str) -> None:
    facilities.open_facility(world.pool, facility("F-2"), "loader", EARLIER)
    vin = {"vin": "LSVAA49J132047371"} if same == "vin" else {}
    first = world.coils(1, 1, **vin)
    held = world.pledged(first)
    again = first
    if same == "identity_key":
        again = world.coils(2, 1, piece_no="1")
    if same == "vin":
        again = world.coils(2, 1, **vin)
    draft = facilities.create_pledge(world.pool, CreatePledge(tenant_id=TENANT, facility_id="F-2", goods_ids=tuple(again)), "loader", NOW)
    with psycopg.connect(world.pool.conninfo, autocommit=True) as listener:
        listener.execute("LISTEN refused_command")
        with pytest.raises(AlreadyPledged) as refused:
            facilities.approve_pledge(world.pool, TENANT, draft.pledge_id, "approver", NOW)
        assert list(listener.notifies(timeout=5, stop_after=1))
    assert refused.value.details["matched_by"] == same
    assert (refused.value.details["other_pledge_id"], refused.value.details["other_facility_id"]) == (held.pledge_id, "F-1")
    with world.pool.connection() as conn:
        [row] = conn.execute("SELECT code, facility_id, user_id, detail->>'goods_id' FROM refused_command").fetchall()
    assert row == ("already_pledged", "F-2", "approver", again[0])
    assert facilities.create_pledge  # the draft stays a draft
    assert world.scalar("SELECT status FROM pledge WHERE pledge_id = %s", draft.pledge_id) == "DRAFT"


def test_sixteen_threads_pledge_the_same_units_and_one_wins(world: World) -> None:
    ids = world.coils(1, 10)
    drafts = [
        facilities.create_pledge(
            world.pool, CreatePledge(tenant_id=TENANT, facility_id="F-1", goods_ids=tuple(ids[i % 3 :])), "loader", NOW
        ).pledge_id
        for i in range(16)
    ]

    def approve(pledge_id: str) -> str:
        try:
            return facilities.approve_pledge(world.pool, TENANT, pledge_id, "approver", NOW).status
        except AlreadyPledged as exc:
            return exc.code

    with ThreadPoolExecutor(16) as threads:
        ends = list(threads.map(approve, drafts))
    assert sorted(ends) == ["ACTIVE", *["already_pledged"] * 15]
    assert world.scalar("SELECT count(*) FROM refused_command") == 15
    assert world.scalar("SELECT count(*) - count(DISTINCT goods_id) FROM pledge_item WHERE released_at IS NULL") == 0
    assert ledger_service.verify_chain(world.pool, "F-1") == []


def test_cash_is_recorded_repeated_or_conflicting(world: World) -> None:
    world.pledged(world.coils(1, 10))
    first = facilities.post_cash(world.pool, cash(CashKind.DRAWDOWN, "300000", "D1"), "loader", NOW)
    again = facilities.post_cash(world.pool, cash(CashKind.DRAWDOWN, "300000", "D1"), "loader", NOW)
    assert (first.outcome, again.outcome, first.entry_id) == (Outcome.RECORDED, Outcome.REPEATED, again.entry_id)
    with pytest.raises(EntryConflict):
        facilities.post_cash(world.pool, cash(CashKind.DRAWDOWN, "300001", "D1"), "loader", NOW)
    assert first.balance.exposure == Decimal(300000)


def test_drawdown_fits_the_availability_to_the_fen(world: World) -> None:
    world.pledged(world.coils(1, 10))  # 200 t x 4000 x 70 % = 560 000
    with pytest.raises(Shortfall) as refused:
        facilities.post_cash(world.pool, cash(CashKind.DRAWDOWN, "560000.01"), "loader", NOW)
    assert refused.value.details["short"] == Decimal("0.01")
    facilities.post_cash(world.pool, cash(CashKind.DRAWDOWN, "560000.00"), "loader", NOW)
    assert position(world.pool, "F-1", NOW).availability == 0


def test_drawdown_that_was_already_paid_is_a_fact_and_recorded(world: World) -> None:
    before = cash(CashKind.DRAWDOWN, "900000", happened_at=NOW - timedelta(days=5), already_paid=True)
    entry = facilities.post_cash(world.pool, before, "loader", NOW)
    assert entry.balance.principal == Decimal(900000)
    with pytest.raises(RejectedInput):
        facilities.post_cash(world.pool, cash(CashKind.FEE, "1", happened_at=NOW + timedelta(days=1)), "loader", NOW)


def test_repayment_pays_fees_then_interest_then_principal(world: World) -> None:
    world.pledged(world.coils(1, 10))
    for kind, amount in ((CashKind.DRAWDOWN, "1000"), (CashKind.INTEREST, "50"), (CashKind.FEE, "7"), (CashKind.MARGIN_DEPOSIT, "100")):
        facilities.post_cash(world.pool, cash(kind, amount), "loader", NOW)
    after = facilities.post_cash(world.pool, cash(CashKind.REPAYMENT, "60.50"), "loader", NOW).balance
    assert (after.fees, after.interest, after.principal, after.cash_margin) == (0, 0, Decimal("996.50"), 100)
    assert after.exposure == Decimal("896.50")
    with pytest.raises(Shortfall):
        facilities.post_cash(world.pool, cash(CashKind.REPAYMENT, "996.51"), "loader", NOW)
    with pytest.raises(Shortfall):
        facilities.post_cash(world.pool, cash(CashKind.MARGIN_RETURN, "100.01"), "loader", NOW)
    assert ledger_service.verify_chain(world.pool, "F-1") == []


def test_eight_threads_post_without_a_hole_and_the_balance_is_the_sum(world: World) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: facilities.post_cash(world.pool, cash(CashKind.FEE, "1.10", f"fee-{i % 30}"), "loader", NOW), range(60)))
    assert world.scalar("SELECT array_agg(entry_no ORDER BY entry_no) FROM ledger_entry") == list(range(1, 31))
    assert world.scalar("SELECT fees FROM facility_balance WHERE facility_id = 'F-1'") == Decimal("33.00")
    assert ledger_service.verify_chain(world.pool, "F-1") == []


def test_book_is_append_only_and_a_forged_entry_shows(world: World) -> None:
    facilities.post_cash(world.pool, cash(CashKind.FEE, "10"), "loader", NOW)
    for statement in (b"UPDATE ledger_entry SET reason = 'x'", b"DELETE FROM ledger_posting", b"DELETE FROM ledger_entry"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"), world.pool.connection() as conn:
            conn.execute(statement)
    with world.pool.connection() as conn:
        conn.execute("ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_append_only")
        conn.execute("UPDATE ledger_entry SET reason = 'something else'")
    assert ledger_service.verify_chain(world.pool, "F-1") == ["F-1 entry 1: its content does not give its hash"]


def test_release_done_right_is_signed_settled_and_leaves_the_book(world: World) -> None:
    ids = world.coils(1, 20)
    pledge = world.pledged(ids)
    facilities.post_cash(world.pool, cash(CashKind.DRAWDOWN, "500000"), "loader", NOW)
    order = facilities.request_release(world.pool, release(ids[:1]), "operator", NOW)
    assert (order.status, order.value_amount, order.needs_second_checker) == ("REQUESTED", Decimal("80000.00"), False)
    with pytest.raises(SamePersonRefused):
        facilities.approve_release_as_maker(world.pool, TENANT, order.release_id, "operator", NOW)
    facilities.approve_release_as_maker(world.pool, TENANT, order.release_id, "maker", NOW)
    with pytest.raises(SamePersonRefused):
        facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "maker", NOW, signer=SIGNER)
    with pytest.raises(psycopg.errors.CheckViolation, match="release_maker_is_not_checker"), world.pool.connection() as conn:
        conn.execute("UPDATE release_order SET checker_id = maker_id")
    issued = facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "checker", NOW, signer=SIGNER)
    assert issued.status == "ISSUED"
    assert issued.pickup_code is not None
    hashed = world.scalar("SELECT pickup_code_hash FROM release_order")
    assert is_hash_of(hashed, order.release_id, issued.pickup_code)
    assert not is_hash_of(hashed, order.release_id, "WRONG")
    assert is_signed_by(SIGNER.public_key(), paper(issued), str(issued.signature))
    assert not is_signed_by(SIGNER.public_key(), {**paper(issued), "vehicle_plate": "沪B00000"}, str(issued.signature))
    assert "310101199001011234" not in str(world.scalar("SELECT release_order::text FROM release_order"))
    out_at = NOW + timedelta(hours=1)
    assert facilities.record_gate_out(world.pool, ids[1], out_at, out_at) is None
    settled = facilities.record_gate_out(world.pool, ids[0], out_at, out_at)
    assert settled is not None
    assert settled.status == "GATED_OUT"
    again = facilities.record_gate_out(world.pool, ids[0], out_at, out_at)
    assert again == settled
    assert facilities.record_gate_out(world.pool, ids[0], out_at + timedelta(hours=1), out_at + timedelta(hours=1)) is None
    assert world.scalar("SELECT count(*) FROM pledge_item WHERE released_at IS NULL") == 19
    assert world.scalar("SELECT status FROM pledge WHERE pledge_id = %s", pledge.pledge_id) == "ACTIVE"
    assert world.scalar("SELECT sum(amount) FROM ledger_posting WHERE account = 'stock:pledged'") == 19 * 20
    assert ledger_service.verify_chain(world.pool, "F-1") == []


def test_release_beyond_the_excess_value_says_what_would_make_it_pass(world: World) -> None:
    ids = world.coils(1, 10)  # 800 000, needs 500 000 / 0.7 = 714 285.72
    world.pledged(ids)
    facilities.post_cash(world.pool, cash(CashKind.DRAWDOWN, "500000"), "loader", NOW)
    order = facilities.request_release(world.pool, release(ids[:2]), "operator", NOW)
    facilities.approve_release_as_maker(world.pool, TENANT, order.release_id, "maker", NOW)
    with pytest.raises(Shortfall) as refused:
        facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "checker", NOW, signer=SIGNER)
    assert refused.value.details["short"] == Decimal("74285.72")
    assert refused.value.details["cash"] == Decimal("52000.00")
    facilities.post_cash(world.pool, cash(CashKind.REPAYMENT, "52000"), "loader", NOW)
    order = facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "checker", NOW, signer=SIGNER)
    assert (order.status, order.needs_second_checker, order.pickup_code) == ("CHECKER_OK", True, None)
    with pytest.raises(SamePersonRefused):
        facilities.approve_release_as_second_checker(world.pool, TENANT, order.release_id, "checker", NOW, signer=SIGNER)
    order = facilities.approve_release_as_second_checker(world.pool, TENANT, order.release_id, "checker2", NOW, signer=SIGNER)
    assert order.status == "ISSUED"


def test_many_small_releases_add_up_to_the_larger_class(world: World) -> None:
    ids = world.coils(1, 40)
    world.pledged(ids)
    first = issue(world, facilities.request_release(world.pool, release(ids[:3]), "operator", NOW))
    assert first.needs_second_checker is False
    second = facilities.request_release(world.pool, release(ids[3:6]), "operator", NOW)
    assert second.needs_second_checker is True


def test_goods_under_an_alert_or_unseen_or_on_another_order_stay(world: World) -> None:
    ids = world.coils(1, 20)
    world.pledged(ids)
    with world.pool.connection() as conn:
        conn.execute(
            """INSERT INTO alert (alert_id, tenant_id, rule_code, rule_version, subject_kind, subject_id, leg, severity, status, summary, summary_zh, evidence,
                 occurred_at, opened_at, last_found_at) VALUES ('a', 'demo', 'R03', 1, 'goods', %s, 'L', 'P2', 'OPEN', 's', 's', '{}', %s, %s, %s)""",
            (ids[0], NOW, NOW, NOW),
        )
    order = facilities.request_release(world.pool, release(ids[:1]), "operator", NOW)
    with pytest.raises(WrongState, match="R03"):
        facilities.approve_release_as_maker(world.pool, TENANT, order.release_id, "maker", NOW)
    with pytest.raises(WrongState, match=order.release_id):
        facilities.request_release(world.pool, release(ids[:2]), "operator", NOW)
    world.heard("rd-1", NOW - timedelta(minutes=1), "offline")
    held = facilities.request_release(world.pool, release(ids[5:6]), "operator", NOW)
    with pytest.raises(WrongState, match="held"):
        facilities.approve_release_as_maker(world.pool, TENANT, held.release_id, "maker", NOW)


def test_left_over_goods_return_when_the_order_expires(world: World) -> None:
    ids = world.coils(1, 20)
    world.pledged(ids)
    order = issue(world, facilities.request_release(world.pool, release(ids[:2]), "operator", NOW))
    unused = issue(world, facilities.request_release(world.pool, release(ids[2:3]), "operator", NOW))
    facilities.record_gate_out(world.pool, ids[0], NOW + timedelta(hours=1), NOW + timedelta(hours=1))
    assert facilities.expire_releases(world.pool, NOW + timedelta(hours=8, minutes=29)) == []
    later = NOW + timedelta(hours=9)
    assert sorted(facilities.expire_releases(world.pool, later)) == sorted([order.release_id, unused.release_id])
    assert facilities.expire_releases(world.pool, later) == []
    assert world.scalar("SELECT status FROM release_order WHERE release_id = %s", order.release_id) == "RECONCILED"
    assert world.scalar("SELECT status FROM release_order WHERE release_id = %s", unused.release_id) == "EXPIRED"
    assert world.scalar("SELECT array_agg(state ORDER BY goods_id) FROM goods_unit WHERE goods_id = ANY(%s)", ids[:3]) == [
        "GATED_OUT",
        "PLEDGED",
        "PLEDGED",
    ]
    assert facilities.record_gate_out(world.pool, ids[1], later, later) is None


def test_two_threads_release_the_same_goods_and_one_order_exists(world: World) -> None:
    ids = world.coils(1, 20)
    world.pledged(ids)

    def ask(i: int) -> str:
        try:
            return facilities.request_release(world.pool, release(ids[:2]), f"operator-{i}", NOW).status
        except ChuantouError as exc:
            return exc.code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(ask, range(8))) == ["REQUESTED", *["wrong_state"] * 7]


def test_last_unit_out_discharges_the_pledge(world: World) -> None:
    ids = world.coils(1, 1)
    pledge = world.pledged(ids)
    issue(world, facilities.request_release(world.pool, release(ids), "operator", NOW))
    facilities.record_gate_out(world.pool, ids[0], NOW, NOW)
    assert world.scalar("SELECT status FROM pledge WHERE pledge_id = %s", pledge.pledge_id) == "DISCHARGED"
    with pytest.raises(WrongState):
        facilities.request_release(world.pool, release(ids), "operator", NOW)


def test_lines_that_do_not_descend_are_refused_at_set_up(world: World) -> None:
    wrong = facility("F-9", warning_line=Decimal("1.43"), margin_call_line=Decimal("1.29"), disposal_line=Decimal("1.17"))
    with pytest.raises(RejectedInput, match="born under"):
        facilities.open_facility(world.pool, wrong, "loader", NOW)


def test_store_refuses_lines_that_do_not_balance_and_entries_without_lines(world: World) -> None:
    entry = facilities.post_cash(world.pool, cash(CashKind.FEE, "10"), "loader", NOW)
    line = "INSERT INTO ledger_posting (entry_id, line_no, account, amount, unit) VALUES (%s, 9, 'fees', 1, 'CNY')"
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="off by 1"), world.pool.connection() as conn:
        conn.execute(line.encode(), (entry.entry_id,))
    bare = """INSERT INTO ledger_entry (facility_id, entry_no, kind, happened_at, recorded_at, business_date, actor, reason, idempotency_key, request_hash,
                prev_hash, hash) VALUES ('F-1', 2, 'FEE', now(), now(), '2020-03-09', 'x', 'x', 'bare', 'x', 'x', repeat('0', 64))"""
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="no posting"), world.pool.connection() as conn:
        conn.execute(bare.encode())


def test_a_pledge_of_five_thousand_units_is_one_entry(world: World) -> None:
    world.pledged(world.coils(1, 5000))
    assert world.scalar("SELECT count(*) FROM ledger_entry") == 1
    assert world.scalar("SELECT count(*) FROM ledger_posting") == 10000
    assert position(world.pool, "F-1", NOW).collateral_value == Decimal(400_000_000)
