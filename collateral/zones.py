"""Fences, zones and corridors on the ground. GeoJSON in WGS-84 degrees in; metres out.

Distances are measured in a plane that touches the earth at the point asked about: exact to better than 0.1 % within 100 km of it,
which is where a fence or a corridor matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, radians, sin, sqrt
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Geod
from shapely.geometry import LineString, Point, Polygon, mapping

from collateral.datum import Datum, to_wgs84
from collateral.errors import RejectedInput

_A = 6378137.0
_E2 = 6.69437999014e-3
POINTS_MAX = 10_000
_GEOD = Geod(ellps="WGS84")
_SAMPLES = tuple(n / 16 for n in range(1, 16))  # of a way inside a fence, to find its deepest point


def metres_per_degree(lat: float) -> tuple[float, float]:
    """Metres along one degree of longitude and of latitude at this latitude (WGS-84 ellipsoid)."""
    phi = radians(lat)
    w = sqrt(1 - _E2 * sin(phi) ** 2)
    return radians(1) * _A / w * cos(phi), radians(1) * _A * (1 - _E2) / w**3


def point_distance_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Metres between two points, straight, in the plane at their middle; for distances up to some 100 km."""
    kx, ky = metres_per_degree((lat_a + lat_b) / 2)
    return sqrt(((lon_b - lon_a) * kx) ** 2 + ((lat_b - lat_a) * ky) ** 2)


def _local(coords: npt.NDArray[np.float64], lon: float, lat: float) -> npt.NDArray[np.float64]:
    kx, ky = metres_per_degree(lat)
    local: npt.NDArray[np.float64] = (coords - np.array([lon, lat])) * np.array([kx, ky])
    return local


def geodesic_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Metres between two points on the ellipsoid, however far apart."""
    return float(_GEOD.inv(lon_a, lat_a, lon_b, lat_b)[2])


def _checked_points(points: Any, where: str) -> list[tuple[float, float]]:
    """Longitude and latitude of each point; extra dimensions are passed over. Raises RejectedInput that names the first bad one."""
    if not isinstance(points, Sequence) or isinstance(points, str):
        raise RejectedInput(f"{where} is no list of [lon, lat] points", fault="not_a_list")
    found: list[tuple[float, float]] = []
    for n, point in enumerate(points):
        try:
            lon, lat = (float(v) for v in point[:2])
        except (TypeError, ValueError, IndexError, KeyError):
            raise RejectedInput(f"point {n} of {where} is not [lon, lat]: {str(point)[:60]}", fault="not_a_point", point=n) from None
        if not (abs(lon) <= 180 and abs(lat) <= 90):
            raise RejectedInput(
                f"point {n} of {where}, [{lon:g}, {lat:g}], is not longitude and latitude in degrees", fault="out_of_range", point=n
            )
        found.append((lon, lat))
    return found


def _unwrapped(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of a line that crosses the 180th meridian, with longitudes that go on beyond 180."""
    if all(abs(b[0] - a[0]) <= 180 for a, b in pairwise(points)):
        return points
    return [(lon + 360 if lon < 0 else lon, lat) for lon, lat in points]


def _coordinates(geojson: Mapping[str, Any], kind: str) -> Any:
    if not isinstance(geojson, Mapping) or geojson.get("type") != kind:
        raise RejectedInput(f"expected a GeoJSON {kind}", got=str(geojson)[:100])
    coordinates = geojson.get("coordinates")
    if not isinstance(coordinates, Sequence) or isinstance(coordinates, str) or not coordinates:
        raise RejectedInput(f"a GeoJSON {kind} needs coordinates", fault="empty")
    return coordinates


