"""Datum conversions against published points, and their way back."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.datum import Datum, from_wgs84, to_wgs84
from collateral.zones import point_distance_m

_FILE = Path(__file__).parents[1] / "payloads/coordinates/wgs84_gcj02_points.csv"
POINTS = list(csv.DictReader(_FILE.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", POINTS, ids=[row["name"] for row in POINTS])
def test_published_points_convert_both_ways(row: dict[str, str]) -> None:
    wgs = float(row["wgs84_lon"]), float(row["wgs84_lat"])
    gcj = float(row["gcj02_lon"]), float(row["gcj02_lat"])
    assert from_wgs84(*wgs, Datum.GCJ02) == pytest.approx(gcj, abs=2e-7)
    assert point_distance_m(*wgs, *to_wgs84(*gcj, "GCJ02")) < 0.5
    assert point_distance_m(*wgs, *gcj) == pytest.approx(float(row["offset_m"]), rel=0.005, abs=0.1)


@given(lon=st.floats(74, 134), lat=st.floats(4, 52), datum=st.sampled_from([Datum.GCJ02, Datum.BD09]))
def test_the_way_back_closes_below_a_millimetre(lon: float, lat: float, datum: Datum) -> None:
    assert point_distance_m(lon, lat, *to_wgs84(*from_wgs84(lon, lat, datum), datum)) < 0.001


def test_outside_china_nothing_moves() -> None:
    rotterdam = (4.14, 51.95)
    assert to_wgs84(*rotterdam, "GCJ02") == rotterdam
    assert to_wgs84(*rotterdam, "BD09") == rotterdam


@pytest.mark.parametrize(("lon", "lat", "datum"), [(181.0, 31.0, "WGS84"), (121.0, float("nan"), "GCJ02"), (121.0, 31.0, "CGCS9000")])
def test_what_is_no_point_or_datum_is_refused(lon: float, lat: float, datum: str) -> None:
    with pytest.raises(ValueError):
        to_wgs84(lon, lat, datum)
