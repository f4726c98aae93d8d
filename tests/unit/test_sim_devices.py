"""What simulated devices say is what ingest understands, in every format."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from collateral.datum import to_wgs84
from ingest.formats import decode
from ingest.readings import DecodeContext, DeviceEvent, Limits, PositionReading, RfidReading, StateUpdate
from simulators import telemetry
from simulators.driving import Detour, driven_at, roster
from simulators.telemetry import Driven, Seen
from simulators.world import build_world, roads
from simulators.world.geo import distance_m
from simulators.world.market import STARTS_AT
from simulators.world.model import Device

WORLD = build_world(5)
AT = datetime(2020, 3, 9, 7, 0, 0, 250_000, tzinfo=UTC)
READERS = {d.format: d for d in WORLD.devices if d.device_class == "rfid"}
TRACKERS = {(d.format, d.datum): d for d in WORLD.devices if d.device_class == "gps"}


def context(channel: str, device: Device) -> DecodeContext:
    return DecodeContext(channel=channel, received_at=AT + timedelta(seconds=1), datum=device.datum, utc_offset_minutes=0, limits=Limits())


@pytest.mark.parametrize("wire_format", sorted(READERS))
def test_reads_of_every_make_are_understood(wire_format: str) -> None:
    device = READERS[wire_format]
    seen = [Seen(u.tag_epc or "", u.tid, 1 + n % 2, -55.5) for n, u in enumerate(WORLD.goods[:100])]
    payload, following = telemetry.reads(device, AT, 41, seen)
    found = [r for r in decode(wire_format, payload, context("reads", device)) if isinstance(r, RfidReading)]
    assert [r.epc for r in found] == [s.epc for s in seen]
    assert [r.tid for r in found] == [s.tid for s in seen]
    assert {r.observed_at for r in found} == {AT}
    assert following > 41


@pytest.mark.parametrize("wire_format", sorted(READERS))
def test_signs_of_life_of_every_make_are_understood(wire_format: str) -> None:
    device = READERS[wire_format]
    found = decode(wire_format, telemetry.health(device, AT, 3), context("health", device))
    assert any(isinstance(r, StateUpdate) for r in found), found


@pytest.mark.parametrize("make", sorted(TRACKERS))
def test_fixes_of_every_make_end_at_the_same_place(make: tuple[str, str]) -> None:
    device, place = TRACKERS[make], (121.4, 31.3)
    payload = telemetry.position(device, AT, 9, Driven(place, 90.0, 15.0, 120_000.5, ("COIL-1",)))
    fix = next(r for r in decode(device.format, payload, context("position", device)) if isinstance(r, PositionReading))
    assert fix.lon is not None
    assert fix.lat is not None
    assert distance_m(to_wgs84(fix.lon, fix.lat, fix.datum), place) < 1
    assert fix.speed_mps == pytest.approx(15.0, abs=0.3)


def test_a_tank_and_a_warehouse_system_are_understood() -> None:
    gauge = next(d for d in WORLD.devices if d.device_class == "sensor")
    wms = next(d for d in WORLD.devices if d.device_class == "wms")
    measured = telemetry.gauge(AT, 1, level_m=10, volume_m3=6000, temperature_c=48)
    counted = telemetry.cycle_count(wms, AT, 1, [("HRC", "WH-SH-01/bay-1", 180)])
    assert any(isinstance(r, DeviceEvent) and r.type == "tank" for r in decode("native", measured, context("event", gauge)))
    assert any(isinstance(r, DeviceEvent) and r.type == "doc" for r in decode("wms-event", counted, context("doc", wms)))


@pytest.mark.parametrize("lorry", roads.lorries(5), ids=lambda lorry: lorry.device_id)
def test_lorries_stay_on_their_corridor_and_keep_to_lawful_speeds(lorry: roads.Lorry) -> None:
    from shapely.geometry import LineString, Point

    times, road = roster(5, lorry, STARTS_AT), LineString(lorry.route)
    before = None
    for minutes in range(0, 2 * 24 * 60, 5):
        driven = driven_at(5, lorry, times, STARTS_AT + timedelta(minutes=minutes))
        assert road.distance(Point(driven.place)) * 111_195 < 60
        if before is not None:
            assert distance_m(before, driven.place) / 300 < 25
        before = driven.place


def test_a_detour_leaves_the_corridor_for_as_long_as_it_lasts() -> None:
    detour = Detour(AT, AT + timedelta(hours=3), 4500)
    assert detour.offset_m(AT - timedelta(minutes=1)) == 0
    assert detour.offset_m(AT + timedelta(minutes=90)) == 4500
    assert detour.offset_m(AT + timedelta(hours=3)) == 0