def _polygon(geojson: Mapping[str, Any]) -> Polygon:
    """Raises RejectedInput that names the ring and the place of the fault."""
    rings: list[list[tuple[float, float]]] = []
    for n, points in enumerate(_coordinates(geojson, "Polygon")):
        where = "the outer ring" if n == 0 else f"hole {n}"
        ring = _checked_points(points, where)
        if len(ring) < 4:
            raise RejectedInput(f"{where} has {len(ring)} points and needs at least four", fault="too_few_points", ring=n)
        if ring[0] != ring[-1]:
            first, last = (f"[{x:g}, {y:g}]" for x, y in (ring[0], ring[-1]))
            raise RejectedInput(f"{where} is not closed: it begins at {first} and ends at {last}", fault="not_closed", ring=n)
        rings.append(_unwrapped(ring))
    if sum(map(len, rings)) > POINTS_MAX:
        raise RejectedInput(f"a Polygon needs at most {POINTS_MAX} points", fault="too_many_points")
    if max(x for x, _ in rings[0]) > 180:  # its holes lie where it lies
        rings[1:] = [[(x + 360 if x < 0 else x, y) for x, y in hole] for hole in rings[1:]]
    if max(x for x, _ in rings[0]) - min(x for x, _ in rings[0]) > 180:
        raise RejectedInput("a fence around half the earth is none", fault="too_wide")
    made = Polygon(rings[0], rings[1:])
    if not made.is_valid:
        _refuse(shapely.is_valid_reason(made), "Polygon")
    return made


def _refuse(reason: str, kind: str) -> NoReturn:
    """Raises RejectedInput for what shapely found, such as `Self-intersection[121.5 31.2]`."""
    what, _, place = reason.partition("[")
    try:
        lon, lat = (float(v) for v in place.rstrip("]").split()[:2])
    except ValueError:
        raise RejectedInput(f"this {kind} is not valid: {reason}", fault=what) from None
    lon = _in_range(lon)
    raise RejectedInput(f"this {kind} is not valid: {what} at longitude {lon:.7g}, latitude {lat:.7g}", fault=what, lon=lon, lat=lat)


def _in_range(lon: float) -> float:
    return lon if -180 <= lon <= 180 else (lon + 180) % 360 - 180


def _near(geometry: Any, lon: float) -> float:
    """The longitude as it is nearest to the geometry, which may go on beyond 180."""
    west, _, east, _ = geometry.bounds
    return lon + 360 * round(((west + east) / 2 - lon) / 360) if east > 180 or abs((west + east) / 2 - lon) > 180 else lon


@dataclass(frozen=True)
class Passage:
    """The part of a straight way that lies in a fence: fractions of the way, and how deep inside its deepest point is, metres."""

    enters: float
    leaves: float
    depth_m: float


def _converted(coords: npt.NDArray[np.float64], datum: Datum | str) -> npt.NDArray[np.float64]:
    converted = [(to_wgs84(_in_range(float(x)), float(y), datum), float(x)) for x, y in coords]
    return np.array([(lon + (360 if x > 180 else 0), lat) for (lon, lat), x in converted])


