"""Rules about papers, trade, sites and the road: what fires, both sides of each boundary, and what keeps them quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from risk_facts import HOUR, MINUTE, NOW, UNIT, findings, snapshot

from risk.facts import CargoSighting, Facility, Fix, Lane, Mark, RoadPlace, Trip
from risk.facts_site import Holder, Outflow
from risk.facts_trade import Contract, Deal, EntityEvent, Expiry, Figure, Holding, Link, Order, Pickup, Receipt
from risk.rule import Severity
from risk.rules import (
    ageing,
    circular_trade,
    concentration,
    control_breach,
    gps_spoof,
    legal_lapse,
    off_market_invoice,
    outflow_run,
    quantity_mismatch,
    realisable_short,
    receipt_forged,
    related_party,
    release_mismatch,
    scale_implausible,
    transit_overdue,
    truck_cargo_apart,
    unplanned_stop,
    warehouse_event,
    zero_margin,
)

D = Decimal
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
HOLDER = Holder(pledge_id="PL-1", facility_id="F-1", units_pledged=1, value=D(1_000_000), currency="CNY")


def faults(verdicts: list[Any]) -> list[list[str]]:
    return [f.evidence["faults"] for f in findings(verdicts)]


# ---------------------------------------------------------------- R07


RECEIPT = Receipt(
    receipt_no="WR-0042", tenant_id="demo", warehouse_id="WH-1", keeper_party_id="K", operator_party_id="K", depositor_party_id="B",
    issued_at=NOW - DAY, recorded_at=NOW, content={}, owners=("B",), same_number=1, came_in_at=None, holder=HOLDER,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"check": "CONFIRMED"}, None),
        ({"check": "UNKNOWN"}, "unknown"),
        ({"check": "REVOKED"}, "revoked"),
        ({"check": "UNREACHABLE", "check_attempts": 2}, None),
        ({"check": "UNREACHABLE", "check_attempts": 3}, "unverifiable"),
        ({"same_number": 2}, "reused"),
        ({"series": (("WR-", 1, 42),)}, None),
        ({"series": (("WR-", 1, 41),)}, "series"),
        ({"series": (("XX-", 1, 99),)}, "series"),
        ({"came_in_at": NOW}, None),
        ({"came_in_at": NOW + SECOND}, "date"),
        ({"licence_to": NOW}, None),
        ({"licence_to": NOW - SECOND}, "keeper"),
        ({"keeper_party_id": "S"}, "stranger"),
        ({"depositor_party_id": "F"}, "owner"),
        ({"content": {"a": 1, "content_sha256": receipt_forged.content_sha256({"a": 1})}}, None),
        ({"content": {"a": 2, "content_sha256": receipt_forged.content_sha256({"a": 1})}}, "hash"),
    ],
)
def test_r07_a_receipt_stands_up_to_its_checks_or_not(change: dict[str, Any], said: str | None) -> None:
    told = findings(receipt_forged.check(snapshot(receipts=(replace(RECEIPT, **change),))))
    assert [f.evidence["faults"] for f in told] == ([[said]] if said else [])
    expected = {"unverifiable": Severity.P3, "stranger": Severity.P2, "owner": Severity.P2}.get(said or "", Severity.P1)
    assert all(f.severity is expected for f in told)


# ---------------------------------------------------------------- R08


ORDER = Order(
    release_id="R-1", tenant_id="demo", facility_id="F-1", vehicle_plate="沪A12345", valid_from=NOW - HOUR, valid_to=NOW + HOUR, status="ISSUED",
    goods_ids=("HRC-1",), ordered_kg=D(20_000), gone_kg=D(20_000), tolerance=D("0.003"), owner_party_ids=("B",), value=D(80_000), currency="CNY",
)  # fmt: skip
PICKUP = Pickup(
    key="WT-1", source="weigh_ticket", tenant_id="demo", warehouse_id="WH-1", occurred_at=NOW - 10 * MINUTE, release_id="R-1",
    vehicle_plate="沪A12345", net_kg=D(20_000), goods_ids=("HRC-1",), holder=HOLDER,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said", "severity"),
    [
        ({}, None, None),
        ({"net_kg": D(20_060)}, None, None),
        ({"net_kg": D(20_061)}, "over", Severity.P1),
        ({"goods_ids": ("HRC-2",)}, "goods", Severity.P1),
        ({"vehicle_plate": "沪 a12345"}, None, None),
        ({"vehicle_plate": "沪A12346"}, "plate_similar", Severity.P3),
        ({"vehicle_plate": "沪A12366"}, "plate", Severity.P1),
        ({"ordered_by_party_id": "B"}, None, None),
        ({"ordered_by_party_id": "X"}, "sender", Severity.P1),
        ({"occurred_at": NOW - HOUR - 30 * MINUTE}, None, None),
        ({"occurred_at": NOW - HOUR - 31 * MINUTE}, "time", Severity.P1),
        ({"release_id": "R-9"}, "no_order", Severity.P1),
        ({"release_id": None}, None, None),
        ({"release_id": None, "goods_ids": ("X",), "vehicle_plate": None}, "no_order", Severity.P1),
        ({"release_id": "R-9", "holder": Holder()}, None, None),
    ],
)
def test_r08_what_was_taken_against_its_order(change: dict[str, Any], said: str | None, severity: Severity | None) -> None:
    told = findings(release_mismatch.check(snapshot(orders=(ORDER,), pickups=(replace(PICKUP, **change),))))
    assert [(f.evidence["faults"], f.severity) for f in told] == ([([said], severity)] if said else [])


def test_r08_less_is_told_when_the_order_is_over_and_two_papers_are_not_added_up() -> None:
    done = replace(ORDER, status="RECONCILED")
    old = replace(PICKUP, occurred_at=NOW - HOUR, net_kg=D(19_500))
    assert faults(release_mismatch.check(snapshot(orders=(done,), pickups=(old,)))) == []  # the papers have not settled
    late = replace(snapshot(orders=(done,), pickups=(old,)), as_of=NOW + 2 * HOUR)
    assert faults(release_mismatch.check(late)) == [["under"]]
    both = (PICKUP, replace(PICKUP, key="S-1", source="scale"))
    assert faults(release_mismatch.check(snapshot(orders=(ORDER,), pickups=both))) == []


# ---------------------------------------------------------------- the road: R13, R14, R15, V09


LINE = {"type": "LineString", "coordinates": [[121.0, 31.0], [122.0, 31.0]]}


def fixes(*places: tuple[float, float, float], **other: Any) -> tuple[Fix, ...]:
    """(minutes before NOW, lon, lat), oldest first."""
    return tuple(Fix(observed_at=NOW - m * MINUTE, lon=lon, lat=lat, acc_m=None, **other) for m, lon, lat in places)


TRIP = Trip(
    trip_id="T-1", tenant_id="demo", vehicle_plate="沪A1", device_id="trk", corridor=LINE, buffer_m=D(500), origin_warehouse_id="WH-1",
    destination_warehouse_id="WH-2", units=(UNIT,), fixes=fixes((60, 121.3, 31.0), (50, 121.5, 31.0), (15, 121.5, 31.0), (5, 121.6, 31.0)),
    planned_from=NOW - 3 * HOUR, planned_to=NOW + HOUR,
)  # fmt: skip
SCRAP = RoadPlace(place_id="X", kind="SCRAP_YARD", name="a scrap yard", lon=121.54, lat=31.0, radius_m=100)
REST = RoadPlace(place_id="Y", kind="REST_AREA", name="rest", lon=121.5, lat=31.0, radius_m=300)


@pytest.mark.parametrize(
    ("trip", "severity"),
    [
        (TRIP, Severity.P3),
        (replace(TRIP, fixes=fixes((50, 121.5, 31.0), (20, 121.5, 31.0))), None),
        (replace(TRIP, fixes=fixes((51, 121.5, 31.0), (20, 121.5, 31.0))), Severity.P3),
        (replace(TRIP, places=(SCRAP,)), Severity.P2),
        (replace(TRIP, places=(REST,)), None),
        (replace(TRIP, fixes=fixes((50, 121.5, 31.0), (15, 121.5, 31.0), speed_mps=5.0)), None),
        (replace(TRIP, fixes=fixes((600, 121.5, 31.0), (560, 121.5, 31.0))), Severity.P2),  # 04:00 in Shanghai
    ],
    ids=["stood 35 min", "30 min", "31 min", "near a scrap yard", "rest area", "driving", "at night"],
)
def test_r13_a_stay_without_a_reason(trip: Trip, severity: Severity | None) -> None:
    assert [f.severity for f in findings(unplanned_stop.check(snapshot(trips=(trip,))))] == ([severity] if severity else [])


def test_r13_another_lorry_that_stands_there_too_shows_a_jam() -> None:
    peer = replace(TRIP, trip_id="T-2", fixes=fixes((55, 121.502, 31.0), (10, 121.502, 31.0)))
    assert findings(unplanned_stop.check(snapshot(trips=(TRIP, peer)))) == []


KNOWN = Lane(trips=20, p90_s=10 * 3600, p99_s=12 * 3600)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"planned_to": NOW - 4 * HOUR}, []),
        ({"planned_to": NOW - 4 * HOUR - SECOND}, ["overdue"]),
        ({"planned_to": NOW - 5 * HOUR, "lane": KNOWN}, []),
        ({"planned_to": NOW - 5 * HOUR, "lane": replace(KNOWN, trips=19)}, ["overdue"]),
        ({"planned_to": NOW - 5 * HOUR - SECOND, "lane": KNOWN}, ["overdue"]),
        ({"planned_from": NOW - 13 * HOUR, "planned_to": NOW - SECOND, "lane": KNOWN}, ["lane"]),
        ({"planned_to": NOW - 6 * HOUR, "changes": ((NOW, "WH-3", NOW - HOUR),)}, []),
        ({"changes": ((NOW, "WH-3", None), (NOW, "WH-4", None))}, ["destination"]),
        ({"planned_to": NOW - 9 * HOUR, "status": "ARRIVED"}, []),
    ],
)
def test_r14_late_beyond_the_lane_or_without_a_destination(change: dict[str, Any], said: list[str]) -> None:
    assert faults(transit_overdue.check(snapshot(trips=(replace(TRIP, **{"planned_from": NOW - 11 * HOUR, **change}),)))) == (
        [said] if said else []
    )


def test_r14_a_closed_road_holds_everybody() -> None:
    late = [replace(TRIP, trip_id=f"T-{i}", planned_from=NOW - 20 * HOUR, planned_to=NOW - 6 * HOUR) for i in range(4)]
    assert findings(transit_overdue.check(snapshot(trips=tuple(late)))) == []
    assert len(findings(transit_overdue.check(snapshot(trips=tuple(late[:3]))))) == 3


def test_r15_two_of_six_tests_make_a_finding_and_one_does_not() -> None:
    jumping = tuple(Fix(observed_at=NOW - (20 - i) * MINUTE, lon=121.0 + 0.1 * (i % 2), lat=31.0, acc_m=None, sats=9) for i in range(20))
    assert list(gps_spoof.failed_tests(replace(TRIP, fixes=jumping), snapshot())) == ["jump"]
    assert findings(gps_spoof.check(snapshot(trips=(replace(TRIP, fixes=jumping),)))) == []
    blind = tuple(replace(f, sats=3) for f in jumping)
    assert [f.evidence["faults"] for f in findings(gps_spoof.check(snapshot(trips=(replace(TRIP, fixes=blind),))))] == [
        ["jump", "satellites"]
    ]


def test_r15_odometer_frozen_place_network_and_future() -> None:
    road = tuple(
        Fix(observed_at=NOW - (30 - i) * MINUTE, lon=121.0 + 0.01 * i, lat=31.0, acc_m=None, odo_km=100 + 0.2 * i) for i in range(30)
    )
    assert "odometer" in gps_spoof.failed_tests(replace(TRIP, fixes=road), snapshot())
    true = tuple(replace(f, odo_km=100 + 0.955 * i) for i, f in enumerate(road))
    assert gps_spoof.failed_tests(replace(TRIP, fixes=true), snapshot()) == {}
    frozen = tuple(Fix(observed_at=NOW - (25 - i) * MINUTE, lon=121.0, lat=31.0, acc_m=None, ignition=True, future=True) for i in range(25))
    assert sorted(gps_spoof.failed_tests(replace(TRIP, fixes=frozen), snapshot())) == ["frozen", "future"]
    parked = tuple(replace(f, ignition=False, future=False) for f in frozen)
    assert gps_spoof.failed_tests(replace(TRIP, fixes=parked), snapshot()) == {}
    apart = tuple(replace(f, network_lon=121.03, network_lat=31.0) for f in parked)
    assert list(gps_spoof.failed_tests(replace(TRIP, fixes=apart), snapshot())) == ["network"]


SEEN = CargoSighting(
    goods_id="HRC-1", seen_at=NOW - 5 * MINUTE, warehouse_id="WH-1", zone_id="WH-1/bay-1", lon=121.0, lat=31.0, entered_at=NOW - 9 * HOUR
)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (SEEN, 1),
        (replace(SEEN, lon=121.605), 0),
        (replace(SEEN, lon=121.6116), 1),
        (replace(SEEN, seen_at=NOW - 3 * HOUR + 14 * MINUTE), 0),
        (replace(SEEN, seen_at=NOW - 100 * MINUTE), 0),
        (replace(SEEN, warehouse_id="WH-2", entered_at=NOW - 10 * MINUTE), 0),
        (replace(SEEN, warehouse_id="WH-2", entered_at=NOW - 40 * MINUTE), 1),
    ],
    ids=["in the yard", "500 m", "1.1 km", "still loading", "no fix near in time", "being unloaded", "there without the lorry"],
)
def test_v09_cargo_that_is_read_where_the_lorry_is_not(seen: CargoSighting, found: int) -> None:
    assert len(findings(truck_cargo_apart.check(snapshot(trips=(replace(TRIP, cargo=(seen,)),))))) == found


# ---------------------------------------------------------------- trade: R18, R19, R20, V08


def deal(number: str, seller: str, buyer: str, *, days: int = 10, **other: Any) -> Deal:
    made = Deal(
        document_id=number, number=number, tenant_id="demo", seller_party_id=seller, buyer_party_id=buyer, commodity_code="CU", quantity=D("101.5"), unit="t",
        amount=D(7_105_000), currency="CNY", issued_at=NOW - days * DAY, contract_no=None,
    )  # fmt: skip
    return replace(made, **other)


CIRCLE = (deal("1", "A", "B", days=30), deal("2", "B", "C", days=20), deal("3", "C", "A", days=10, holder=HOLDER))


@pytest.mark.parametrize(
    ("deals", "found"),
    [
        (CIRCLE, 1),
        (CIRCLE[:2], 0),
        ((*CIRCLE[:2], replace(CIRCLE[2], moves=1)), 0),
        ((*CIRCLE[:2], replace(CIRCLE[2], content={"toll": True})), 0),
        ((*CIRCLE[:2], replace(CIRCLE[2], commodity_code="AL")), 0),
        ((replace(CIRCLE[0], issued_at=NOW - 100 * DAY), *CIRCLE[1:]), 1),
        ((replace(CIRCLE[0], issued_at=NOW - 100 * DAY - SECOND), *CIRCLE[1:]), 0),
        ((*CIRCLE[:2], replace(CIRCLE[2], quantity=D("101.5") * D("1.05"))), 1),
        ((*CIRCLE[:2], replace(CIRCLE[2], quantity=D("101.5") * D("1.051"))), 0),
    ],
    ids=["circle", "open", "moved", "toll", "other goods", "90 days", "longer", "5 % apart", "more"],
)
def test_r18_a_circle_of_sales_in_which_nothing_moved(deals: tuple[Deal, ...], found: int) -> None:
    told = findings(circular_trade.check(snapshot(deals=deals)))
    assert len(told) == found
    assert all(f.pledge_id == "PL-1" for f in told if any(d.holder.pledge_id for d in deals))


def test_r18_seven_sales_are_too_long_a_circle() -> None:
    names = "ABCDEFG"
    for length, found in ((6, 1), (7, 0)):
        ring = tuple(deal(str(i), names[i], names[(i + 1) % length], days=30 - i) for i in range(length))
        assert len(findings(circular_trade.check(snapshot(deals=ring)))) == found


def test_r19_three_signs_of_lending_and_not_two() -> None:
    buy = deal("1", "A", "B", days=4)
    sell = deal("2", "B", "C", days=2, amount=D(7_106_000))
    assert faults(zero_margin.check(snapshot(deals=(buy, sell)))) == [["held_days", "margin", "no_freight"]]
    assert faults(zero_margin.check(snapshot(deals=(replace(buy, waybills=1), sell)))) == []
    shared = tuple(
        Link(tenant_id="demo", party_id=p, kind="PHONE", key="021-1", other_party_id=None, share=None, disclosed=False) for p in "AC"
    )
    assert faults(zero_margin.check(snapshot(deals=(replace(buy, waybills=1), sell), links=shared))) == [["held_days", "margin", "shared"]]
    earned = replace(sell, amount=D(7_105_000) * D("1.005"))
    assert faults(zero_margin.check(snapshot(deals=(buy, earned)))) == []
    kept = replace(buy, issued_at=NOW - 5 * DAY)
    assert faults(zero_margin.check(snapshot(deals=(kept, sell)))) == []


def link(party: str, kind: str = "PHONE", key: str = "1", **other: Any) -> Link:
    return replace(Link(tenant_id="demo", party_id=party, kind=kind, key=key, other_party_id=None, share=None, disclosed=False), **other)


@pytest.mark.parametrize(
    ("links", "severity"),
    [
        ((link("A"), link("B")), Severity.P3),
        ((link("A"), link("B", key="2")), None),
        ((link("A", disclosed=True), link("B", disclosed=True)), None),
        ((link("A", "OFFICER", "Li"), link("B", "OFFICER", " li ")), Severity.P2),
        ((link("A", "SHAREHOLDER", "H", share=D("0.25")), link("B", "SHAREHOLDER", "H", share=D("0.3"))), Severity.P2),
        ((link("A", "SHAREHOLDER", "H", share=D("0.24")), link("B", "SHAREHOLDER", "H", share=D("0.3"))), None),
        ((link("A"), link("B"), *(link(f"X{i}") for i in range(48))), Severity.P3),
        ((link("A"), link("B"), *(link(f"X{i}") for i in range(49))), None),
        ((link("A", "CONTROLLER", "x", other_party_id="B"),), Severity.P2),
    ],
    ids=["telephone", "two", "disclosed", "officer", "25 %", "24 %", "50 share it", "51 share it", "control"],
)
def test_r20_parties_that_belong_together(links: tuple[Link, ...], severity: Severity | None) -> None:
    told = findings(related_party.check(snapshot(deals=(deal("1", "A", "B"),), links=links)))
    assert [f.severity for f in told] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("price", "change", "severity"),
    [
        ("73500", {}, None),
        ("73501", {}, Severity.P3),
        ("66499", {}, Severity.P3),
        ("77000", {}, Severity.P3),
        ("77001", {}, Severity.P2),
        ("80000", {"content": {"formula_price": True}}, None),
        ("75000", {"content": {"freight_per_unit": "2000"}}, None),
        ("80000", {"reference_currency": "USD"}, None),
        ("80", {"unit": "kg"}, Severity.P2),
    ],
)
def test_v08_an_invoice_beside_the_market_of_its_day(price: str, change: dict[str, Any], severity: Severity | None) -> None:
    one = deal("1", "A", "B", quantity=D(10), amount=D(price) * 10, reference=D(70_000), reference_unit="t", reference_currency="CNY")
    told = findings(off_market_invoice.check(snapshot(deals=(replace(one, **change),))))
    assert [f.severity for f in told] == ([severity] if severity else [])


# ---------------------------------------------------------------- R24


CONTRACT = Contract(
    contract_no="C-1", tenant_id="demo", commodity_code="HRC", unit="kg", tolerance=D("0.003"), largest_unit=D(50),
    quantities={"invoice": D(100_000), "scale": D(99_700)}, rows={}, newest_at=NOW - 48 * HOUR, holder=HOLDER,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, 0),
        ({"quantities": {"invoice": D(100_000), "scale": D(99_699)}}, 1),
        ({"quantities": {"invoice": D(100_000), "scale": D(99_699)}, "largest_unit": D(400)}, 1),
        ({"quantities": {"invoice": D(100_000), "rfid": D(99_600)}, "largest_unit": D(400)}, 0),
        ({"quantities": {"invoice": D(100_000), "rfid": D(99_599)}, "largest_unit": D(400)}, 1),
        ({"quantities": {"invoice": D(100_000), "scale": D(90_000)}, "newest_at": NOW - 48 * HOUR + SECOND}, 0),
        ({"quantities": {"invoice": D(100_000)}}, 0),
        ({"quantities": {"invoice": D(100_000), "waybill": D(100_000), "rfid": D(80_000)}}, 1),
    ],
)
def test_r24_sources_of_one_contract(change: dict[str, Any], found: int) -> None:
    assert len(findings(quantity_mismatch.check(snapshot(contracts=(replace(CONTRACT, **change),))))) == found


# ---------------------------------------------------------------- R26, R27, R28


HOLDING = Holding(
    tenant_id="demo", facility_id="F-1", product="GENERAL", pledge_mode="FLOATING", borrower_party_id="B", warehouse_id="WH-1", commodity_code="HRC",
    brand="X", units=10, quantity_kg=D(200_000), value=D(800_000), currency="CNY", oldest_from=date(2020, 1, 1), over_age_units=0, over_age_value=None,
    opened_at=NOW - 200 * DAY, turned_at=NOW - 90 * DAY, turned_90d_kg=D(0),
)  # fmt: skip


def figure(kind: str, value: str, **other: Any) -> Figure:
    made = Figure(
        figure_id="FG",
        tenant_id="demo",
        kind=kind,
        party_id=None,
        warehouse_id=None,
        commodity_code=None,
        value=D(value),
        currency=None,
        source="s",
    )
    return replace(made, **other)


@pytest.mark.parametrize(
    ("change", "figures", "said"),
    [
        ({}, (), None),
        ({"turned_at": NOW - 90 * DAY - SECOND}, (), "idle:HRC"),
        ({"turned_at": NOW - 200 * DAY, "pledge_mode": "STATIC"}, (), None),
        ({"turned_at": None, "opened_at": NOW - 80 * DAY}, (), None),
        ({"over_age_units": 1, "over_age_value": D(1)}, (), "age:HRC"),
        ({"turned_90d_kg": D(50)}, (figure("PLANNED_TURNOVER_90D_KG", "100", party_id="B"),), None),
        ({"turned_90d_kg": D(49)}, (figure("PLANNED_TURNOVER_90D_KG", "100", party_id="B"),), "plan:HRC"),
    ],
)
def test_r26_stock_that_grows_old_or_stands_still(change: dict[str, Any], figures: tuple[Figure, ...], said: str | None) -> None:
    assert faults(ageing.check(snapshot(holdings=(replace(HOLDING, **change),), figures=figures))) == ([[said]] if said else [])


@pytest.mark.parametrize(("here", "leaving", "said"), [("500", "0", []), ("501", "0", ["site:WH-1"]), ("600", "200", [])])
def test_r27_a_cap_on_one_site_counts_what_stays(here: str, leaving: str, said: list[str]) -> None:
    one = replace(HOLDING, value=D(here), pending_value=D(leaving), brand=None)
    two = replace(HOLDING, warehouse_id="WH-2", value=D(1000) - D(here), brand=None)
    assert faults(concentration.check(snapshot(holdings=(one, two)))) == ([said] if said else [])
    assert faults(concentration.check(snapshot(holdings=(one,)))) == []


def test_r27_the_caps_over_all_facilities_wait_for_twenty() -> None:
    many = tuple(replace(HOLDING, facility_id=f"F-{i}") for i in range(20))
    assert faults(concentration.check(snapshot(holdings=many[:19]))) == []
    assert faults(concentration.check(snapshot(holdings=many))) == [["site:WH-1"], ["commodity:HRC"]]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ((figure("MARKET_TURNOVER_10D_KG", "1000000", commodity_code="HRC"),), None),
        ((figure("MARKET_TURNOVER_10D_KG", "999999", commodity_code="HRC"),), "market"),
        ((figure("PARTY_CAPACITY_KG", "200000", party_id="B"),), None),
        ((figure("PARTY_CAPACITY_KG", "199999", party_id="B"),), "capacity"),
        ((figure("SALES_12M", "1600000", party_id="B", currency="CNY"),), None),
        ((figure("SALES_12M", "1599999", party_id="B", currency="CNY"),), "sales"),
        ((figure("SALES_12M", "1", party_id="B", currency="USD"),), None),
        ((figure("INPUT_IMPLIED_OUTPUT_KG", "60", party_id="B"), figure("CLAIMED_OUTPUT_KG", "100", party_id="B")), None),
        ((figure("INPUT_IMPLIED_OUTPUT_KG", "59", party_id="B"), figure("CLAIMED_OUTPUT_KG", "100", party_id="B")), "inputs"),
    ],
)
def test_r28_more_than_the_market_the_works_or_the_sales_can_bear(figures: tuple[Figure, ...], said: str | None) -> None:
    assert faults(scale_implausible.check(snapshot(holdings=(HOLDING,), figures=figures))) == ([[said]] if said else [])


# ---------------------------------------------------------------- R29, R30, R33


EVENT = EntityEvent(
    event_id="E", tenant_id="demo", party_id="K", warehouse_id="WH-1", kind="OWNER", happened_on=date(2020, 3, 1), summary="sold", cosmetic=False,
    recorded_at=NOW, holder=HOLDER,
)  # fmt: skip
PROOF = Expiry(
    proof_id="P", tenant_id="demo", kind="INSURANCE", number="N", valid_to=NOW + 61 * DAY, subject_kind="site", subject_id="WH-1", warehouse_id="WH-1",
    holder=HOLDER,
)  # fmt: skip


def test_r29_a_change_of_the_keeper_counts_for_half_a_year_unless_it_is_cosmetic() -> None:
    told = findings(warehouse_event.check(snapshot(entity_events=(EVENT,))))
    assert [(f.severity, f.pledge_id) for f in told] == [(Severity.P2, "PL-1")]
    for change in ({"cosmetic": True}, {"happened_on": date(2019, 9, 1)}):
        assert warehouse_event.check(snapshot(entity_events=(replace(EVENT, **change),))) == []  # type: ignore[arg-type]
    lease = replace(PROOF, kind="LEASE")
    for days, found in ((90, 0), (89, 1)):
        assert len(findings(warehouse_event.check(snapshot(expiries=(replace(lease, valid_to=NOW + days * DAY),))))) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"valid_to": NOW + 60 * DAY}, ("INSURANCE:60", Severity.P3)),
        ({"valid_to": NOW + 30 * DAY}, ("INSURANCE:30", Severity.P3)),
        ({"valid_to": NOW + 7 * DAY}, ("INSURANCE:7", Severity.P3)),
        ({"valid_to": NOW + SECOND}, ("INSURANCE:7", Severity.P3)),
        ({"valid_to": NOW}, ("INSURANCE:lapsed", Severity.P1)),
        ({"valid_to": NOW, "holder": Holder()}, None),
        ({"kind": "PRESENCE", "valid_to": NOW - 24 * HOUR}, None),
        ({"kind": "PRESENCE", "valid_to": NOW - 24 * HOUR - SECOND}, ("PRESENCE:no_presence", Severity.P1)),
    ],
)
def test_r33_papers_run_out_in_three_steps(change: dict[str, Any], said: tuple[str, Severity] | None) -> None:
    told = findings(legal_lapse.check(snapshot(expiries=(replace(PROOF, **change),))))
    assert [(f.evidence["faults"][0], f.severity) for f in told] == ([said] if said else [])


def flow(newest: str, days: int = 20, **other: Any) -> Outflow:
    daily = tuple((date(2020, 3, 9) - i * DAY, D(100) if i else D(newest)) for i in reversed(range(days + 1)))
    made = Outflow(warehouse_id="WH-1", tenant_id="demo", daily_kg=daily, depositors_48h=1, depositors_all=9, newest_at=NOW, holder=HOLDER)
    return replace(made, **other)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (flow("300"), None),
        (flow("301"), ["rate"]),
        (flow("301", days=14), ["rate"]),
        (flow("301", days=13), None),
        (flow("150", depositors_48h=3, depositors_all=6), ["depositors"]),
        (flow("150", depositors_48h=3, depositors_all=7), None),
        (flow("150", depositors_48h=2, depositors_all=2), None),
        (flow("90", depositors_48h=3, depositors_all=3), None),
    ],
)
def test_r30_a_run_on_a_site(one: Outflow, said: list[str] | None) -> None:
    assert faults(outflow_run.check(snapshot(outflows=(one,)))) == ([said] if said else [])


# ---------------------------------------------------------------- V05, V07


def mark(value: str, quantity: str, eligible: str, price: str, **other: Any) -> Mark:
    detail = {"commodities": {"HRC": {"quantity": quantity, "eligible_quantity": eligible, "collateral_value": value, "price": price}}}
    made = Mark(
        valuation_id="V", as_of=NOW, coverage=D("1.2"), line_state="OK", collateral_value=D(value), exposure=D(700), warning_line=D(1),
        margin_call_line=D(1), disposal_line=D(1), min_control_value=D(1000), detail=detail,
    )  # fmt: skip
    return replace(made, **other)


FACILITY = Facility(
    facility_id="F-1", tenant_id="demo", name="Steel", name_zh="钢材", currency="CNY", marks=(mark("1000", "10", "10", "100"),), call=None, case=None,
    warned=False, pledge_mode="FLOATING", matures_on=date(2020, 12, 31),
)  # fmt: skip


@pytest.mark.parametrize(("floor", "mode", "found"), [("1000.01", "FLOATING", 0), ("1000.02", "FLOATING", 1), ("2000", "STATIC", 0)])
def test_v05_below_the_minimum_under_a_floating_pledge(floor: str, mode: str, found: int) -> None:
    one = replace(FACILITY, pledge_mode=mode, marks=(replace(FACILITY.marks[0], min_control_value=D(floor)),))
    assert len(findings(control_breach.check(snapshot(facilities=(one,))))) == found


@pytest.mark.parametrize(
    ("now", "parts"),
    [
        (mark("900", "10", "10", "90"), (100, 0, 0)),
        (mark("700", "7", "7", "100"), (0, 300, 0)),
        (mark("700", "10", "7", "100"), (0, 0, 300)),
        (mark("540", "8", "6", "90"), (100, 180, 180)),
        (mark("0", "0", "0", "80"), (200, 800, 0)),
    ],
    ids=["price", "quantity", "eligibility", "all three", "everything gone"],
)
def test_v05_splits_a_fall_into_its_causes_and_they_add_up(now: Mark, parts: tuple[int, int, int]) -> None:
    before = mark("1000", "10", "10", "100")
    split = control_breach.parts(before, now)
    assert (split["price"], split["quantity"], split["eligibility"]) == tuple(map(D, parts))
    assert sum(split.values()) == before.collateral_value - now.collateral_value


@pytest.mark.parametrize(("exposure", "matures", "said"), [("855", date(2020, 12, 31), None), ("855.01", date(2020, 12, 31), "value"), ("1", date(2020, 3, 31), None), ("1", date(2020, 3, 30), "time")])  # fmt: skip
def test_v07_what_a_sale_would_bring_and_when(exposure: str, matures: date, said: str | None) -> None:
    one = replace(FACILITY, matures_on=matures, disposal_cost=D("0.05"), marks=(replace(FACILITY.marks[0], exposure=D(exposure)),))
    assert faults(realisable_short.check(snapshot(facilities=(one,)))) == ([[said]] if said else [])
