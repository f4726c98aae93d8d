"""Fences, zones and corridors on the ground. GeoJSON in WGS-84 degrees in; metres out.

Distances are measured in a plane that touches the earth at the point asked about: exact to better than 0.1 % within 100 km of it,
which is where a fence or a corridor matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, radians, sin, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import LineString, Point, Polygon, mapping, shape

from collateral.datum import Datum, to_wgs84
from collateral.errors import RejectedInput

_A = 6378137.0
_E2 = 6.69437999014e-3
POINTS_MAX = 10_000


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


def _geometry(geojson: Mapping[str, Any], kind: str) -> Any:
    if not isinstance(geojson, Mapping) or geojson.get("type") != kind:
        raise RejectedInput(f"expected a GeoJSON {kind}", got=str(geojson)[:100])
    try:
        made = shape(dict(geojson))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError) as exc:
        raise RejectedInput(f"this {kind} cannot be read: {exc}") from exc
    coords = shapely.get_coordinates(made)
    if len(coords) == 0 or len(coords) > POINTS_MAX:
        raise RejectedInput(f"a {kind} needs 1 to {POINTS_MAX} points, not {len(coords)}")
    if not np.isfinite(coords).all() or (np.abs(coords[:, 0]) > 180).any() or (np.abs(coords[:, 1]) > 90).any():
        raise RejectedInput(f"a {kind} has points that are not longitude and latitude in degrees")
    if not made.is_valid:
        raise RejectedInput(f"this {kind} is not valid: {shapely.is_valid_reason(made)}")
    return made


@dataclass(frozen=True)
class Fence:
    """An area on the ground: a warehouse's fence or one of its zones."""

    polygon: Polygon

    @classmethod
    def from_geojson(cls, geojson: Mapping[str, Any], datum: Datum | str = Datum.WGS84) -> Fence:
        """From a GeoJSON Polygon, converted to WGS-84. Raises RejectedInput that says what is wrong with it."""
        polygon = _geometry(geojson, "Polygon")
        if Datum(datum) is not Datum.WGS84:
            polygon = shapely.transform(polygon, lambda coords: np.array([to_wgs84(float(x), float(y), datum) for x, y in coords]))
        if polygon.area == 0:
            raise RejectedInput("a fence needs an area")
        shapely.prepare(polygon)
        return cls(polygon)

    def contains(self, lon: float, lat: float) -> bool:
        """Whether the point lies in the fence; its border belongs to it."""
        return bool(shapely.intersects_xy(self.polygon, lon, lat))

    def distance_m(self, lon: float, lat: float) -> float:
        """Metres from the point to the fence; 0 inside and on the border."""
        if self.contains(lon, lat):
            return 0.0
        local = shapely.transform(self.polygon, lambda coords: _local(coords, lon, lat))
        return float(local.distance(Point(0, 0)))

    def depth_m(self, lon: float, lat: float) -> float:
        """Metres from the point to the border, negative outside: how sure an inside or outside is, given a fix's accuracy."""
        local = shapely.transform(self.polygon, lambda coords: _local(coords, lon, lat))
        border_m = float(local.boundary.distance(Point(0, 0)))
        return border_m if self.contains(lon, lat) else -border_m

    def centre(self) -> tuple[float, float]:
        """A point (lon, lat) that is certainly inside."""
        point = self.polygon.representative_point()
        return float(point.x), float(point.y)

    def to_geojson(self) -> dict[str, Any]:
        """GeoJSON Polygon in WGS-84."""
        made = mapping(self.polygon)
        return {"type": "Polygon", "coordinates": [[list(xy) for xy in ring] for ring in made["coordinates"]]}


@dataclass(frozen=True)
class Corridor:
    """The road that a trip should take."""

    line: LineString

    @classmethod
    def from_geojson(cls, geojson: Mapping[str, Any]) -> Corridor:
        """From a GeoJSON LineString in WGS-84. Raises RejectedInput that says what is wrong with it."""
        line = _geometry(geojson, "LineString")
        if line.length == 0:
            raise RejectedInput("a corridor needs a length")
        return cls(line)

    def distance_m(self, lon: float, lat: float) -> float:
        """Metres from the point to the nearest place of the road."""
        local = shapely.transform(self.line, lambda coords: _local(coords, lon, lat))
        return float(local.distance(Point(0, 0)))

    def to_geojson(self) -> dict[str, Any]:
        """GeoJSON LineString in WGS-84."""
        return {"type": "LineString", "coordinates": [list(xy) for xy in self.line.coords]}


def containing(fences: Sequence[tuple[str, Fence]], lon: float, lat: float) -> str | None:
    """The name of the first fence that holds the point."""
    return next((name for name, fence in fences if fence.contains(lon, lat)), None)
