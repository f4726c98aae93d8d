"""From rows in the store to alerts: what each new rule rests on is loaded, and the rules answer on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from collateral_world import BORROWER, KEEPER, LENDER, NOW, TENANT, square
from psycopg.types.json import Jsonb
from risk_world import START, TUNING, RiskWorld, all_heard, build_risk_world

from collateral import registry_service as registry
from collateral.commands import MapAntenna, RegisterDevice, RegisterDocument, RegisterReceipt, RegisterTrip, RegisterZone
from collateral.errors import RejectedInput
from collateral.rule_input_service import RuleMode, SetThreshold, record_input, set_mode, set_threshold
from db.pool import Pool
from risk import store
from risk.rule import Section
from risk.rules import RULES
from risk.snapshot import Snapshot
from risk.verdict_store import verdict_on

D = Decimal
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LINE = {"type": "LineString", "coordinates": [[121.48, 31.40], [121.85, 31.20]]}


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


def event(world: RiskWorld, device_id: str, kind: str, at: datetime, payload: dict[str, Any]) -> None:
    world.execute(
        "INSERT INTO device_event (observed_at, received_at, device_id, event_key, type, payload, content_hash) VALUES (%s, %s, %s, %s, %s, %s, '\\x00')",
        at, at, device_id, f"{kind}{at.timestamp()}", kind, Jsonb(payload),
    )  # fmt: skip


def fix(world: RiskWorld, at: datetime, lon: float, lat: float, **other: Any) -> None:
    world.execute(
        "INSERT INTO position (observed_at, received_at, device_id, event_key, lon, lat, datum_in, fix, sats, ignition, content_hash)"
        " VALUES (%s, %s, 'trk-1', '', %s, %s, 'WGS84', 'valid', %s, %s, '\\x00')",
        at, other.get("received_at", at), lon, lat, other.get("sats"), other.get("ignition"),
    )  # fmt: skip


def paper(kind: str, number: str, **other: Any) -> RegisterDocument:
    made = RegisterDocument(tenant_id=TENANT, kind=kind, number=number, issuer_party_id=KEEPER, issued_at=NOW - timedelta(days=10))
    return replace(made, **other)


def sensor(world: RiskWorld, device_id: str, zone_id: str | None) -> None:
    device = RegisterDevice(
        device_id=device_id,
        tenant_id=TENANT,
        site="WH-SH-01",
        warehouse_id="WH-SH-01",
        device_class="sensor",
        format="native",
        name=device_id,
    )
    registry.register_device(world.pool, device, "devices", START)
    if zone_id is not None:
        mapping = MapAntenna(tenant_id=TENANT, device_id=device_id, antenna=0, zone_id=zone_id, valid_from=START)
        registry.map_antenna(world.pool, mapping, "devices", START)


def attest(world: RiskWorld, what: str, /, **values: Any) -> str:
    return record_input(world.pool, TENANT, what, values, "loader", NOW - timedelta(days=1))


def furnish(world: RiskWorld) -> list[str]:
    """Two coils of a trade under a receipt and a pledge, a tank lot, a scale, a trip, and every kind of input."""
    pool = world.pool
    world.price("4000", NOW - timedelta(days=6))
    goods = world.coils(1, 4, weight_scale_kg=D(20_000), brand="BAO")
    registry.register_zone(
        pool,
        RegisterZone(zone_id="WH-SH-01/tank-1", tenant_id=TENANT, warehouse_id="WH-SH-01", name="T1", kind="TANK", polygon=square(121.487, 31.402, 0.001)),
        "loader",
        START,
    )  # fmt: skip
    tank = world.coils(50, 1, zone_id="WH-SH-01/tank-1", quantity=D(500), kind="TANK_LOT", mill=None, heat_no=None, piece_no=None)
    receipt = RegisterReceipt(
        receipt_no="WR-9", tenant_id=TENANT, warehouse_id="WH-SH-01", depositor_party_id=BORROWER, keeper_party_id=KEEPER, issued_at=NOW - timedelta(days=5),
        shrinkage_rate=D("0.002"), insured_amount=D(1), currency="CNY", insurance_until=date(2020, 3, 20), goods_ids=(goods[0], goods[1]),
    )  # fmt: skip
    registry.register_receipt(pool, receipt, "loader", NOW - timedelta(days=3))
    world.pledged([*goods, *tank])
    for device_id, zone_id in (("gauge-1", "WH-SH-01/tank-1"), ("scale-1", None), ("load-1", "WH-SH-01/bay-1"), ("seal-1", None)):
        sensor(world, device_id, zone_id)
    attest(
        world,
        "scale_calibration",
        device_id="scale-1",
        calibrated_at=NOW - timedelta(days=9),
        valid_to=NOW + timedelta(days=9),
        certificate_no="C",
    )
    attest(world, "tank_spec", zone_id="WH-SH-01/tank-1", valid_from=START, strapping=[["0", "0"], ["10", "1000"]], capacity_m3=D(1000), density15_min=D(830), density15_max=D(850), expansion_per_c=D("0.0008"))  # fmt: skip
    attest(world, "site_hours", warehouse_id="WH-SH-02", valid_from=START, opens=time(8), closes=time(18), works_holidays=False)
    attest(
        world,
        "work_ticket",
        warehouse_id="WH-SH-02",
        kind="MAINTENANCE",
        valid_from=NOW - HOUR,
        valid_to=NOW,
        reason="x",
        approved_by="officer",
    )
    attest(world, "business_figure", kind="SITE_CAPACITY_KG", warehouse_id="WH-SH-01", value=D(100_000), valid_from=date(2020, 1, 1), valid_to=date(2020, 12, 31), source="lease")  # fmt: skip
    attest(world, "business_figure", kind="PARTY_CAPACITY_KG", party_id=BORROWER, value=D(100_000), valid_from=date(2020, 1, 1), valid_to=date(2020, 12, 31), source="visit")  # fmt: skip
    attest(world, "registry_event", party_id=KEEPER, kind="OWNER", happened_on=date(2020, 2, 1), summary="sold", cosmetic=False)
    for i in (1, 2):
        attest(world, "inspection_visit", warehouse_id="WH-SH-01", planned_at=NOW - timedelta(days=i + 1), outcome="REFUSED", by_site=True, note="", photo_phashes=["0" * 16])  # fmt: skip
    for party in (BORROWER, KEEPER):
        attest(world, "party_link", party_id=party, kind="OFFICER", key="Li", valid_from=date(2020, 1, 1), disclosed=False)
    attest(world, "dated_proof", kind="SUPERVISION", facility_id="F-1", number="S-1", valid_from=START, valid_to=NOW - HOUR)
    attest(world, "receipt_check", receipt_no="WR-9", answer="UNKNOWN", attempts=1, asked_at=NOW - timedelta(days=1))
    attest(world, "receipt_series", keeper_party_id=KEEPER, prefix="WR-", first_no=1, last_no=99)
    attest(world, "road_place", kind="REST_AREA", name="rest", lon=121.5, lat=31.3, radius_m=D(300))
    attest(world, "commodity_band", commodity_code="HRC", property="ASSAY_PCT", low=D(99), high=D(100))
    event(world, "scale-1", "weight", NOW - HOUR, {"goods_id": goods[1], "net_kg": 15_000})
    event(world, "scale-1", "weight", NOW - 3 * HOUR, {"goods_id": goods[1], "net_kg": "20000"})
    event(world, "scale-1", "weight", NOW - 2 * HOUR, {"goods_ids": [goods[2], {}], "net_kg": "much"})
    event(world, "load-1", "weight", NOW - HOUR, {"stock_kg": 60_000})
    for i in range(4):
        event(world, "gauge-1", "tank", NOW - (i + 1) * 10 * MINUTE, {"level_m": 5, "density_kgpm3": 840.0, "free_water_m": "0.5", "temperature_c": None, "valve": "closed"})  # fmt: skip
    event(world, "seal-1", "tamper", NOW - HOUR, {"part": "cover"})
    registry.register_documents(
        pool,
        [
            paper("INSPECTION", "IN-1", content={"grade": "STONE", "assay_pct": "50"}, goods_ids=(goods[3],)),
            paper("INVOICE", "F-1", seller_party_id=BORROWER, buyer_party_id=LENDER, quantity=D(20), unit="t", amount=D(200_000), currency="CNY", contract_no="K-1", commodity_code="HRC", goods_ids=(goods[0],), issued_at=NOW - timedelta(days=4)),
            paper("INVOICE", "F-2", seller_party_id=LENDER, buyer_party_id=KEEPER, quantity=D(20), unit="t", amount=D(90_400), currency="CNY", commodity_code="HRC"),
            paper("INVOICE", "F-3", seller_party_id=KEEPER, buyer_party_id=BORROWER, quantity=D(20), unit="t", amount=D(90_400), currency="CNY", commodity_code="HRC"),
            paper("WEIGH_TICKET", "W-1", quantity=D(15), unit="t", contract_no="K-1", issued_at=NOW - timedelta(days=4), received_at=NOW - timedelta(days=4)),
            paper("WEIGH_TICKET", "W-2", content={"direction": "OUT"}, goods_ids=(goods[2],), issued_at=NOW - HOUR, warehouse_id="WH-SH-01"),
            paper("WAYBILL", "Y-1", content={"entry": "manual"}, warehouse_id="WH-SH-01"),
        ],
        "loader",
        NOW - timedelta(days=4),
    )  # fmt: skip
    trip = RegisterTrip(
        tenant_id=TENANT, trip_id="T-1", vehicle_plate="沪A12345", device_id="trk-1", corridor=LINE, planned_from=NOW - 9 * HOUR, planned_to=NOW - 5 * HOUR,
        origin_warehouse_id="WH-SH-01", destination_warehouse_id="WH-SH-02", status="UNDER_WAY", goods_ids=(goods[3],),
    )  # fmt: skip
    registry.register_trip(pool, trip, "loader", START)
    attest(world, "trip_change", trip_id="T-1", changed_at=NOW - 6 * HOUR, destination="elsewhere", reason="")
    for i in range(59):
        fix(world, NOW - (60 - i) * MINUTE, 121.70, 31.30 + 0.00001 * (i % 2))
    world.movement("ZONE_CHANGE", goods[2], NOW - 12 * HOUR, from_zone_id="WH-SH-01/bay-1", to_zone_id="WH-SH-01/bay-2", device_id="rd-2")
    world.movement("GATE_OUT", goods[1], NOW - 3 * HOUR)
    return goods


def loaded(world: RiskWorld, at: datetime = NOW) -> Snapshot:
    return store.load_snapshot(world.pool, list(Section), as_of=at, settle=TUNING.settle, round_interval=TUNING.round_interval)


def test_every_section_is_loaded_from_its_rows_and_the_rules_answer(world: RiskWorld) -> None:
    goods = furnish(world)
    all_heard(world, NOW)
    seen = loaded(world)
    assert seen.not_loaded == {}
    empty = {name for name, count in seen.counts().items() if not count}
    assert empty <= {
        "movements",
        "refusals",
        "unseen",
        "unsighted",
        "twins",
        "orders",
        "yard_vehicles",
        "configs",
        "sales",
        "clocks",
        "unconserved",
    }, empty
    (tank,) = seen.tanks
    assert (tank.booked_kg, tank.holder.facility_id, len(tank.gaugings), tank.gaugings[-1].free_water_m) == (D(500_000), "F-1", 4, D("0.5"))
    assert [w.measured_kg for w in seen.weighings] == [D(15_000), D(20_000)]
    assert [(c.kind, c.claimed_kg) for c in seen.claims] == [("site", D(580_000)), ("stack", D(80_000))]
    assert seen.receipts[0].check == "UNKNOWN"
    assert seen.trips[0].changes[0][1] == "elsewhere"
    assert len(seen.trips[0].stops) == 2
    report = world.check(NOW)
    assert report.errors == []
    found = {a["rule_code"] for a in world.alerts()}
    expected = {
        "R06",
        "R07",
        "R08",
        "R09",
        "R11",
        "R13",
        "R14",
        "R18",
        "R20",
        "R22",
        "R24",
        "R25",
        "R28",
        "R29",
        "R31",
        "R32",
        "R33",
        "V08",
        "V09",
    }
    assert expected <= found, expected - found
    assert world.open("R06") == ["WH-SH-01", "WH-SH-01/bay-1", "WH-SH-01/tank-1"]
    assert [a["subject_id"] for a in world.alerts("R09") if a["subject_kind"] == "goods"] == [goods[1]]
    assert all(a["summary_zh"] and a["evidence"] for a in world.alerts())

    judged = verdict_on(world.pool, TENANT, "facility", "F-1", NOW)
    assert judged.colour == "red"
    assert judged.composite
    assert any("R11" in line for line in judged.why)
    assert len(judged.why) == len(judged.why_zh)
    assert verdict_on(world.pool, TENANT, "warehouse", "WH-SH-01", NOW).score < 50
    assert verdict_on(world.pool, TENANT, "warehouse", "WH-SH-02", NOW).score > judged.score


def test_a_threshold_of_a_site_counts_there_and_shows_on_the_alert(world: RiskWorld) -> None:
    furnish(world)
    for value, site in ((D(9), "WH-SH-01"), (D("0.001"), None)):
        command = SetThreshold(tenant_id=TENANT, rule_code="R06", name="tolerance", value=value, reason="trial", warehouse_id=site)
        version = set_threshold(world.pool, command, "officer", NOW - HOUR)
    all_heard(world, NOW)
    world.check(NOW)
    assert world.open("R06") == ["WH-SH-01"]  # by its capacity; tank and stack are within the site's own tolerance
    set_threshold(
        world.pool,
        SetThreshold(tenant_id=TENANT, rule_code="R06", name="tolerance", value=None, reason="back", warehouse_id="WH-SH-01"),
        "officer",
        NOW,
    )
    world.check(NOW + MINUTE)
    alert = next(a for a in world.alerts("R06") if a["subject_id"] == "WH-SH-01/tank-1")
    assert version > 0
    assert alert["thresholds"]["tolerance"] == "0.005"


def test_a_rule_in_shadow_looks_and_raises_nothing_and_its_open_alerts_stay(world: RiskWorld) -> None:
    furnish(world)
    all_heard(world, NOW)
    set_mode(world.pool, TENANT, "R11", RuleMode.SHADOW, "new here", "officer", NOW)
    report = world.check(NOW)
    assert report.inputs["shadow"] == {"R11": 1}
    assert world.open("R11") == []
    assert world.scalar("SELECT subject_id FROM shadow_finding WHERE rule_code = 'R11'") == "WH-SH-01/tank-1"
    set_mode(world.pool, TENANT, "R11", RuleMode.LIVE, "good", "officer", NOW)
    world.check(NOW + MINUTE)
    assert world.open("R11") == ["WH-SH-01/tank-1"]
    set_mode(world.pool, TENANT, "R11", RuleMode.SHADOW, "noisy", "officer", NOW)
    world.check(NOW + 2 * MINUTE)
    assert world.open("R11") == ["WH-SH-01/tank-1"]


def test_a_section_that_cannot_be_loaded_fails_its_own_rules_only(world: RiskWorld) -> None:
    furnish(world)
    all_heard(world, NOW)
    world.execute("ALTER TABLE tank_spec RENAME TO tank_spec_away")
    report = world.check(NOW, rules=[r for r in RULES if r.code in ("R11", "R07")])
    assert [e["rule"] for e in report.errors] == ["R11"]
    assert world.open("R07") == ["WR-9"]
    assert world.open("R11") == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("tank_spec", {"zone_id": "WH-SH-01/bay-1", "valid_from": START, "strapping": [["1", "1"], ["1", "2"]], "capacity_m3": D(1), "density15_min": D(1), "density15_max": D(2)}),
        ("site_hours", {"warehouse_id": "NONE", "valid_from": START, "opens": time(8), "closes": time(9), "works_holidays": True}),
        ("site_hours", {"warehouse_id": "WH-SH-01", "valid_from": START, "opens": time(8), "closes": time(8), "works_holidays": True}),
        ("work_ticket", {"warehouse_id": "WH-SH-01", "kind": "MOVE", "valid_from": NOW, "valid_to": NOW + HOUR, "reason": "x", "approved_by": "loader"}),
        ("dated_proof", {"kind": "LEASE", "number": "x", "valid_from": START, "valid_to": NOW}),
        ("commodity_band", {"commodity_code": "NONE", "property": "ASSAY_PCT", "low": D(1), "high": D(2)}),
        ("nothing", {}),
    ],
)  # fmt: skip
def test_an_input_that_contradicts_itself_or_names_a_stranger_is_refused(world: RiskWorld, kind: str, values: dict[str, Any]) -> None:
    with pytest.raises(RejectedInput):
        record_input(world.pool, TENANT, kind, values, "loader", datetime(2020, 3, 9, tzinfo=UTC))
