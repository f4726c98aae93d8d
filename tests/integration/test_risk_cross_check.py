"""The scheduled rules on a real store: what is missing, silent, unsighted, off its road, sold, invoiced without a move."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from collateral_world import BORROWER, KEEPER, LENDER, NOW, TENANT
from risk_world import RiskWorld, all_heard, build_risk_world

from collateral import registry_service as registry
from collateral.commands import RegisterDocument, RegisterTrip
from db.pool import Pool
from risk.rule import Cleared
from risk.rules import RULES, tag_missing
from risk.snapshot import Snapshot

HOUR = timedelta(hours=1)


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


def rounds(world: RiskWorld, goods: list[str], first: datetime, count: int, *, but: tuple[str, ...] = ()) -> datetime:
    """Hourly rounds of rd-1 that read all goods but some; a cross-check after each. Returns the last round's time."""
    at = first
    for i in range(count):
        at = first + i * HOUR
        world.see([g for g in goods if g not in but], at)
        all_heard(world, at + timedelta(minutes=2))
        world.check(at + timedelta(minutes=3))
    return at


def test_a_unit_that_its_reader_stops_reading_while_it_reads_the_others_is_missing_and_comes_back(world: RiskWorld) -> None:
    goods = world.coils(1, 8, seen_at=NOW)
    world.pledged(goods)
    at = rounds(world, goods, NOW, 2)
    at = rounds(world, goods, at + HOUR, 1, but=(goods[0],))
    assert world.open("R02") == []
    at = rounds(world, goods, at + HOUR, 1, but=(goods[0],))
    assert world.open("R02") == [goods[0]]
    alert = world.alerts("R02")[0]
    assert alert["facility_id"] == "F-1"
    assert alert["exposure_at_risk"] == Decimal("80000.00")
    assert alert["evidence"]["rounds_since"] == alert["evidence"]["rounds_needed"] == 2
    assert world.open("R21") == []
    rounds(world, goods, at + HOUR, 1)
    assert world.open("R02") == []
    assert world.events(alert["alert_id"]) == ["OPENED", "RESOLVED"]


def test_a_silent_reader_is_one_alert_and_makes_none_of_its_goods_missing(world: RiskWorld) -> None:
    goods = world.coils(1, 8, seen_at=NOW)
    world.pledged(goods)
    at = rounds(world, goods, NOW, 2)
    for i in range(1, 12):
        later = at + i * HOUR
        all_heard(world, later, but=("rd-1",))
        world.check(later + timedelta(minutes=1))
    assert world.open("R21") == ["rd-1"]
    assert world.open("R02") == []
    alert = world.alerts("R21")[0]
    assert alert["severity"] == "P2"
    assert alert["evidence"]["units_behind"] == 8
    assert alert["exposure_at_risk"] == Decimal("640000.00")
    rounds(world, goods, at + 12 * HOUR, 1)
    assert world.open("R21") == []


def test_the_wall_going_on_alone_makes_nothing_silent_and_nothing_missing(world: RiskWorld) -> None:
    goods = world.coils(1, 8, seen_at=NOW)
    world.pledged(goods)
    at = rounds(world, goods, NOW, 3)
    world.check(at + 48 * HOUR)  # ingest stands still: the stream ends at `at`
    assert world.open("R21") == world.open("R02") == world.open("R04") == []


def test_a_unit_never_sighted_within_a_day_of_its_pledge_is_a_phantom(world: RiskWorld) -> None:
    seen, never = world.coils(1, 1)[0], world.coils(2, 1, seen_at=None)[0]
    world.pledged([seen, never], at=NOW)
    all_heard(world, NOW + 24 * HOUR)
    world.check(NOW + 24 * HOUR)
    assert world.open("R04") == []
    all_heard(world, NOW + 24 * HOUR + timedelta(minutes=1))
    world.check(NOW + 24 * HOUR + timedelta(minutes=1))
    assert world.open("R04") == [never]
    assert world.alerts("R04")[0]["severity"] == "P1"
    world.see([never], NOW + 26 * HOUR)
    all_heard(world, NOW + 26 * HOUR)
    world.check(NOW + 26 * HOUR)
    assert world.open("R04") == []


def invoice(
    world: RiskWorld,
    number: str,
    issued_at: datetime,
    goods: list[str],
    *,
    kind: str = "INVOICE",
    seller: str = KEEPER,
    buyer: str = BORROWER,
) -> str:
    document = RegisterDocument(
        tenant_id=TENANT, kind=kind, number=number, issuer_party_id=seller, seller_party_id=seller, buyer_party_id=buyer, amount=Decimal("80000"),
        currency="CNY", contract_no=f"C-{number}", issued_at=issued_at, received_at=issued_at, goods_ids=tuple(goods), document_id=f"{kind}-{number}",
    )  # fmt: skip
    registry.register_documents(world.pool, [document], "loader", issued_at)
    return f"{kind}-{number}"


