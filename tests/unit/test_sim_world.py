"""The sample world: believable, consistent, and the same for the same seed."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from shapely.geometry import Point, shape

from collateral.ids import is_uscc, vin_check_character
from collateral.lines import derived_lines
from simulators.world import World, build_world, loans, market, roads, sites
from simulators.world.geo import distance_m, gcj02

PAYLOADS = Path(__file__).parents[1] / "payloads"


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(7)


def test_the_same_seed_gives_the_same_world(world: World) -> None:
    assert build_world(7) == world
    assert build_world(8).goods != world.goods


def test_it_is_large_enough_to_be_believable(world: World) -> None:
    assert len(world.goods) >= 2000
    assert {w.kind for w in world.warehouses} == {"STEEL_YARD", "BONDED_METAL", "TANK_FARM", "CAR_YARD"}
    assert len({f.borrower_party_id for f in world.facilities}) == 4
    assert len([d for d in world.devices if d.device_class == "gps"]) >= 10
    assert {d.format for d in world.devices if d.device_class == "gps"} == {"native", "owntracks", "traccar"}
    assert {d.format for d in world.devices if d.device_class == "rfid"} == {"native", "zebra-ziotc", "impinj-iot"}
    assert [d.datum for d in world.devices].count("GCJ02") == 1
    assert {d.kind for d in world.documents} == {"CONTRACT", "INVOICE", "WAYBILL", "WEIGH_TICKET", "TRANSFER_NOTE"}


def test_identities_are_valid_and_unique(world: World) -> None:
    vins = [u.vin for u in world.goods if u.vin is not None]
    assert len(vins) >= 200
    assert all(vin_check_character(v) == v[8] for v in vins)
    assert all(is_uscc(p.uscc) for p in world.parties)
    for name in ("goods_id", "tag_epc", "tid", "vin"):
        values = [v for u in world.goods if (v := getattr(u, name)) is not None]
        assert len(values) == len(set(values)), name
    pieces = [(u.mill, u.heat_no, u.piece_no) for u in world.goods if u.mill is not None]
    assert len(pieces) == len(set(pieces))
    assert len({p.uscc for p in world.parties}) == len(world.parties)


def test_every_made_up_thing_says_so_and_brent_is_real(world: World) -> None:
    assert all("(sample)" in p.name and p.synthetic for p in world.parties)
    assert all(u.synthetic for u in world.goods)
    assert all(d.synthetic for d in world.documents)
    assert {q.source for q in world.quotes if not q.synthetic} == {market.BRENT_SOURCE}
    assert market.brent()[date(2020, 3, 9)] == Decimal("35.33")


def test_zones_lie_inside_their_fence_and_do_not_overlap(world: World) -> None:
    fences = {w.warehouse_id: shape(w.fence) for w in world.warehouses}
    for warehouse_id, fence in fences.items():
        polygons = [shape(z.polygon) for z in world.zones if z.warehouse_id == warehouse_id]
        assert fence.is_valid
        assert all(p.is_valid and fence.contains(p) for p in polygons)
        for i, one in enumerate(polygons):
            assert not any(one.intersects(other) for other in polygons[i + 1 :])


def test_fixed_devices_stand_inside_their_fence_and_readers_in_a_zone_they_read(world: World) -> None:
    fences = {w.warehouse_id: shape(w.fence) for w in world.warehouses}
    for device in world.devices:
        if device.device_class == "gps":
            continue
        assert device.warehouse_id is not None
        place = Point(device.lon, device.lat)
        assert fences[device.warehouse_id].contains(place), device.device_id
        if device.device_class in ("rfid", "sensor"):
            assert any(shape(world.zone_by_id[z].polygon).contains(place) for _, z in device.antennas), device.device_id


def test_every_pledged_unit_has_a_tag_and_a_reader_at_its_book_place(world: World) -> None:
    for goods_id in world.facility_of:
        unit = world.goods_by_id[goods_id]
        assert unit.tag_epc is not None
        assert world.readers_of[unit.zone_id or ""], goods_id


def test_no_unit_is_pledged_twice_and_each_belongs_to_its_borrower(world: World) -> None:
    counted = Counter(g for plan in world.pledges for g in plan.goods_ids)
    assert set(counted.values()) == {1}
    owners = {f.facility_id: f.borrower_party_id for f in world.facilities}
    assert all(world.goods_by_id[g].owner_party_id == owners[f] for g, f in world.facility_of.items())


def test_every_invoice_has_a_waybill_with_a_journey_or_a_transfer_note(world: World) -> None:
    noted = {g for d in world.documents if d.kind == "TRANSFER_NOTE" for g in d.goods_ids}
    carried = {g for d in world.documents if d.kind == "WAYBILL" for g in d.goods_ids}
    journeys = {t.waybill_document_id for t in world.trips}
    waybills = {d.document_id for d in world.documents if d.kind == "WAYBILL"}
    assert waybills == journeys
    for invoice in (d for d in world.documents if d.kind == "INVOICE"):
        assert all(g in noted or g in carried for g in invoice.goods_ids), invoice.document_id
        assert invoice.issued_at < world.starts_at


def test_brent_leads_the_tank_facility_from_warning_to_margin_call_but_not_over_the_disposal_line(world: World) -> None:
    facility = loans.FACILITY_BY_ID[loans.TANK_LINE]
    units = [world.goods_by_id[g] for g, f in world.facility_of.items() if f == facility.facility_id]
    owed, barrels = loans.drawing(7, facility, units), sum(u.quantity for u in units)
    lines = derived_lines(facility.advance_rate, Decimal("0.05"))
    opening, friday, monday = (barrels * market.brent()[date.fromisoformat(d)] / owed for d in ("2020-03-05", "2020-03-06", "2020-03-09"))
    assert lines.start < opening
    assert round(opening, 2) == Decimal("1.84")
    assert lines.margin_call < friday < lines.warning
    assert lines.disposal < monday < lines.margin_call
    assert all(u.invoice_unit_price is not None and u.invoice_unit_price > Decimal("51.29") for u in units)


@pytest.mark.parametrize("seed", range(1, 30))
def test_the_other_facilities_start_far_above_their_warning_lines(seed: int) -> None:
    for facility in loans.FACILITIES:
        if facility.facility_id != loans.TANK_LINE:
            lines = derived_lines(min(c.advance_rate for c in facility.commodities), Decimal("0.05"))
            assert facility.opening_coverage > lines.warning * Decimal("1.2"), facility.facility_id
    for code in market.MARKET_BY_CODE:
        path = [
            q.price
            for d in market.trading_days(date(2020, 3, 6), date(2020, 4, 8))
            for q in market.synthetic_quotes(seed, d)
            if q.commodity_code == code
        ]
        assert min(path) > max(path) * Decimal("0.95"), "a made-up price must not fall by itself"


def test_corridors_join_the_gates_and_places_they_name(world: World) -> None:
    fences = {w.warehouse_id: shape(w.fence) for w in world.warehouses}
    for lorry in roads.lorries(7):
        for name, end in ((lorry.origin, lorry.route[0]), (lorry.destination, lorry.route[-1])):
            if name in sites.SITE_BY_ID:
                assert fences[name].contains(Point(end))


def test_the_gcj02_tracker_shifts_as_the_published_points_do() -> None:
    for line in csv.DictReader((PAYLOADS / "coordinates" / "wgs84_gcj02_points.csv").read_text(encoding="utf-8").splitlines()):
        if float(line["offset_m"]) == 0:
            continue  # outside China no map is shifted, and no lorry of ours drives there
        moved = gcj02((float(line["wgs84_lon"]), float(line["wgs84_lat"])))
        assert distance_m(moved, (float(line["gcj02_lon"]), float(line["gcj02_lat"]))) < 0.5