@dataclass(frozen=True)
class Fence:
    """An area on the ground: a warehouse's fence or one of its zones."""

    polygon: Polygon

    @classmethod
    def from_geojson(cls, geojson: Mapping[str, Any], datum: Datum | str = Datum.WGS84) -> Fence:
        """From a GeoJSON Polygon, converted to WGS-84. Raises RejectedInput that says what is wrong with it."""
        polygon = _polygon(geojson)
        if Datum(datum) is not Datum.WGS84:
            polygon = shapely.transform(polygon, lambda coords: _converted(coords, datum))
        if polygon.area == 0:
            raise RejectedInput("a fence needs an area")
        shapely.prepare(polygon)
        return cls(polygon)

    def contains(self, lon: float, lat: float) -> bool:
        """Whether the point lies in the fence; its border belongs to it."""
        return bool(shapely.intersects_xy(self.polygon, _near(self.polygon, lon), lat))

    def distance_m(self, lon: float, lat: float) -> float:
        """Metres from the point to the fence; 0 inside and on the border."""
        if self.contains(lon, lat):
            return 0.0
        lon = _near(self.polygon, lon)
        local = shapely.transform(self.polygon, lambda coords: _local(coords, lon, lat))
        return float(local.distance(Point(0, 0)))

    def depth_m(self, lon: float, lat: float) -> float:
        """Metres from the point to the border, negative outside: how sure an inside or outside is, given a fix's accuracy."""
        lon = _near(self.polygon, lon)
        local = shapely.transform(self.polygon, lambda coords: _local(coords, lon, lat))
        border_m = float(local.boundary.distance(Point(0, 0)))
        return border_m if self.contains(lon, lat) else -border_m

    def passage(self, start: tuple[float, float], end: tuple[float, float]) -> Passage | None:
        """The deepest part of the straight way between two (lon, lat) that lies inside; None = it passes by."""
        (lon_a, lat_a), (lon_b, lat_b) = ((_near(self.polygon, lon), lat) for lon, lat in (start, end))
        west, south, east, north = self.polygon.bounds
        if max(lon_a, lon_b) < west or min(lon_a, lon_b) > east or max(lat_a, lat_b) < south or min(lat_a, lat_b) > north:
            return None
        if not LineString([(lon_a, lat_a), (lon_b, lat_b)]).intersects(self.polygon):
            return None
        lon, lat = (lon_a + lon_b) / 2, (lat_a + lat_b) / 2
        local = shapely.transform(self.polygon, lambda coords: _local(coords, lon, lat))
        way = LineString(_local(np.array([(lon_a, lat_a), (lon_b, lat_b)]), lon, lat))
        found: Passage | None = None
        for part in shapely.get_parts(way.intersection(local)):
            if part.length == 0:
                continue
            depth_m = max(float(local.boundary.distance(part.interpolate(f, normalized=True))) for f in _SAMPLES)
            if found is None or depth_m > found.depth_m:
                at = sorted(way.project(Point(xy), normalized=True) for xy in (part.coords[0], part.coords[-1]))
                found = Passage(float(at[0]), float(at[1]), depth_m)
        return found

    def centre(self) -> tuple[float, float]:
        """A point (lon, lat) that is certainly inside."""
        point = self.polygon.representative_point()
        return _in_range(float(point.x)), float(point.y)

    def to_geojson(self) -> dict[str, Any]:
        """GeoJSON Polygon in WGS-84."""
        made = mapping(self.polygon)
        return {"type": "Polygon", "coordinates": [[[_in_range(x), y] for x, y in ring] for ring in made["coordinates"]]}


@dataclass(frozen=True)
class Corridor:
    """The road that a trip should take."""

    line: LineString

    @classmethod
    def from_geojson(cls, geojson: Mapping[str, Any]) -> Corridor:
        """From a GeoJSON LineString in WGS-84. Raises RejectedInput that says what is wrong with it."""
        points = _unwrapped(_checked_points(_coordinates(geojson, "LineString"), "the line"))
        if not 2 <= len(points) <= POINTS_MAX:
            raise RejectedInput(f"a LineString needs 2 to {POINTS_MAX} points, not {len(points)}", fault="too_few_points")
        line = LineString(points)
        if line.length == 0:
            raise RejectedInput("a corridor needs a length")
        return cls(line)

    def distance_m(self, lon: float, lat: float) -> float:
        """Metres from the point to the nearest place of the road."""
        lon = _near(self.line, lon)
        local = shapely.transform(self.line, lambda coords: _local(coords, lon, lat))
        return float(local.distance(Point(0, 0)))

    def to_geojson(self) -> dict[str, Any]:
        """GeoJSON LineString in WGS-84."""
        return {"type": "LineString", "coordinates": [[_in_range(x), y] for x, y in self.line.coords]}


def containing(fences: Sequence[tuple[str, Fence]], lon: float, lat: float) -> str | None:
    """The name of the first fence that holds the point."""
    return next((name for name, fence in fences if fence.contains(lon, lat)), None)