def test_an_invoice_without_movement_is_found_after_five_business_days_unless_the_keeper_notes_a_transfer(world: RiskWorld) -> None:
    goods = world.coils(1, 2)
    issued = NOW - timedelta(days=7)  # Monday 2020-03-02; T+5 ends Monday 2020-03-09 17:00 in Shanghai = 09:00Z
    found = invoice(world, "1", issued, goods[:1])
    invoice(world, "2", issued, goods[1:])
    invoice(world, "2", issued, goods[1:], kind="TRANSFER_NOTE")
    deadline = NOW + 3 * HOUR
    all_heard(world, deadline)
    world.check(deadline)
    assert world.open("R16") == []
    world.check(deadline + timedelta(seconds=1))
    assert world.open("R16") == [found]
    invoice(world, "1", issued, goods[:1], kind="WAYBILL")
    world.movement("GATE_IN", goods[0], NOW)
    world.check(deadline + 2 * HOUR)
    assert world.open("R16") == []


def test_a_pledged_unit_that_its_owner_sells_is_found_once(world: RiskWorld) -> None:
    goods = world.coils(1, 2)
    world.pledged(goods[:1], at=NOW)
    invoice(world, "9", NOW + HOUR, goods, seller=BORROWER, buyer=LENDER)
    world.check(NOW + 2 * HOUR)
    world.check(NOW + 3 * HOUR)
    assert world.open("R17") == goods[:1]
    assert world.events(world.alerts("R17")[0]["alert_id"]) == ["OPENED"]


def test_a_lorry_off_its_corridor_is_found_from_the_third_fix_and_five_minutes(world: RiskWorld) -> None:
    goods = world.coils(1, 1)
    world.pledged(goods)
    registry.register_trip(
        world.pool,
        RegisterTrip(
            tenant_id=TENANT, trip_id="T-1", vehicle_plate="沪A12345", device_id="trk-1", corridor={"type": "LineString", "coordinates": [[121.5, 31.4], [121.8, 31.4]]},
            planned_from=NOW, planned_to=NOW + 4 * HOUR, status="UNDER_WAY", goods_ids=tuple(goods),
        ),
        "loader",
        NOW,
    )  # fmt: skip

    def fix(minute: float, north_m: float) -> None:
        world.execute(
            "INSERT INTO position (observed_at, received_at, device_id, event_key, lon, lat, datum_in, fix, acc_m, content_hash)"
            " VALUES (%s, %s, 'trk-1', %s, 121.6, %s, 'WGS84', 'valid', 10, '\\x00')",
            NOW + timedelta(minutes=minute), NOW, str(minute), 31.4 + north_m / 111_000,
        )  # fmt: skip

    for minute, north_m in ((0, 0), (2, 900), (4, 900), (6.9, 900)):
        fix(minute, north_m)
    world.check(NOW + timedelta(minutes=7))
    assert world.open("R12b") == []
    fix(7, 900)
    world.check(NOW + timedelta(minutes=8))
    assert world.open("R12b") == ["T-1"]
    assert world.alerts("R12b")[0]["severity"] == "P2"
    for minute in range(9, 36, 2):
        fix(minute, 1500)
    world.check(NOW + timedelta(minutes=40))
    alert = world.alerts("R12b")[0]
    assert alert["severity"] == "P1"
    assert world.events(alert["alert_id"]) == ["OPENED", "RAISED"]


def test_a_rule_that_crashes_is_recorded_and_its_alerts_stay_open(world: RiskWorld) -> None:
    never = world.coils(2, 1, seen_at=None)
    world.pledged(never, at=NOW - 48 * HOUR)
    all_heard(world, NOW)
    world.check(NOW)
    assert world.open("R04") == never
    world.execute("DELETE FROM device_state")
    world.see(never, NOW)  # the condition is gone, but the rule cannot say so

    def crash(_: Snapshot) -> list[Cleared]:
        raise ZeroDivisionError("no such thing")

    broken = tuple(dataclasses.replace(r, check=crash) if r.code == "R04" else r for r in RULES if r.code in ("R04", "R21"))
    report = world.check(NOW + HOUR, rules=broken)
    assert report.status == "PARTLY_FAILED"
    assert report.errors == [{"rule": "R04", "error": "ZeroDivisionError: no such thing"}]
    assert world.open("R04") == never
    stored = world.scalar("SELECT errors FROM job_run WHERE run_id = %s", report.run_id)
    assert stored == report.errors
    world.check(NOW + 2 * HOUR)
    assert world.open("R04") == []


def test_rounds_needed_follow_the_published_figures() -> None:
    assert tag_missing.rounds_needed(5000, Decimal("0.95")) == 4
    assert tag_missing.rounds_needed(5000, Decimal("0.66")) == 11
