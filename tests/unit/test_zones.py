"""Fences and corridors on the ground near Shanghai."""

from __future__ import annotations

from typing import Any

import pytest

from collateral.datum import from_wgs84
from collateral.errors import RejectedInput
from collateral.zones import Corridor, Fence, containing

YARD = {"type": "Polygon", "coordinates": [[[121.48, 31.40], [121.49, 31.40], [121.49, 31.41], [121.48, 31.41], [121.48, 31.40]]]}


def test_border_belongs_to_the_fence_and_one_step_outside_does_not() -> None:
    fence = Fence.from_geojson(YARD)
    assert fence.contains(121.485, 31.405)
    assert fence.contains(121.48, 31.405)
    assert not fence.contains(121.47999, 31.405)


def test_distance_is_in_metres() -> None:
    fence = Fence.from_geojson(YARD)
    assert fence.distance_m(121.485, 31.405) == 0
    assert fence.distance_m(121.485, 31.42) == pytest.approx(1109, abs=3)
    assert fence.distance_m(121.50, 31.405) == pytest.approx(951, abs=3)
    assert fence.depth_m(121.4801, 31.405) == pytest.approx(9.5, abs=0.1)
    assert fence.depth_m(121.4799, 31.405) == pytest.approx(-9.5, abs=0.1)


def test_corridor_distance_follows_the_nearest_segment() -> None:
    road = Corridor.from_geojson({"type": "LineString", "coordinates": [[121.0, 31.0], [121.5, 31.0], [121.5, 31.5]]})
    assert road.distance_m(121.25, 31.0) == pytest.approx(0, abs=0.01)
    assert road.distance_m(121.25, 31.01) == pytest.approx(1109, abs=3)
    assert road.distance_m(121.51, 31.3) == pytest.approx(952, abs=3)


def test_fence_drawn_on_a_chinese_map_lands_where_it_is() -> None:
    drawn = {"type": "Polygon", "coordinates": [[list(from_wgs84(x, y, "GCJ02")) for x, y in YARD["coordinates"][0]]]}  # type: ignore[has-type]
    fence = Fence.from_geojson(drawn, "GCJ02")
    assert fence.polygon.equals_exact(Fence.from_geojson(YARD).polygon, tolerance=1e-8)
    assert Fence.from_geojson(fence.to_geojson()).contains(*fence.centre())


@pytest.mark.parametrize(
    "geojson",
    [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [200, 0], [200, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[["a", 0], [2, 0], [2, 1], ["a", 0]]]},
        {"type": "Polygon", "coordinates": "everywhere"},
    ],
)
def test_what_is_no_area_is_refused(geojson: dict[str, Any]) -> None:
    with pytest.raises(RejectedInput):
        Fence.from_geojson(geojson)


def test_containing_names_the_first_fence() -> None:
    fences = [("yard", Fence.from_geojson(YARD))]
    assert containing(fences, 121.485, 31.405) == "yard"
    assert containing(fences, 120.0, 31.405) is None
