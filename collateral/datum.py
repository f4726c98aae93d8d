"""Chinese map datums: GCJ-02 and BD-09 from and to WGS-84.

GCJ-02 is WGS-84 shifted by 100-700 m inside mainland China; BD-09 is GCJ-02 shifted once more by Baidu. The published formulas go one way;
the way back is iterated until it closes to well below a millimetre. Outside the shifted area all datums are the same.
"""

from __future__ import annotations

from enum import StrEnum
from math import atan2, cos, isfinite, pi, sin, sqrt

_A = 6378245.0  # Krasovsky 1940 semi-major axis, m: the constant of the GCJ-02 formulas
_EE = 0.00669342162296594323
_BD_PI = pi * 3000.0 / 180.0
_CLOSED_DEG = 1e-10
_ROUNDS_MAX = 30


class Datum(StrEnum):
    """Datum of a longitude and latitude; mirrored by CHECKs in SQL."""

    WGS84 = "WGS84"
    GCJ02 = "GCJ02"
    BD09 = "BD09"


def is_shifted_area(lon: float, lat: float) -> bool:
    """Whether GCJ-02 differs from WGS-84 here (the box that the public algorithm uses for mainland China)."""
    return 72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271


def _waves(x: float, y: float) -> tuple[float, float]:
    common = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + common
    lat += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    lat += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + common
    lon += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    lon += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    return lon, lat


def _wgs84_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    if not is_shifted_area(lon, lat):
        return lon, lat
    d_lon, d_lat = _waves(lon - 105.0, lat - 35.0)
    rad_lat = lat / 180.0 * pi
    magic = 1 - _EE * sin(rad_lat) ** 2
    d_lat = d_lat * 180.0 / ((_A * (1 - _EE)) / (magic * sqrt(magic)) * pi)
    d_lon = d_lon * 180.0 / (_A / sqrt(magic) * cos(rad_lat) * pi)
    return lon + d_lon, lat + d_lat


def _gcj02_to_bd09(lon: float, lat: float) -> tuple[float, float]:
    z = sqrt(lon * lon + lat * lat) + 0.00002 * sin(lat * _BD_PI)
    theta = atan2(lat, lon) + 0.000003 * cos(lon * _BD_PI)
    return z * cos(theta) + 0.0065, z * sin(theta) + 0.006


def from_wgs84(lon: float, lat: float, datum: Datum | str) -> tuple[float, float]:
    """A WGS-84 point (degrees) in another datum, as (lon, lat). Raises ValueError on an unknown datum or a point that is none."""
    match _checked(lon, lat, datum):
        case Datum.WGS84:
            return lon, lat
        case Datum.GCJ02:
            return _wgs84_to_gcj02(lon, lat)
        case Datum.BD09:
            if not is_shifted_area(lon, lat):
                return lon, lat
            return _gcj02_to_bd09(*_wgs84_to_gcj02(lon, lat))


def to_wgs84(lon: float, lat: float, datum: Datum | str) -> tuple[float, float]:
    """A point of the given datum (degrees) in WGS-84, as (lon, lat). Raises ValueError on an unknown datum or a point that is none."""
    kind = _checked(lon, lat, datum)
    if kind is Datum.WGS84 or not is_shifted_area(lon, lat):
        return lon, lat
    guess_lon, guess_lat = lon, lat
    for _ in range(_ROUNDS_MAX):
        seen_lon, seen_lat = from_wgs84(guess_lon, guess_lat, kind)
        off_lon, off_lat = seen_lon - lon, seen_lat - lat
        guess_lon, guess_lat = guess_lon - off_lon, guess_lat - off_lat
        if abs(off_lon) < _CLOSED_DEG and abs(off_lat) < _CLOSED_DEG:
            break
    return guess_lon, guess_lat


def _checked(lon: float, lat: float, datum: Datum | str) -> Datum:
    if not (isfinite(lon) and isfinite(lat) and -180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(f"({lon}, {lat}) is not a longitude and latitude in degrees")
    return Datum(datum)
