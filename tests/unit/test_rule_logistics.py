"""R01, R02, R03, R04, R12b and R21: both sides of each boundary, and the guards against false alarms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_facts import BAY, DEVICE, EXIT, GATE_IN, GATE_OUT, HOUR, MINUTE, NOW, UNIT, UNSEEN, cleared, doubts, findings, snapshot, stream

from risk.facts import Cover, EarlierExit, Fix, Place, Trip, UnsightedUnit
from risk.rule import Severity, SubjectKind
from risk.rules import device_silent, phantom_stock, route_deviation, tag_clone, tag_missing, unauthorised_exit

SECOND = timedelta(seconds=1)
COVER = Cover(kind="release", id="R-1", valid_from=NOW - HOUR, valid_to=NOW + HOUR, vehicle_plate="沪A12345")


# ---------------------------------------------------------------- R01


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "found"),
    [
        (NOW - HOUR, NOW + HOUR, False),
        (NOW - 3 * HOUR, NOW - 30 * MINUTE, False),
        (NOW - 3 * HOUR, NOW - 30 * MINUTE - SECOND, True),
        (NOW + 30 * MINUTE, NOW + HOUR, False),
        (NOW + 30 * MINUTE + SECOND, NOW + HOUR, True),
    ],
)
def test_a_release_covers_its_window_and_half_an_hour_around_it(valid_from: datetime, valid_to: datetime, found: bool) -> None:
    movement = replace(EXIT, cover=replace(COVER, valid_from=valid_from, valid_to=valid_to))
    assert bool(findings(unauthorised_exit.check(snapshot(movements=(movement,))))) is found


@pytest.mark.parametrize(
    "movement",
    [
        replace(EXIT, unit=None),
        replace(EXIT, unit=replace(UNIT, pledge_id=None)),
        replace(EXIT, corrected=True),
        replace(EXIT, back_inside_at=NOW + 10 * MINUTE),
        replace(EXIT, kind="ZONE_CHANGE"),
    ],
    ids=["unbound tag", "not pledged", "corrected", "back inside already", "no exit"],
)
def test_what_is_no_unauthorised_exit(movement: object) -> None:
    assert findings(unauthorised_exit.check(snapshot(movements=(movement,)))) == []


def test_an_exit_is_a_p1_that_names_the_unit_and_its_movement() -> None:
    found = findings(
        unauthorised_exit.check(snapshot(movements=(EXIT, replace(EXIT, movement_id=2, back_inside_at=NOW + 10 * MINUTE + SECOND))))
    )
    assert [f.event_key for f in found] == ["movement:1", "movement:2"]
    assert found[0].severity is Severity.P1
    assert (found[0].subject.kind, found[0].subject.id, found[0].exposure_at_risk) == (SubjectKind.GOODS, "HRC-1", Decimal(80_000))


@pytest.mark.parametrize(
    ("kind", "to_place", "after", "clears"),
    [
        ("GATE_IN", GATE_IN, 10 * MINUTE, True),
        ("GATE_IN", GATE_IN, 10 * MINUTE + SECOND, False),
        ("ZONE_CHANGE", BAY, MINUTE, True),
        ("ZONE_CHANGE", GATE_OUT, MINUTE, False),
    ],
)
def test_a_return_inside_within_ten_minutes_clears_the_exit(kind: str, to_place: Place, after: timedelta, clears: bool) -> None:
    back = replace(
        EXIT,
        movement_id=2,
        kind=kind,
        to_place=to_place,
        occurred_at=NOW + after,
        exits_before=(EarlierExit(movement_id=1, occurred_at=NOW, by_vehicle=False),),
    )
    assert bool(cleared(unauthorised_exit.check(snapshot(movements=(back,))))) is clears


def test_a_return_explains_the_exits_of_the_ten_minutes_before_it_and_no_other() -> None:
    exits = tuple(EarlierExit(movement_id=i, occurred_at=NOW - i * 5 * MINUTE, by_vehicle=i == 1) for i in (3, 2, 1))
    back = replace(EXIT, movement_id=9, kind="GATE_IN", to_place=GATE_IN, exits_before=exits)
    assert [c.event_keys for c in cleared(unauthorised_exit.check(snapshot(movements=(back,))))] == [("movement:2", "movement:1:HRC-1")]
    assert cleared(unauthorised_exit.check(snapshot(movements=(replace(back, corrected=True),)))) == []


def test_a_correction_explains_what_it_takes_back() -> None:
    correction = replace(EXIT, movement_id=9, kind="CORRECTION", corrects=1)
    for rule in (unauthorised_exit, tag_clone):
        assert [c.event_keys for c in cleared(rule.check(snapshot(movements=(correction,))))] == [("movement:1",)]
    lorry = replace(correction, vehicle_plate="沪A12345")
    assert [c.event_keys for c in cleared(unauthorised_exit.check(snapshot(movements=(lorry,))))] == [("movement:1:HRC-1",)]


# ---------------------------------------------------------------- R02


@pytest.mark.parametrize(("units", "rate", "rounds"), [(5000, "0.95", 4), (5000, "0.66", 11), (1, "0.95", 2), (0, "0.99", 2)])
def test_rounds_needed(units: int, rate: str, rounds: int) -> None:
    assert tag_missing.rounds_needed(units, Decimal(rate)) == rounds


@given(units=st.integers(1, 10**6), rate=st.decimals("0.3", "0.99", places=2))
def test_rounds_needed_are_the_fewest_that_keep_chance_alarms_below_a_tenth(units: int, rate: Decimal) -> None:
    needed = tag_missing.rounds_needed(units, rate)
    missed = log(1 - float(rate))
    assert log(units) + needed * missed <= log(0.1) + 1e-6
    assert needed == 2 or log(units) + (needed - 1) * missed > log(0.1) - 1e-6


@pytest.mark.parametrize("rate", ["0", "1"])
def test_a_read_rate_of_nothing_or_everything_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        tag_missing.rounds_needed(10, Decimal(rate))


def test_a_unit_is_missing_after_the_needed_rounds_and_not_before() -> None:
    assert len(findings(tag_missing.check(snapshot(unseen=(UNSEEN,), watched_units=5000)))) == 1
    verdicts = tag_missing.check(snapshot(unseen=(replace(UNSEEN, rounds_since=3),), watched_units=5000))
    assert findings(verdicts) == []
    assert len(doubts(verdicts)) == 1


def test_a_poor_bin_of_its_own_history_needs_more_rounds() -> None:
    poor = replace(UNSEEN, read_rate=Decimal("0.66"), rounds_since=10)
    assert findings(tag_missing.check(snapshot(unseen=(poor,), watched_units=5000))) == []
    assert findings(tag_missing.check(snapshot(unseen=(replace(poor, rounds_since=11),), watched_units=5000)))


@pytest.mark.parametrize(
    ("together", "facility_value", "severity"),
    [(2, "16000001", "P2"), (3, "16000001", "P1"), (0, "16000000", "P1"), (0, "16000001", "P2"), (0, None, "P2")],
)
def test_half_a_percent_of_value_or_three_neighbours_make_it_a_p1(together: int, facility_value: str | None, severity: str) -> None:
    fact = replace(UNSEEN, vanished_together=together, facility_value=None if facility_value is None else Decimal(facility_value))
    assert findings(tag_missing.check(snapshot(unseen=(fact,), watched_units=100)))[0].severity == severity


# ---------------------------------------------------------------- R03

FAR = Place(zone_id="WH-2/bay-1", warehouse_id="WH-2", kind="BAY", lon=121.90, lat=31.40)  # 39.8 km from BAY


@pytest.mark.parametrize(("minutes", "found"), [(0, True), (14, True), (16, False), (-14, True), (-16, False)])
def test_between_sites_120_km_an_hour_with_five_minutes_of_clock_error(minutes: int, found: bool) -> None:
    move = replace(EXIT, kind="SITE_CHANGE", from_place=BAY, to_place=FAR, from_seen_at=NOW - minutes * MINUTE)
    assert bool(findings(tag_clone.check(snapshot(movements=(move,))))) is found


def test_inside_a_site_only_measured_clocks_are_judged() -> None:
    far_bay = replace(BAY, zone_id="WH-1/bay-9", lon=121.495)  # 1.2 km
    move = replace(EXIT, kind="ZONE_CHANGE", from_place=BAY, to_place=far_bay, from_seen_at=NOW - timedelta(seconds=10))
    assert findings(tag_clone.check(snapshot(movements=(move,)))) == []
    assert findings(tag_clone.check(snapshot(movements=(replace(move, skew_known=True),))))
    slow = replace(move, skew_known=True, from_seen_at=NOW - timedelta(seconds=120))
    assert findings(tag_clone.check(snapshot(movements=(slow,)))) == []


def test_neighbouring_read_points_are_never_a_clone() -> None:
    near = replace(BAY, zone_id="WH-9/bay-1", warehouse_id="WH-9", lon=BAY.lon + 0.002)
    move = replace(EXIT, kind="SITE_CHANGE", from_place=BAY, to_place=near, from_seen_at=NOW)
    assert findings(tag_clone.check(snapshot(movements=(move,)))) == []


def test_a_late_read_within_a_sighting_elsewhere_is_judged_by_the_shorter_way() -> None:
    evidence = {"overlap": True, "from_entered_at": (NOW - 8 * HOUR).isoformat()}
    move = replace(EXIT, kind="SITE_CHANGE", from_place=BAY, to_place=FAR, from_seen_at=NOW + 5 * MINUTE, evidence=evidence)
    assert findings(tag_clone.check(snapshot(movements=(move,))))
    assert findings(tag_clone.check(snapshot(movements=(replace(move, from_seen_at=NOW + 2 * HOUR),)))) == []


def test_two_chips_under_one_number_are_a_clone_also_of_an_unbound_tag() -> None:
    found = findings(
        tag_clone.check(snapshot(movements=(replace(EXIT, kind="TID_MISMATCH", unit=None, evidence={"tid": "E2", "expected_tid": "E1"}),)))
    )
    assert (found[0].subject.kind, found[0].subject.id) == (SubjectKind.TAG, "E28011")


# ---------------------------------------------------------------- R04


@pytest.mark.parametrize(
    ("settled", "readers", "heard", "found", "doubt"),
    [
        (24 * HOUR, 1, 1, 1, 0),
        (24 * HOUR - SECOND, 1, 1, 0, 0),
        (48 * HOUR, 1, 0, 0, 1),
        (48 * HOUR, 0, 0, 1, 0),
    ],
    ids=["after a day", "a second before", "its readers are silent", "no reader at all"],
)
def test_phantom(settled: timedelta, readers: int, heard: int, found: int, doubt: int) -> None:
    fact = UnsightedUnit(unit=replace(UNIT, pledged_at=NOW), last_seen_at=None, readers=readers, readers_heard=heard, zone_id="WH-1/bay-1")
    verdicts = phantom_stock.check(snapshot(as_of=NOW + 72 * HOUR, stream=stream(NOW + settled), unsighted=(fact,)))
    assert (len(findings(verdicts)), len(doubts(verdicts))) == (found, doubt)


# ---------------------------------------------------------------- R12b


def trip(*fixes: tuple[float, float, float], pledged: bool = True) -> Trip:
    """A trip along 31.4 N with fixes (minute, metres north, accuracy)."""
    return Trip(
        trip_id="T-1", tenant_id="demo", vehicle_plate="沪A12345", device_id="trk-1", corridor={"type": "LineString", "coordinates": [[121.5, 31.4], [121.8, 31.4]]},
        buffer_m=Decimal(500), origin_warehouse_id=None, destination_warehouse_id=None,
        units=(UNIT if pledged else replace(UNIT, pledge_id=None),),
        fixes=tuple(Fix(observed_at=NOW + m * MINUTE, lon=121.6, lat=31.4 + north / 110_900, acc_m=acc) for m, north, acc in fixes),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fixes", "severity"),
    [
        ([(0, 600, 10), (2.5, 600, 10), (5, 600, 10)], "P2"),
        ([(0, 600, 10), (2.5, 600, 10), (4.9, 600, 10)], None),
        ([(0, 600, 10), (9, 600, 10)], None),
        ([(0, 600, 10), (2.5, 400, 10), (5, 600, 10), (6, 600, 10)], None),
        ([(0, 490, 10), (2.5, 490, 10), (5, 490, 10)], None),
        ([(0, 600, 250), (2.5, 600, 250), (5, 600, 250)], None),
        ([(0, 600, 10), (15, 600, 10), (30, 600, 10)], "P2"),
        ([(0, 600, 10), (15, 600, 10), (30.1, 600, 10)], "P1"),
    ],
    ids=[
        "three fixes, five minutes",
        "too short",
        "two fixes",
        "came back between",
        "inside the buffer",
        "coarse fixes",
        "30 minutes",
        "longer",
    ],
)
def test_route_deviation(fixes: list[tuple[float, float, float]], severity: str | None) -> None:
    assert [f.severity for f in findings(route_deviation.check(snapshot(trips=(trip(*fixes),))))] == ([severity] if severity else [])


def test_without_pledged_goods_a_long_deviation_stays_p2() -> None:
    found = findings(route_deviation.check(snapshot(trips=(trip((0, 600, 10), (15, 600, 10), (60, 600, 10), pledged=False),))))
    assert found[0].severity is Severity.P2


# ---------------------------------------------------------------- R21

PEERS = tuple(replace(DEVICE, device_id=f"peer-{i}", warehouse_id="WH-2", site="WH-2") for i in range(3))


def silent(*devices: object, at: datetime = NOW) -> list[tuple[str, str, str]]:
    verdicts = device_silent.check(snapshot(as_of=at, stream=stream(at), devices=(*PEERS, *devices)))
    return [
        (f.subject.kind.value, f.subject.id, f.severity.value) for f in findings(verdicts) if not f.subject.id.startswith(("peer", "WH-2"))
    ]


@pytest.mark.parametrize(
    ("quiet", "severity"),
    [(13 * MINUTE, None), (13 * MINUTE + SECOND, "P3"), (2 * HOUR, "P3"), (2 * HOUR + SECOND, "P2")],
)
def test_silence_counts_from_three_intervals_and_ten_minutes(quiet: timedelta, severity: str | None) -> None:
    device = replace(DEVICE, warehouse_id=None, last_heard_at=NOW - quiet)
    assert silent(device) == ([("device", "rd-1", severity)] if severity else [])


def test_a_last_will_counts_after_ten_minutes_and_an_older_one_not_at_all() -> None:
    gone = replace(
        DEVICE,
        warehouse_id=None,
        expected_interval_s=3600,
        presence="offline",
        presence_at=NOW - 11 * MINUTE,
        last_heard_at=NOW - 12 * MINUTE,
    )
    assert silent(gone) == [("device", "rd-1", "P3")]
    assert silent(replace(gone, presence_at=NOW - 9 * MINUTE)) == []
    assert silent(replace(gone, last_heard_at=NOW)) == []


@pytest.mark.parametrize(
    ("hour_utc", "value", "severity"),
    [(14, "5000001", "P1"), (13, "5000001", "P3"), (14, "5000000", "P3"), (21, "5000001", "P1"), (22, "5000001", "P3")],
)
def test_more_than_five_million_behind_it_at_night_makes_it_a_p1(hour_utc: int, value: str, severity: str) -> None:
    at = datetime(2020, 3, 9, hour_utc, 0, tzinfo=UTC)
    device = replace(DEVICE, warehouse_id=None, last_heard_at=at - HOUR, value_behind=Decimal(value))
    assert silent(device, at=at) == [("device", "rd-1", severity)]


def test_a_site_or_a_gateway_that_is_silent_as_a_whole_gives_one_alert() -> None:
    quiet = NOW - HOUR
    a, b = replace(DEVICE, last_heard_at=quiet), replace(DEVICE, device_id="rd-2", last_heard_at=quiet)
    assert silent(a, b) == [("site", "WH-1", "P3")]
    alive = replace(DEVICE, device_id="rd-3")
    assert silent(a, b, alive) == [("device", "rd-1", "P3"), ("device", "rd-2", "P3")]
    behind = [replace(d, gateway_device_id="gw-1") for d in (a, b)]
    assert silent(*behind, alive) == [("device", "gw-1", "P3")]


def test_when_the_stream_stands_still_nobody_is_silent() -> None:
    device = replace(DEVICE, warehouse_id=None, last_heard_at=NOW)
    verdicts = device_silent.check(snapshot(as_of=NOW + 24 * HOUR, stream=stream(NOW), devices=(device,)))
    assert verdicts == []


def test_what_is_under_way_in_our_own_pipes_is_no_silence() -> None:
    device = replace(DEVICE, warehouse_id=None, last_heard_at=NOW - 20 * MINUTE)
    assert findings(device_silent.check(snapshot(stream=stream(NOW, settle=10 * MINUTE), devices=(device,)))) == []
    assert findings(device_silent.check(snapshot(stream=stream(NOW, settle=6 * MINUTE), devices=(device,))))


@pytest.mark.parametrize(
    "change", [{"device_class": "gps", "on_duty": False}, {"device_class": "wms"}], ids=["parked tracker", "warehouse system"]
)
def test_who_has_no_duty_to_speak_is_not_silent(change: dict[str, object]) -> None:
    assert silent(replace(DEVICE, warehouse_id=None, last_heard_at=NOW - 24 * HOUR, **change)) == []


def test_a_clock_that_runs_ahead_cannot_be_judged() -> None:
    verdicts = device_silent.check(snapshot(devices=(*PEERS, replace(DEVICE, last_heard_at=NOW + 6 * MINUTE))))
    assert [d.subject.id for d in doubts(verdicts)] == ["rd-1"]


def test_a_live_reader_that_reads_nothing_any_more_is_blind() -> None:
    blind = replace(DEVICE, warehouse_id=None, newest_read_at=NOW - 4 * HOUR - SECOND)
    assert silent(blind) == [("device", "rd-1", "P2")]
    assert silent(replace(blind, newest_read_at=NOW - 4 * HOUR)) == []
    assert silent(replace(blind, units_behind=2)) == []
    assert silent(replace(blind, device_class="gate")) == []
