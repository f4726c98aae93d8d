"""Vehicles and fences: jumps, ways between sparse fixes, overlap, holes, the 180th meridian, and rings that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collateral.errors import RejectedInput
from collateral.zones import Corridor, Fence, geodesic_m
from ingest.fences import Track, VehicleFix, believed, fence_crossings, fence_side, start_of
from ingest.movements import Movement, MovementKind

T0 = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)


def square(west: float, south: float, east: float, north: float, *holes: list[list[float]]) -> dict[str, Any]:
    outer = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [outer, *holes]}


YARD = Fence.from_geojson(square(121.40, 31.30, 121.41, 31.31))
BESIDE = Fence.from_geojson(square(121.405, 31.30, 121.42, 31.31))
OUTSIDE = (121.43, 31.305)


def track(*points: tuple[float, float, float], fences: list[tuple[str, Fence]] | None = None, acc_m: float = 5.0) -> list[Movement]:
    """(minutes, lon, lat) each."""
    fixes = [VehicleFix(T0 + timedelta(minutes=m), T0, lon, lat, acc_m, ("G-1",)) for m, lon, lat in points]
    return fence_crossings("T", "沪A", fences or [("YARD", YARD)], Track(), fixes)[1]


def kinds(found: list[Movement]) -> list[tuple[str, str]]:
    return [(m.kind.value, m.evidence["reason"]) for m in found]


def test_a_fix_that_no_lorry_reaches_is_not_believed_until_the_next_agrees() -> None:
    far = (122.40, 31.305)  # 95 km
    inside = (121.405, 31.305)
    assert track((0, *inside), (1, *inside), (2, *far), (3, *inside), (4, *inside)) == []
    assert track((0, *inside), (1, *far), (2, *inside), (3, *far), (4, *inside)) == []
    assert kinds(track((0, *inside), (1, *inside), (2, *far), (3, *far), (4, *far))) == [("FENCE_EXIT", "two_fixes_outside")]


@pytest.mark.parametrize(("km", "used"), [(6.0, True), (6.2, False)])
def test_jumps_are_judged_by_speed_and_accuracy(km: float, used: bool) -> None:
    first = VehicleFix(T0, T0, 121.0, 31.0, 5.0)
    second = VehicleFix(T0 + timedelta(minutes=1), T0, 121.0, 31.0 + km / 110.86, 5.0)
    assert (believed(Track(None, first), second) is not None) is used


def test_a_way_deep_through_a_fence_between_two_fixes_is_told_with_its_times() -> None:
    enter, leave = track((0, 121.38, 31.305), (4, *OUTSIDE))
    assert [m.kind for m in (enter, leave)] == [MovementKind.FENCE_ENTER, MovementKind.FENCE_EXIT]
    assert enter.evidence["reason"] == leave.evidence["reason"] == "passed_between_fixes"
    assert (enter.occurred_at - T0).total_seconds() == pytest.approx(0.4 * 240, abs=1)
    assert (leave.occurred_at - T0).total_seconds() == pytest.approx(0.6 * 240, abs=1)
    assert enter.evidence["depth_m"] == pytest.approx(476, abs=15)
    assert (enter.evidence["goods"], enter.evidence["goods_aboard"]) == ([], ["G-1"])  # shown, and no goods moved by it


@pytest.mark.parametrize(
    ("points", "acc_m", "told"),
    [
        ([(0, 121.409, 31.32), (2, 121.42, 31.309)], 5.0, 0),  # past the corner
        ([(0, 121.403, 31.315), (2, 121.415, 31.303)], 5.0, 2),  # through it
        ([(0, 121.403, 31.315), (2, 121.415, 31.303)], 450.0, 0),  # vaguer than the corner is deep
        ([(0, 121.38, 31.305), (16, 121.43, 31.305)], 5.0, 0),  # too long between to say which way it took
        ([(0, 121.38, 31.32), (4, 121.43, 31.32)], 5.0, 0),  # past it
    ],
)  # fmt: skip
def test_corners_count_when_the_way_leads_through_for_certain(points: list[tuple[float, float, float]], acc_m: float, told: int) -> None:
    assert len(track(*points, acc_m=acc_m)) == told


def test_overlapping_fences_do_not_flap() -> None:
    fences = [("YARD", YARD), ("BESIDE", BESIDE)]
    overlap, beside = (121.407, 31.305), (121.415, 31.305)
    found = track((0, *OUTSIDE), (2, *beside), (4, *beside), *((6 + i, *(overlap if i % 2 else beside)) for i in range(20)), fences=fences)
    assert [(m.kind, m.evidence["warehouse_id"]) for m in found] == [(MovementKind.FENCE_ENTER, "BESIDE")]
    assert fence_side(fences, "YARD", VehicleFix(T0, T0, *overlap, 5.0)) == "YARD"


def test_a_hole_is_outside() -> None:
    hole = [[121.404, 31.304], [121.406, 31.304], [121.406, 31.306], [121.404, 31.306], [121.404, 31.304]]
    fence = Fence.from_geojson(square(121.40, 31.30, 121.41, 31.31, hole))
    assert not fence.contains(121.405, 31.305)
    assert fence.contains(121.402, 31.305)
    assert fence.distance_m(121.405, 31.305) == pytest.approx(95, abs=2)
    passage = fence.passage((121.404, 31.305), (121.406, 31.305))
    assert passage is None
    assert not Fence.from_geojson(fence.to_geojson()).contains(121.405, 31.305)


def test_a_fence_and_a_corridor_across_the_180th_meridian() -> None:
    fence = Fence.from_geojson(square(179.99, -17.0, -179.99, -16.9))
    for lon in (179.995, 180.0, -180.0, -179.995):
        assert fence.contains(lon, -16.95)
    assert not fence.contains(179.98, -16.95)
    assert not fence.contains(0.0, -16.95)
    assert fence.distance_m(-179.98, -16.95) == pytest.approx(geodesic_m(-179.98, -16.95, -179.99, -16.95), rel=1e-3)
    assert fence.distance_m(179.98, -16.95) == pytest.approx(1065, abs=5)
    passage = fence.passage((179.9, -16.95), (-179.9, -16.95))
    assert passage is not None
    assert passage.enters == pytest.approx(0.45, abs=0.01)
    again = fence.to_geojson()
    assert all(abs(lon) <= 180 for lon, _ in again["coordinates"][0])
    assert Fence.from_geojson(again).contains(-179.995, -16.95)
    assert abs(fence.centre()[0]) <= 180
    road = Corridor.from_geojson({"type": "LineString", "coordinates": [[179.9, 0.0], [-179.9, 0.0]]})
    assert road.distance_m(-179.95, 0.01) == pytest.approx(1106, abs=3)


@pytest.mark.parametrize(
    ("rings", "says", "details"),
    [
        ([[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]], "Self-intersection at longitude 1, latitude 1", {"lon": 1.0, "lat": 1.0}),
        ([[[0, 0], [1, 0], [1, 1], [0, 1]]], "the outer ring is not closed: it begins at [0, 0] and ends at [0, 1]", {"ring": 0}),
        ([[[0, 0], [1, 0], [1, 95], [0, 0]]], "point 2 of the outer ring, [1, 95], is not longitude and latitude", {"point": 2}),
        ([[[0, 0], [1, 0], [0, 0]]], "the outer ring has 3 points", {"fault": "too_few_points"}),
        ([[[0, 0], [1, 0], ["x", 1], [0, 0]]], "point 2 of the outer ring is not [lon, lat]", {"fault": "not_a_point"}),
        ([[[0, 0], [1, 0], [float("nan"), 1], [0, 0]]], "point 2 of the outer ring", {"fault": "out_of_range"}),
        (
            [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], [[3, 3], [5, 3], [5, 3.5], [3, 3.5], [3, 3]]],
            "Self-intersection at longitude 4, latitude 3",
            {"lon": 4.0},
        ),
        ([[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], [[5, 5], [6, 5], [6, 6], [5, 5]]], "outside shell at longitude 5, latitude 5", {"lat": 5.0}),
        ([[[0, 0], [1, 0], [2, 0], [0, 0]]], "not valid", {}),
    ],
)  # fmt: skip
def test_a_ring_that_is_none_is_refused_with_the_place_of_its_fault(rings: list[Any], says: str, details: dict[str, Any]) -> None:
    with pytest.raises(RejectedInput) as caught:
        Fence.from_geojson({"type": "Polygon", "coordinates": rings})
    assert says in str(caught.value)
    assert details.items() <= caught.value.details.items()


def test_where_a_vehicle_was_is_read_from_what_was_told_around() -> None:
    told = [(T0, MovementKind.FENCE_ENTER, "A"), (T0 + timedelta(hours=1), MovementKind.FENCE_EXIT, "A")]
    assert start_of(told, T0 - timedelta(minutes=1), None) is None
    assert start_of(told, T0, None) == "A"
    assert start_of(told[1:], T0, None) == "A"
    assert start_of(told, T0 + timedelta(hours=2), "B") is None
    assert start_of([], T0, "B") == "B"
