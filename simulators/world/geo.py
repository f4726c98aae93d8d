"""Places in metres: rectangles in a local frame, points along a route, and the shift that Chinese map datums add."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

Point = tuple[float, float]
"""Longitude and latitude in degrees, WGS-84 unless said otherwise."""

_M_PER_DEGREE = 111_195.0
_GCJ_A = 6378245.0
_GCJ_EE = 0.00669342162296594323


@dataclass(frozen=True)
class Frame:
    """A local plane: x metres to the east and y metres to the north of an origin. Good for a few kilometres."""

    lon: float
    lat: float

    def point(self, x_m: float, y_m: float) -> Point:
        """The place x_m east and y_m north of the origin."""
        return (
            round(self.lon + x_m / (_M_PER_DEGREE * math.cos(math.radians(self.lat))), 7),
            round(self.lat + y_m / _M_PER_DEGREE, 7),
        )

    def rectangle(self, x0: float, y0: float, x1: float, y1: float) -> dict[str, object]:
        """GeoJSON Polygon of the rectangle, counter-clockwise and closed."""
        ring = [self.point(x0, y0), self.point(x1, y0), self.point(x1, y1), self.point(x0, y1), self.point(x0, y0)]
        return {"type": "Polygon", "coordinates": [[list(p) for p in ring]]}


def distance_m(a: Point, b: Point) -> float:
    """Great-circle distance in metres."""
    lat_a, lat_b = math.radians(a[1]), math.radians(b[1])
    half = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(b[0] - a[0]) / 2) ** 2
    return 2 * 6_371_000.0 * math.asin(math.sqrt(half))


def length_m(route: tuple[Point, ...]) -> float:
    """Length of a route in metres."""
    return sum(distance_m(a, b) for a, b in itertools.pairwise(route))


def along(route: tuple[Point, ...], metres: float) -> tuple[Point, float]:
    """The place that many metres along the route, and the heading there in degrees from north; clamped to the ends."""
    left = max(0.0, metres)
    for a, b in itertools.pairwise(route):
        leg = distance_m(a, b)
        if left <= leg and leg > 0:
            share = left / leg
            return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share), heading(a, b)
        left -= leg
    return route[-1], heading(route[-2], route[-1])


def heading(a: Point, b: Point) -> float:
    """Direction from a to b in degrees from north, 0 to 360."""
    east = (b[0] - a[0]) * math.cos(math.radians(a[1]))
    return math.degrees(math.atan2(east, b[1] - a[1])) % 360


def beside(point: Point, heading_deg: float, metres: float) -> Point:
    """The place that many metres to the right of a traveller at point."""
    angle = math.radians(heading_deg + 90)
    return Frame(*point).point(metres * math.sin(angle), metres * math.cos(angle))


def gcj02(point: Point) -> Point:
    """The GCJ-02 coordinates of a WGS-84 point, as a tracker with a Chinese map chip reports them (public formula)."""
    lon, lat = point
    x, y = lon - 105.0, lat - 35.0
    shared = (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    d_lat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + shared
    d_lat += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    d_lat += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    d_lon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + shared
    d_lon += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    d_lon += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    radians = math.radians(lat)
    magic = 1 - _GCJ_EE * math.sin(radians) ** 2
    d_lat = d_lat * 180 / (_GCJ_A * (1 - _GCJ_EE) / (magic * math.sqrt(magic)) * math.pi)
    d_lon = d_lon * 180 / (_GCJ_A / math.sqrt(magic) * math.cos(radians) * math.pi)
    return lon + d_lon, lat + d_lat
