"""The fleet and its routes: lorries with trackers of several makes on corridors between mills, ports, sites and buyers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from simulators.world import sites
from simulators.world.geo import Point
from simulators.world.model import Device, RoadPlace
from simulators.world.seeds import stream

TRACKER_INTERVAL_S = 1800
CORRIDOR_BUFFER_M = 500

_PLACES: dict[str, Point] = {
    "Luojing mill": (121.3300, 31.4780),
    "Taicang port": (121.2380, 31.6010),
    "Kunshan works": (120.9850, 31.3840),
    "Suzhou park": (120.6620, 31.3010),
    "Minhang works": (121.3850, 31.0320),
    "Yangshan port": (122.0680, 30.6330),
    "Jinqiao works": (121.6020, 31.2480),
}


PLACE_RADIUS_M = Decimal(300)


def road_places() -> tuple[RoadPlace, ...]:
    """Mills, ports and works at the ends of the routes, where loading and unloading takes its time."""
    return tuple(RoadPlace(name, lon, lat, PLACE_RADIUS_M) for name, (lon, lat) in _PLACES.items())


@dataclass(frozen=True)
class Lorry:
    """A vehicle with its tracker and its route; a lorry on stand-by waits at the route's start."""

    plate: str
    device_id: str
    fleet: str
    format: str
    datum: str
    origin: str
    destination: str
    via: tuple[Point, ...]
    standby: bool = False

    @property
    def route(self) -> tuple[Point, ...]:
        """From gate to gate, WGS-84."""
        return (place(self.origin), *self.via, place(self.destination))

    @property
    def unique_id(self) -> str:
        """What its maker calls the tracker."""
        return f"8601230000{int(self.device_id[-2:]):05}"


def place(name: str) -> Point:
    """A named place, or the gate of a site."""
    return sites.SITE_BY_ID[name].gate_place if name in sites.SITE_BY_ID else _PLACES[name]


# Tracker make, datum, origin, destination, points on the way.
_ROUTES: tuple[tuple[str, str, str, str, tuple[Point, ...]], ...] = (
    ("native", "WGS84", "Luojing mill", sites.STEEL, ((121.372, 31.452), (121.418, 31.420))),
    ("native", "WGS84", "Luojing mill", sites.STEEL, ((121.365, 31.440), (121.410, 31.412))),
    ("native", "GCJ02", "Taicang port", sites.STEEL, ((121.300, 31.540), (121.380, 31.460))),
    ("native", "WGS84", sites.STEEL, "Kunshan works", ((121.330, 31.372), (121.190, 31.366), (121.080, 31.372))),
    ("native", "WGS84", sites.STEEL, "Minhang works", ((121.395, 31.300), (121.372, 31.180), (121.368, 31.090))),
    ("native", "WGS84", sites.STEEL, "Suzhou park", ((121.300, 31.360), (121.050, 31.350), (120.830, 31.330))),
    ("owntracks", "WGS84", "Yangshan port", sites.METAL, ((121.970, 30.860), (121.850, 31.050), (121.700, 31.240))),
    ("owntracks", "WGS84", sites.METAL, "Jinqiao works", ((121.612, 31.300), (121.608, 31.270))),
    ("owntracks", "WGS84", sites.METAL, "Minhang works", ((121.580, 31.230), (121.500, 31.120), (121.440, 31.060))),
    ("traccar", "WGS84", "Yangshan port", sites.TANKS, ((121.960, 30.850), (121.750, 30.900), (121.520, 30.830))),
    ("traccar", "WGS84", sites.CARS, "Suzhou park", ((121.080, 31.305), (120.900, 31.310))),
    ("native", "WGS84", sites.METAL, "Jinqiao works", ((121.618, 31.298), (121.612, 31.266))),
)  # fmt: skip


def lorries(seed: int) -> tuple[Lorry, ...]:
    """Twelve lorries; the last one stands by for a collection at the bonded store."""
    chance = stream(seed, "plates")
    numbers = chance.sample(range(10_000, 99_999), len(_ROUTES))
    found = []
    for n, (wire_format, datum, origin, destination, via) in enumerate(_ROUTES, start=1):
        fleet = "fleet-husu" if sites.STEEL in (origin, destination) else "fleet-ganglian"
        found.append(
            Lorry(f"沪D{numbers[n - 1]}", f"TRK-{n:02}", fleet, wire_format, datum, origin, destination, via, standby=n == len(_ROUTES))
        )
    return tuple(found)


def trackers(seed: int) -> tuple[Device, ...]:
    """The lorries' trackers as devices."""
    found = []
    for lorry in lorries(seed):
        claims: dict[str, object] = {}
        if lorry.format == "owntracks":
            claims = {"topic": f"{lorry.fleet}/{lorry.device_id}"}
        elif lorry.format == "traccar":
            claims = {"uniqueId": lorry.unique_id}
        found.append(
            Device(
                lorry.device_id,
                lorry.fleet,
                "gps",
                lorry.format,
                f"Tracker of {lorry.plate}",
                vehicle_plate=lorry.plate,
                claims=claims,
                expected_interval_s=TRACKER_INTERVAL_S,
                datum=lorry.datum,
            )
        )
    return tuple(found)
