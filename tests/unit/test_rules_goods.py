"""Rules about goods, tanks, scales, seals and devices: what fires, both sides of each boundary, and what keeps them quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from risk_facts import HOUR, MINUTE, NOW, UNIT, doubts, findings, snapshot

from risk.facts import Fix, YardVehicle
from risk.facts_site import (
    Band,
    Claims,
    DeviceClock,
    DeviceConfig,
    Gauging,
    Holder,
    LotHistory,
    NightMove,
    Paper,
    RawSeries,
    Sign,
    SiteConduct,
    SiteHours,
    Tank,
    TankSpec,
    Weighing,
)
from risk.rule import Severity
from risk.rules import (
    after_hours,
    clock_skew,
    device_tamper,
    over_issuance,
    seal_open,
    shrinkage,
    swap_suspect,
    tank_quality,
    too_perfect,
    yard_exit,
)
from risk.tank_balance import contents, density15, volume_at

D = Decimal
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
HOLDER = Holder(pledge_id="PL-1", facility_id="F-1", units_pledged=1, value=D(1_000_000), currency="CNY")
SPEC = TankSpec(
    spec_id="S", strapping=((D(0), D(0)), (D(10), D(1000))), capacity_m3=D(1000), density15_min=D(830), density15_max=D(850),
    expansion_per_c=D("0.00083"),
)  # fmt: skip
GAUGE = Gauging(
    observed_at=NOW - MINUTE, device_id="G-1", level_m=D(5), temperature_c=D(15), density_kgpm3=D(840), free_water_m=D(0), valve="closed"
)


def gaugings(count: int = 6, **other: Any) -> tuple[Gauging, ...]:
    return tuple(replace(GAUGE, observed_at=NOW - i * 10 * MINUTE - MINUTE, **other) for i in reversed(range(count)))


TANK = Tank(
    zone_id="WH-1/T1", tenant_id="demo", warehouse_id="WH-1", booked_kg=D(420_000), claimants=2, book_changed_at=NOW - 3 * HOUR, gaugings=gaugings(),
    spec=SPEC, holder=HOLDER,
)  # fmt: skip
CLAIMS = Claims(
    kind="stack", place_id="WH-1/bay-1", tenant_id="demo", warehouse_id="WH-1", claimed_kg=D(100_000), claimants=2, receipts=2,
    book_changed_at=NOW - 3 * HOUR, measured_kg=D(100_000), measured_at=NOW - MINUTE, device_id="SC-1", capacity_kg=None, holder=HOLDER,
)  # fmt: skip


# ---------------------------------------------------------------- tank balance


def test_a_level_is_read_between_the_rows_of_its_table_and_nowhere_else() -> None:
    table = ((D(0), D(0)), (D(2), D(100)), (D(4), D(300)))
    assert [volume_at(D(x), table) for x in ("0", "1", "3", "4", "4.1")] == [D(0), D(50), D(200), D(300), None]


def test_density_at_fifteen_degrees_rises_with_the_warmth_it_was_measured_in() -> None:
    assert density15(D(830), D(25), D("0.001")) == D("838.300")
    assert density15(D(830), None, D("0.001")) == D(830)


def test_water_is_no_product() -> None:
    held = contents(replace(GAUGE, free_water_m=D(1)), SPEC)
    assert held is not None
    assert (held.volume_m3, held.water_m3, held.mass_kg, held.water_share) == (D(500), D(100), D(336_000), D("0.2"))


# ---------------------------------------------------------------- R06


@pytest.mark.parametrize(("booked", "found"), [("422100", 0), ("422100.001", 1)])
def test_r06_claims_on_a_tank_may_exceed_its_gauge_by_half_a_percent(booked: str, found: int) -> None:
    assert len(findings(over_issuance.check(snapshot(tanks=(replace(TANK, booked_kg=D(booked)),))))) == found


@pytest.mark.parametrize(
    "tank",
    [
        replace(TANK, book_changed_at=NOW - 2 * HOUR),
        replace(TANK, gaugings=gaugings(valve="open")),
        replace(TANK, gaugings=gaugings(flow_m3ph=D(3))),
        replace(TANK, gaugings=()),
        replace(TANK, gaugings=(replace(GAUGE, observed_at=NOW - 25 * HOUR),), book_changed_at=None),
        replace(TANK, gaugings=gaugings(density_kgpm3=None)),
    ],
    ids=["book unsettled", "valve open", "flowing", "no gauge", "gauge old", "no density"],
)
def test_r06_cannot_judge_a_tank_in_motion_or_without_a_measurement(tank: Tank) -> None:
    verdicts = over_issuance.check(snapshot(tanks=(replace(tank, booked_kg=D(900_000)),)))
    assert (len(findings(verdicts)), len(doubts(verdicts))) == (0, 1)


@pytest.mark.parametrize(("claimed", "found"), [("100500", 0), ("100500.1", 1)])
def test_r06_a_stack_is_judged_by_the_scale_under_it(claimed: str, found: int) -> None:
    told = findings(over_issuance.check(snapshot(claims=(replace(CLAIMS, claimed_kg=D(claimed)),))))
    assert [f.severity for f in told] == [Severity.P1] * found
    if told:
        assert (told[0].pledge_id, told[0].exposure_at_risk) == ("PL-1", D(1_000_000))


@pytest.mark.parametrize(("capacity", "found"), [("98039.3", 0), ("98039.2", 1)])
def test_r06_a_site_cannot_hold_more_than_it_can(capacity: str, found: int) -> None:
    site = replace(CLAIMS, kind="site", place_id="WH-1", measured_kg=None, measured_at=None, capacity_kg=D(capacity))
    assert len(findings(over_issuance.check(snapshot(claims=(site,))))) == found


# ---------------------------------------------------------------- R09


WEIGHING = Weighing(
    device_id="SC-1", observed_at=NOW - HOUR, tenant_id="demo", warehouse_id="WH-1", units=(UNIT,), measured_kg=D(20_000), declared_kg=D(20_000),
    tolerance=D("0.001"), calibrated_at=NOW - 10 * DAY, calibrated_to=NOW + 10 * DAY, sigma_kg=D(5),
)  # fmt: skip


@pytest.mark.parametrize(("measured", "found"), [("19940", 0), ("19939.9", 1), ("20060", 0), ("20060.1", 1)])
def test_r09_a_unit_may_weigh_three_tenths_of_a_percent_off(measured: str, found: int) -> None:
    told = findings(swap_suspect.check(snapshot(weighings=(replace(WEIGHING, measured_kg=D(measured)),))))
    assert len(told) == found
    assert all(f.severity is Severity.P1 and f.pledge_id == "PL-1" for f in told)


def test_r09_a_coarse_scale_needs_three_of_its_deviations() -> None:
    coarse = replace(WEIGHING, sigma_kg=D(30))
    assert findings(swap_suspect.check(snapshot(weighings=(replace(coarse, measured_kg=D(19_910)),)))) == []
    assert findings(swap_suspect.check(snapshot(weighings=(replace(coarse, measured_kg=D(19_909)),)))) != []


@pytest.mark.parametrize(
    "change",
    [
        {"calibrated_at": None},
        {"calibrated_to": NOW - 2 * HOUR},
        {"calibrated_at": NOW - HOUR - 180 * DAY - SECOND},
        {"gross": True},
    ],
    ids=["never calibrated", "lapsed", "older than 180 days", "no tare"],
)
def test_r09_a_scale_that_proves_nothing_is_a_doubt(change: dict[str, Any]) -> None:
    verdicts = swap_suspect.check(snapshot(weighings=(replace(WEIGHING, measured_kg=D(9_000), **change),)))
    assert (len(findings(verdicts)), len(doubts(verdicts))) == (0, 1)


def test_r09_a_second_scale_that_agrees_with_the_book_leaves_one_scale_wrong() -> None:
    light, right = replace(WEIGHING, measured_kg=D(18_000)), replace(WEIGHING, device_id="SC-2")
    assert findings(swap_suspect.check(snapshot(weighings=(light, right)))) == []
    also_light = replace(right, measured_kg=D(18_010))
    assert len(findings(swap_suspect.check(snapshot(weighings=(light, also_light))))) == 2


def test_r09_density_tells_gilded_copper_from_gold_and_unpledged_goods_are_left() -> None:
    gold = Band(tenant_id="demo", commodity_code="HRC", property="DENSITY_KGPM3", grade=None, low=D(19_000), high=D(19_400))
    bar = replace(WEIGHING, volume_m3=D(20_000) / D(8_960))
    assert [f.evidence["faults"] for f in findings(swap_suspect.check(snapshot(weighings=(bar,), bands=(gold,))))] == [["density"]]
    assert findings(swap_suspect.check(snapshot(weighings=(replace(bar, volume_m3=D(20_000) / D(19_300)),), bands=(gold,)))) == []
    free = replace(bar, units=(replace(UNIT, pledge_id=None),))
    assert swap_suspect.check(snapshot(weighings=(free,), bands=(gold,))) == []


@pytest.mark.parametrize(
    ("grade", "assay", "faults"), [("ni", "99.9", []), ("STONE", "99.9", ["grade"]), (" Ni ", "99.0", []), ("NI", "98.9", ["assay"])]
)
def test_r09_an_inspection_speaks_of_grade_and_assay(grade: str, assay: str, faults: list[str]) -> None:
    band = Band(tenant_id="demo", commodity_code="HRC", property="ASSAY_PCT", grade="NI", low=D(99), high=D(100))
    paper = Paper(
        document_id="I", tenant_id="demo", number="I-1", issued_at=NOW, commodity_code="HRC", grade_said=grade, assay_pct=D(assay), grade_booked="NI",
        units=(UNIT,),
    )  # fmt: skip
    assert [f.evidence["faults"] for f in findings(swap_suspect.check(snapshot(inspections=(paper,), bands=(band,))))] == (
        [faults] if faults else []
    )


# ---------------------------------------------------------------- R10, R22


SIGN = Sign(
    device_id="SEAL-1", tenant_id="demo", observed_at=NOW - HOUR, type="seal", payload={"state": "open", "battery_pct": 80}, warehouse_id=None,
    vehicle_plate="沪A1", trip_id="T-1", lon=121.1, lat=31.1, inside_warehouse_id=None, ticket_id=None, units=(UNIT,),
)  # fmt: skip


@pytest.mark.parametrize(("after", "found"), [(30 * MINUTE, 1), (30 * MINUTE + SECOND, 0)])
def test_r10_two_words_within_half_an_hour_open_a_seal(after: timedelta, found: int) -> None:
    signs = (SIGN, replace(SIGN, observed_at=SIGN.observed_at + after))
    assert len(findings(seal_open.check(snapshot(signs=signs)))) == found


def test_r10_one_word_with_its_own_count_or_the_terminals_alarm_twice_is_enough() -> None:
    counted = replace(SIGN, payload={"state": "open", "open_count": 2, "expected_open_count": 1})
    assert len(findings(seal_open.check(snapshot(signs=(counted,))))) == 1
    alarm = replace(SIGN, type="alarm", payload={"alarms": ["illegal_door_opening"]})
    assert len(findings(seal_open.check(snapshot(signs=(alarm, replace(alarm, observed_at=alarm.observed_at + MINUTE)))))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"payload": {"state": "open", "battery_pct": 20}},
        {"payload": {"state": "closed"}},
        {"inside_warehouse_id": "WH-1"},
        {"ticket_id": "K-1"},
        {"units": (replace(UNIT, pledge_id=None),)},
    ],
    ids=["weak battery", "closed", "inside a site", "ticket", "nothing pledged"],
)
def test_r10_what_is_no_opening(change: dict[str, Any]) -> None:
    signs = (replace(SIGN, **change), replace(SIGN, observed_at=NOW, **change))
    assert seal_open.check(snapshot(signs=signs)) == []


@pytest.mark.parametrize(
    ("sign", "found"),
    [
        (replace(SIGN, type="tamper", payload={"part": "cover"}), 1),
        (replace(SIGN, type="tamper", payload={"state": "closed"}), 0),
        (replace(SIGN, type="alarm", payload={"alarms": ["main_power_cut"]}), 1),
        (replace(SIGN, type="alarm", payload={"alarms": ["main_power_low"]}), 0),
        (replace(SIGN, type="tamper", payload={"part": "cover"}, ticket_id="K-1"), 0),
    ],
)
def test_r22_a_hand_on_a_device_is_told_and_maintenance_is_not(sign: Sign, found: int) -> None:
    assert len(findings(device_tamper.check(snapshot(signs=(sign,))))) == found


@pytest.mark.parametrize(
    ("said", "ticket", "found"), [({"fw": "2"}, None, 1), ({"fw": "1"}, None, 0), ({}, None, 0), ({"fw": "2"}, "K-1", 0)]
)
def test_r22_another_firmware_than_registered_is_told(said: dict[str, str], ticket: str | None, found: int) -> None:
    config = DeviceConfig(
        device_id="rd-1", tenant_id="demo", warehouse_id="WH-1", said=said, registered={"fw": "1"}, health_at=NOW, ticket_id=ticket
    )
    assert len(findings(device_tamper.check(snapshot(configs=(config,))))) == found


# ---------------------------------------------------------------- R11


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, []),
        ({"free_water_m": D("0.015")}, []),
        ({"free_water_m": D("0.0151")}, ["water"]),
        ({"temperature_c": D(15), "density_kgpm3": D(850)}, []),
        ({"temperature_c": D(15), "density_kgpm3": D("850.1")}, ["density"]),
        ({"pressure_pa": D(840) * 5 * D("9.80665") / D("1.0049")}, []),
        ({"pressure_pa": D(840) * 5 * D("9.80665") / D("1.0051")}, ["mass"]),
    ],
    ids=["in order", "water at 0.3 %", "water above", "density at its edge", "density beyond", "pressure agrees", "pressure disagrees"],
)
def test_r11_water_density_and_pressure(change: dict[str, Any], faults: list[str]) -> None:
    told = findings(tank_quality.check(snapshot(tanks=(replace(TANK, gaugings=gaugings(**change)),))))
    assert [f.evidence["faults"] for f in told] == ([faults] if faults else [])


@pytest.mark.parametrize(("fall_m", "found"), [("0.010", 0), ("0.011", 1)])
def test_r11_a_level_that_falls_behind_closed_valves(fall_m: str, found: int) -> None:
    before, after = gaugings(12)[:6], gaugings(12, level_m=D(5) - D(fall_m))[6:]
    assert len(findings(tank_quality.check(snapshot(tanks=(replace(TANK, gaugings=before + after),))))) == found


def test_r11_cooling_is_no_theft_and_a_transfer_is_not_judged() -> None:
    cold = D(5) * (1 + SPEC.expansion_per_c * -10)
    series = gaugings(12)[:6] + gaugings(12, level_m=cold, temperature_c=D(5), density_kgpm3=D(840) * (1 + SPEC.expansion_per_c * 10))[6:]
    assert findings(tank_quality.check(snapshot(tanks=(replace(TANK, gaugings=series),)))) == []
    open_ = tank_quality.check(snapshot(tanks=(replace(TANK, gaugings=gaugings(valve="open", free_water_m=D(1))),)))
    assert (len(findings(open_)), len(doubts(open_))) == (0, 1)


def test_r11_a_single_wild_value_moves_no_median_and_an_old_one_is_a_doubt() -> None:
    wild = (*gaugings()[:-1], replace(GAUGE, free_water_m=D(4)))
    assert findings(tank_quality.check(snapshot(tanks=(replace(TANK, gaugings=wild),)))) == []
    assert len(doubts(tank_quality.check(snapshot(tanks=(replace(TANK, gaugings=(replace(GAUGE, observed_at=NOW - 2 * HOUR),)),))))) == 1


# ---------------------------------------------------------------- R12


FENCE = {"type": "Polygon", "coordinates": [[[121.0, 31.0], [121.01, 31.0], [121.01, 31.01], [121.0, 31.01], [121.0, 31.0]]]}


def vehicle(minutes: int, *, lon: float = 121.02, count: int = 4, **other: Any) -> YardVehicle:
    fixes = tuple(
        Fix(observed_at=NOW - minutes * MINUTE * i / (count - 1), lon=lon, lat=31.005, acc_m=None) for i in reversed(range(count))
    )
    made = YardVehicle(
        device_id="trk",
        tenant_id="demo",
        vehicle_plate="沪A1",
        warehouse_id="WH-1",
        fence=FENCE,
        units=(UNIT,),
        released=False,
        fixes=fixes,
    )
    return replace(made, **other)


@pytest.mark.parametrize(
    ("one", "severity"),
    [
        (vehicle(5), Severity.P2),
        (vehicle(30), Severity.P2),
        (vehicle(31), Severity.P1),
        (vehicle(4), None),
        (vehicle(40, count=2), None),
        (vehicle(40, lon=121.0104), None),  # some 38 m outside
        (vehicle(40, lon=121.0106), Severity.P1),  # some 57 m outside
        (vehicle(40, released=True), None),
        (vehicle(40, units=(replace(UNIT, pledge_id=None),)), None),
    ],
)
def test_r12_a_loaded_vehicle_outside_its_yard(one: YardVehicle, severity: Severity | None) -> None:
    assert [f.severity for f in findings(yard_exit.check(snapshot(yard_vehicles=(one,))))] == ([severity] if severity else [])


def test_r12_a_jump_and_a_poor_fix_are_no_exit() -> None:
    back = vehicle(40)
    inside = replace(back, fixes=(*back.fixes, Fix(observed_at=NOW, lon=121.005, lat=31.005, acc_m=None)))
    poor = replace(back, fixes=tuple(replace(f, acc_m=400.0) for f in back.fixes))
    assert yard_exit.check(snapshot(yard_vehicles=(inside, poor))) == []


# ---------------------------------------------------------------- R23


CLOCK = DeviceClock(device_id="trk", tenant_id="demo", warehouse_id=None, lags_s=(1.0,) * 20, newest_at=NOW, gaps=0, conflicts=0, future=0)


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({}, None),
        ({"lags_s": (120.0,) * 20}, None),
        ({"lags_s": (120.1,) * 20}, Severity.P4),
        ({"lags_s": (-121.0,) * 20}, Severity.P4),
        ({"lags_s": (500.0,) * 19}, None),
        ({"lags_s": (500.0,) * 9 + (1.0,) * 11}, None),
        ({"lags_s": (90_000.0,) * 20}, Severity.P3),
        ({"future": 2}, None),
        ({"future": 3}, Severity.P3),
        ({"conflicts": 1}, Severity.P2),
    ],
)
def test_r23_clocks_by_the_median_of_twenty(change: dict[str, Any], severity: Severity | None) -> None:
    told = findings(clock_skew.check(snapshot(clocks=(replace(CLOCK, **change),))))
    assert [f.severity for f in told] == ([severity] if severity else [])


# ---------------------------------------------------------------- R25


def lot(*kg: str, rate: str | None = "0.002") -> LotHistory:
    points = tuple((NOW - (len(kg) - i) * DAY, D(x)) for i, x in enumerate(kg))
    return LotHistory(
        unit=UNIT, points=points, shrinkage_rate=None if rate is None else D(rate), received_at=NOW, commodity_tolerance=D("0.003")
    )


@pytest.mark.parametrize(
    ("history", "faults"),
    [
        (lot("10000", "9950"), []),
        (lot("10000", "9949"), ["standard"]),
        (lot("10000"), []),
        (lot("10000", "9900", rate=None), []),
        (lot("10000", "9999", "10001", "10000", "9998", "10001", "9999"), []),
        (lot("10000", "9990", "9980", "9970", "9960", "9950"), ["drift"]),
        (lot("10000", "9990", "9980", "9970"), []),
    ],
    ids=["within", "beyond the standard", "one weighing", "no standard, short", "noise", "steady loss", "cold start"],
)
def test_r25_loss_against_the_standard_and_over_time(history: LotHistory, faults: list[str]) -> None:
    told = findings(shrinkage.check(snapshot(lots=(history,))))
    assert [f.evidence["faults"] for f in told] == ([faults] if faults else [])


def test_r25_a_tank_is_followed_since_its_book_changed() -> None:
    days = tuple((date(2020, 2, 20) + i * DAY, D(420_000) - i * 500) for i in range(15))
    leaking = replace(TANK, daily_kg=days, book_changed_at=datetime(2020, 2, 19, tzinfo=UTC))
    assert len(findings(shrinkage.check(snapshot(tanks=(leaking,))))) == 1
    assert findings(shrinkage.check(snapshot(tanks=(replace(leaking, book_changed_at=NOW - DAY),)))) == []


# ---------------------------------------------------------------- R31


NIGHT = datetime(2020, 3, 8, 18, tzinfo=UTC)  # 02:00 on a Monday in Shanghai
MOVE = NightMove(
    key="movement:1", tenant_id="demo", warehouse_id="WH-1", zone_id="WH-1/bay-1", occurred_at=NIGHT, what="zone_change", device_id="rd-1", unit=UNIT,
    hours=None, ticket_id=None, release_id=None,
)  # fmt: skip
SHIFT = SiteHours(opens=time(20), closes=time(4), works_holidays=True)
WEEKDAYS = SiteHours(opens=time(8), closes=time(18), works_holidays=False)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, 1),
        ({"ticket_id": "K-1"}, 0),
        ({"release_id": "R-1"}, 0),
        ({"occurred_at": NIGHT + 3 * HOUR + 30 * MINUTE}, 0),  # 05:30
        ({"occurred_at": NIGHT + 3 * HOUR + 29 * MINUTE}, 1),
        ({"occurred_at": NIGHT - 3 * HOUR - 30 * MINUTE}, 0),  # 22:30
        ({"occurred_at": NIGHT - 3 * HOUR - 29 * MINUTE}, 1),
        ({"hours": SHIFT}, 0),
        ({"hours": SHIFT, "occurred_at": NIGHT + 8 * HOUR}, 1),  # 10:00, between the shifts
        ({"hours": WEEKDAYS, "occurred_at": NIGHT + 8 * HOUR}, 0),
        ({"hours": WEEKDAYS, "occurred_at": NIGHT - 16 * HOUR}, 1),  # Sunday 10:00
        ({"unit": None, "what": "motion"}, 1),
    ],
)
def test_r31_a_move_when_the_site_does_not_work(change: dict[str, Any], found: int) -> None:
    assert len(findings(after_hours.check(snapshot(night_moves=(replace(MOVE, **change),))))) == found


# ---------------------------------------------------------------- R32


def raw(values: list[str], quantity: str = "level_m", step: timedelta = HOUR) -> RawSeries:
    points = tuple((NOW - (len(values) - 1 - i) * step, D(v)) for i, v in enumerate(values))
    return RawSeries(device_id="G-1", tenant_id="demo", warehouse_id="WH-1", quantity=quantity, points=points)


def test_r32_a_gauge_is_made_up_when_all_that_it_measures_stands_still() -> None:
    still, warm = raw(["5.0"] * 49), raw([f"{20 + i % 3}" for i in range(49)], "temperature_c")
    assert len(findings(too_perfect.check(snapshot(raw_series=(still,))))) == 1
    assert findings(too_perfect.check(snapshot(raw_series=(still, warm)))) == []
    assert findings(too_perfect.check(snapshot(raw_series=(raw(["5.0"] * 48),)))) == []
    assert findings(too_perfect.check(snapshot(raw_series=(raw(["5.0"] * 23, step=3 * HOUR),)))) == []


def test_r32_last_digits_of_three_hundred_weights() -> None:
    dice = Random(7)
    drawn = [dice.randrange(20_000, 21_000) for _ in range(300)]
    honest, coarse = raw([str(kg) for kg in drawn], "net_kg"), raw([str(kg // 20 * 20) for kg in drawn], "net_kg")
    typed = [str(kg // 10 * 10 + dice.choice((3, 7, 8))) for kg in drawn]
    shown = {"honest": honest, "multiples of 20": coarse, "typed": raw(typed, "net_kg"), "too few": raw(typed[:299], "net_kg")}
    found = {name: len(findings(too_perfect.check(snapshot(raw_series=(series,))))) for name, series in shown.items()}
    assert found == {"honest": 0, "multiples of 20": 0, "typed": 1, "too few": 0}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"visits": ((NOW, "REFUSED", True, "V1"), (NOW, "POSTPONED", True, "V2"))}, ["refused"]),
        ({"visits": ((NOW, "REFUSED", True, "V1"), (NOW, "POSTPONED", False, "V2"))}, []),
        ({"photos": (("V1", "ffff000000000000"), ("V2", "fff0000000000000"))}, ["photos"]),
        ({"photos": (("V1", "ffff000000000000"), ("V2", "ff80000000000000"))}, []),
        ({"photos": (("V1", "ffff000000000000"), ("V1", "ffff000000000000"))}, []),
        ({"manual_entries": 10, "entries": 50}, []),
        ({"manual_entries": 11, "entries": 50}, ["manual"]),
        ({"manual_entries": 49, "entries": 49}, []),
        ({"largest_burst": 20, "burst_at": NOW}, ["burst"]),
        ({"largest_burst": 19, "burst_at": NOW}, []),
    ],
)
def test_r32_how_a_site_keeps_its_records(change: dict[str, Any], faults: list[str]) -> None:
    site = replace(SiteConduct(warehouse_id="WH-1", tenant_id="demo"), **change)
    told = findings(too_perfect.check(snapshot(conduct=(site,))))
    assert [f.evidence["faults"] for f in told] == ([faults] if faults else [])
