"""A price fall that goes warning, margin call, lapse, disposal case; with the Brent figures of March 2020."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from collateral_world import BORROWER, LENDER, NOW, TENANT
from risk_world import RiskWorld, build_risk_world

from collateral import facility_service as facilities
from collateral import registry_service as registry
from collateral.commands import CashKind, CashMovement, CreatePledge, FacilityCommodity, GoodsRegistration, OpenFacility, PriceReport
from db.pool import Pool
from risk import job_store, store
from risk.jobs import run_margin_expiry, run_mark, run_overnight_revaluation

FRIDAY = datetime(2020, 3, 6, 8, tzinfo=UTC)
MONDAY = datetime(2020, 3, 9, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def brent(world: RiskWorld, price: str, at: datetime, sources: tuple[str, ...] = ("EIA", "PLATTS")) -> list[str]:
    reports = [
        PriceReport(commodity_code="BRENT", source=s, quoted_at=at, price=Decimal(price), currency="USD", unit="bbl", tax_inclusive=False, synthetic=False)
        for s in sources
    ]  # fmt: skip
    return [str(r.status) for r in registry.record_prices(world.pool, reports, at)]


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    """10 000 barrels at 45.60 USD, 60 % advance, drawn to the full."""
    world = build_risk_world(pool)
    lots = [
        GoodsRegistration(
            goods_id=f"LOT-{i}", commodity_code="BRENT", kind="TANK_LOT", quantity=Decimal(1000), unit="bbl", owner_party_id=BORROWER,
            warehouse_id="WH-SH-01", zone_id="WH-SH-01/bay-1", tag_epc=f"E2{i:04X}", produced_on=date(2020, 3, 1),
        )
        for i in range(10)
    ]  # fmt: skip
    start = FRIDAY - timedelta(days=2)
    registry.register_goods(pool, TENANT, lots, "loader", start)
    goods = [g.goods_id for g in lots]
    world.see(goods, FRIDAY)
    commodity = FacilityCommodity(commodity_code="BRENT", advance_rate=Decimal("0.60"), primary_source="EIA", check_source="PLATTS")
    facilities.open_facility(
        pool,
        OpenFacility(
            facility_id="F-OIL", tenant_id=TENANT, name="Oil", name_zh="油品", borrower_party_id=BORROWER, lender_party_id=LENDER,
            product="PETROCHEM_TANK", pledge_mode="STATIC", currency="USD", limit_amount=Decimal(1_000_000), advance_rate=Decimal("0.60"),
            cure_unit="HOURS", cure_length=24, matures_on=date(2020, 12, 31), commodities=(commodity,), opened_at=start,
        ),
        "loader",
        start,
    )  # fmt: skip
    brent(world, "45.60", FRIDAY)
    made = facilities.create_pledge(pool, CreatePledge(tenant_id=TENANT, facility_id="F-OIL", goods_ids=tuple(goods)), "loader", start)
    facilities.approve_pledge(pool, TENANT, made.pledge_id, "approver", start)
    cash(world, CashKind.DRAWDOWN, "273600", FRIDAY)
    return world


def cash(world: RiskWorld, kind: CashKind, amount: str, at: datetime) -> None:
    facilities.post_cash(
        world.pool,
        CashMovement(tenant_id=TENANT, facility_id="F-OIL", kind=kind, amount=Decimal(amount), currency="USD", reason="test", idempotency_key=f"{kind}{at}", happened_at=at),
        "loader",
        at,
    )  # fmt: skip


def seen(world: RiskWorld, at: datetime) -> None:
    world.see([f"LOT-{i}" for i in range(10)], at)


def test_the_fall_of_brent_leads_from_a_call_to_a_case_in_draft_and_every_step_is_an_alert(world: RiskWorld) -> None:
    assert run_mark(world.pool, FRIDAY + HOUR, "PRICE").errors == []
    assert world.open("V01") == world.open("V02") == world.open("V03") == []
    seen(world, MONDAY)
    assert (
        brent(world, "35.33", MONDAY) == ["QUARANTINED", "ACCEPTED"]
        or world.scalar("SELECT count(*) FROM price_quote WHERE status = 'ACCEPTED'") >= 4
    )
    report = run_mark(world.pool, MONDAY + timedelta(minutes=1), "PRICE", facility_ids=["F-OIL"])
    assert report.status == "SUCCEEDED", report.errors
    fall = world.alerts("V01")[0]
    assert (fall["subject_id"], fall["severity"], fall["leg"]) == ("BRENT", "P2", "I")
    assert Decimal(str(fall["evidence"]["fall"])) == Decimal("0.225219")
    # 353 300 / 273 600 = 129.1 %: below the call line of 143.8 %, above the disposal line of 125 %; the warning is passed in one mark
    assert world.open("V03") == ["F-OIL"]
    assert world.open("V02") == world.open("V04") == []
    call = world.alerts("V03")[0]
    assert call["evidence"]["cash_amount"] == "61620.00"
    assert call["severity"] == "P2"
    deadline = datetime.fromisoformat(call["evidence"]["cure_deadline"])
    assert deadline == MONDAY + timedelta(minutes=1, hours=24)
    seen(world, deadline)
    assert run_margin_expiry(world.pool, deadline).inputs["expired"] == []
    report = run_margin_expiry(world.pool, deadline + timedelta(seconds=1))
    assert report.inputs["expired"] == ["F-OIL"]
    case = world.alerts("V04")[0]
    assert (case["severity"], case["status"], case["evidence"]["case_status"], case["evidence"]["trigger"]) == (
        "P1",
        "OPEN",
        "DRAFT",
        "CALL_EXPIRED",
    )
    assert world.scalar("SELECT status FROM disposal_case WHERE facility_id = 'F-OIL'") == "DRAFT"


def test_a_small_fall_warns_and_the_warning_needs_two_clear_marks_to_go(world: RiskWorld) -> None:
    at = MONDAY
    for price, warned in (
        ("42.00", True),
        ("42.60", True),
        ("43.40", True),
        ("43.40", False),
    ):  # warning line 155.0 %, 42.41; clear from 42.69
        seen(world, at)
        brent(world, price, at)
        run_mark(world.pool, at + timedelta(minutes=1), "PRICE", facility_ids=["F-OIL"])
        assert world.open("V02") == (["F-OIL"] if warned else []), price
        at += HOUR
    assert world.alerts("V03") == []


def test_cash_that_cures_a_call_resolves_its_alert(world: RiskWorld) -> None:
    seen(world, MONDAY)
    brent(world, "35.33", MONDAY)
    run_mark(world.pool, MONDAY + timedelta(minutes=1), "PRICE", facility_ids=["F-OIL"])
    assert world.open("V03") == ["F-OIL"]
    later = MONDAY + 2 * HOUR
    cash(world, CashKind.MARGIN_DEPOSIT, "61620", later)
    assert job_store.marks_due(world.pool, later, timedelta(0)).get("REPAYMENT") == ["F-OIL"] or job_store.marks_due(
        world.pool, later, HOUR
    )
    seen(world, later)
    run_mark(world.pool, later + timedelta(minutes=1), "REPAYMENT", facility_ids=["F-OIL"])
    assert world.open("V03") == []
    assert world.events(world.alerts("V03")[0]["alert_id"]) == ["OPENED", "RESOLVED"]


def test_a_jump_that_one_source_alone_reports_is_a_doubtful_price_and_no_fall(world: RiskWorld) -> None:
    assert brent(world, "35.33", MONDAY, ("EIA",)) == ["QUARANTINED"]
    run_mark(world.pool, MONDAY + timedelta(minutes=1), "PRICE", facility_ids=["F-OIL"])
    assert world.open("V01") == []
    assert world.open("V06") == ["BRENT"]
    assert world.alerts("V06")[0]["evidence"]["not_accepted"]["status"] == "QUARANTINED"


def test_the_overnight_revaluation_values_every_facility_once_per_night(world: RiskWorld) -> None:
    due = datetime(2020, 3, 9, 18, tzinfo=UTC)
    report = run_overnight_revaluation(world.pool, due, scheduled_for=due)
    assert report.inputs["facilities"] == 2
    assert world.scalar("SELECT count(*) FROM valuation WHERE cause = 'OVERNIGHT'") == 2
    assert run_overnight_revaluation(world.pool, due, scheduled_for=due).run_id is None
    assert world.scalar("SELECT count(*) FROM valuation WHERE cause = 'OVERNIGHT'") == 2


def test_a_p1_on_goods_makes_a_mark_due_and_takes_their_value_away(world: RiskWorld) -> None:
    seen(world, NOW)
    run_mark(world.pool, NOW, "MANUAL")
    assert job_store.marks_due(world.pool, NOW + HOUR, timedelta(0)) == {}
    world.execute(
        "INSERT INTO alert (alert_id, tenant_id, rule_code, rule_version, subject_kind, subject_id, facility_id, leg, severity, status, summary, summary_zh,"
        " evidence, occurred_at, opened_at, last_found_at) VALUES ('a-1', 'demo', 'R01', 1, 'goods', 'LOT-0', 'F-OIL', 'L', 'P1', 'OPEN', 's', 's', '{}', %s, %s, %s)",
        NOW, NOW + HOUR, NOW + HOUR,
    )  # fmt: skip
    assert job_store.marks_due(world.pool, NOW + HOUR, timedelta(0)) == {"ELIGIBILITY": ["F-OIL"]}
    run_mark(world.pool, NOW + HOUR, "ELIGIBILITY", facility_ids=["F-OIL"])
    assert world.scalar("SELECT collateral_value FROM valuation WHERE cause = 'ELIGIBILITY'") == Decimal("410400.00")


def test_a_check_that_looked_before_the_call_does_not_resolve_the_alert_of_the_mark_after_it(
    world: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(world, MONDAY)
    brent(world, "35.33", MONDAY)
    load, marked, slow = store.load_snapshot, threading.Event(), threading.Event()

    def slow_load(*args: Any, **other: Any) -> Any:
        snapshot = load(*args, **other)
        if threading.current_thread().name == "check":
            slow.set()
            marked.wait(2)  # without the lock the mark would run to its end here
        return snapshot

    monkeypatch.setattr(store, "load_snapshot", slow_load)
    check = threading.Thread(target=world.check, args=(MONDAY + HOUR,), name="check")
    check.start()
    assert slow.wait(10)
    run_mark(world.pool, MONDAY + timedelta(minutes=1), "PRICE", facility_ids=["F-OIL"])
    marked.set()
    check.join()
    assert world.open("V03") == ["F-OIL"]
    assert world.events(world.alerts("V03")[0]["alert_id"]) == ["OPENED"]
