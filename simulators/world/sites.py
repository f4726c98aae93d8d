"""Four supervised sites around Shanghai: fences, bays and tanks, gate lanes, and the devices that watch them."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.world.geo import Frame, Point
from simulators.world.model import Device, Warehouse, Zone
from simulators.world.people import OPERATORS

STEEL, METAL, TANKS, CARS = "WH-SH-01", "WH-SH-02", "WH-SH-03", "WH-SH-04"

READER_INTERVAL_S = 1800
"""What readers, gauges and gateways are registered with: twice the quarter of an hour in which they report."""

_FORMATS = ("native", "zebra-ziotc", "impinj-iot")


@dataclass(frozen=True)
class Site:
    """The plan of a site: bays in a grid, gates along the east fence, everything in metres from its south-west corner."""

    warehouse_id: str
    code: str
    name: str
    name_zh: str
    kind: str
    grade: str
    frame: Frame
    width_m: float
    depth_m: float
    columns: int
    rows: int
    zone_kind: str
    zone_word: str
    gates: int
    antennas_per_zone: int = 2

    @property
    def place(self) -> Point:
        """The middle of the site."""
        return self.frame.point(self.width_m / 2, self.depth_m / 2)

    @property
    def gate_place(self) -> Point:
        """The first gate, where routes begin and end."""
        return self.frame.point(self.width_m - 20, self.depth_m / (self.gates + 1))

    def zone_ids(self) -> tuple[str, ...]:
        """Its bays or tanks in order."""
        return tuple(f"{self.warehouse_id}/{self.zone_word}-{n}" for n in range(1, self.columns * self.rows + 1))

    def gate_ids(self) -> tuple[str, ...]:
        """Its gate readers."""
        return tuple(f"GATE-{self.code}-{n:02}" for n in range(1, self.gates + 1))


SITES: tuple[Site, ...] = (
    Site(STEEL, "BS", "Baoshan Steel Yard", "宝山钢材库", "STEEL_YARD", "A", Frame(121.4480, 31.4010), 460, 300, 3, 2, "BAY", "bay", 2),
    Site(
        METAL,
        "WGQ",
        "Waigaoqiao Bonded Metals",
        "外高桥保税金属库",
        "BONDED_METAL",
        "A",
        Frame(121.6040, 31.3400),
        280,
        180,
        2,
        2,
        "BAY",
        "bay",
        1,
    ),
    Site(TANKS, "JS", "Jinshan Tank Farm", "金山罐区", "TANK_FARM", "B", Frame(121.3830, 30.7890), 480, 260, 4, 2, "TANK", "T", 1, 1),
    Site(CARS, "AT", "Anting Vehicle Park", "安亭商品车库", "CAR_YARD", "B", Frame(121.1640, 31.2990), 340, 240, 2, 2, "BAY", "row", 1),
)
SITE_BY_ID = {site.warehouse_id: site for site in SITES}


def warehouses() -> tuple[Warehouse, ...]:
    """The sites as the registry keeps them."""
    return tuple(
        Warehouse(
            warehouse_id=s.warehouse_id,
            name=f"{s.name} (sample)",
            name_zh=f"{s.name_zh}（样例）",
            operator_party_id=OPERATORS[s.warehouse_id],
            kind=s.kind,
            control_mode="CMA",
            grade=s.grade,
            fence=s.frame.rectangle(0, 0, s.width_m, s.depth_m),
        )
        for s in SITES
    )


def _cell(site: Site, number: int) -> tuple[float, float, float, float]:
    """Corners of a bay: the yard without a 10 m rim and the 60 m of gate lanes, in equal cells with 6 m ways between."""
    column, row = (number - 1) % site.columns, (number - 1) // site.columns
    wide, deep = (site.width_m - 80) / site.columns, (site.depth_m - 20) / site.rows
    x0, y0 = 10 + column * wide, 10 + row * deep
    return x0, y0, x0 + wide - 6, y0 + deep - 6


def _lane(site: Site, gate: int) -> float:
    return site.depth_m * gate / (site.gates + 1)


def zones() -> tuple[Zone, ...]:
    """Bays, tanks and the two lanes of each gate; no two overlap."""
    found: list[Zone] = []
    for site in SITES:
        for number, zone_id in enumerate(site.zone_ids(), start=1):
            name = f"Tank T{100 + number}" if site.zone_kind == "TANK" else f"{site.zone_word.capitalize()} {number}"
            found.append(Zone(zone_id, site.warehouse_id, name, site.zone_kind, site.frame.rectangle(*_cell(site, number))))
        for gate in range(1, site.gates + 1):
            y, x = _lane(site, gate), site.width_m
            for side, kind, west, east in (("inner", "GATE_INNER", x - 55, x - 31), ("outer", "GATE_OUTER", x - 29, x - 5)):
                polygon = site.frame.rectangle(west, y - 8, east, y + 8)
                found.append(Zone(f"{site.warehouse_id}/gate-{gate}-{side}", site.warehouse_id, f"Gate {gate} {side} lane", kind, polygon))
    return tuple(found)


def _claims(device_id: str, wire_format: str) -> dict[str, object]:
    if wire_format == "zebra-ziotc":
        return {"hostname": f"FX9600-{device_id}"}
    if wire_format == "impinj-iot":
        return {"hostname": f"impinj-{device_id.lower()}"}
    return {}


def devices() -> tuple[Device, ...]:
    """Gateway, readers, gates, gauges and the warehouse system of every site; gateways first, so that the others can name them."""
    found: list[Device] = []
    turn = 0
    for site in SITES:
        here, gateway = site.warehouse_id, f"GW-{site.code}-01"
        lon, lat = site.frame.point(15, 15)
        found.append(
            Device(gateway, here, "gw", "native", f"{site.name} gateway", here, expected_interval_s=READER_INTERVAL_S, lon=lon, lat=lat)
        )
        zone_ids = site.zone_ids()
        # One reader watches one bay; at the tanks one reader has an antenna at each of four manifolds.
        groups = [zone_ids[i : i + 4] for i in range(0, len(zone_ids), 4)] if site.zone_kind == "TANK" else [(z,) for z in zone_ids]
        for number, group in enumerate(groups, start=1):
            wire_format = _FORMATS[turn % 3]
            turn += 1
            device_id = f"RDR-{site.code}-{number:02}"
            x0, y0, x1, y1 = _cell(site, zone_ids.index(group[0]) + 1)
            lon, lat = site.frame.point((x0 + x1) / 2, (y0 + y1) / 2)
            if len(group) == 1:
                antennas = tuple((a, group[0]) for a in range(1, site.antennas_per_zone + 1))
            else:
                antennas = tuple((a, z) for a, z in enumerate(group, start=1))
            found.append(
                Device(
                    device_id,
                    here,
                    "rfid",
                    wire_format,
                    f"{site.name} reader {number}",
                    here,
                    gateway_device_id=gateway,
                    claims=_claims(device_id, wire_format),
                    expected_interval_s=READER_INTERVAL_S,
                    lon=lon,
                    lat=lat,
                    antennas=antennas,
                )
            )
        for number, device_id in enumerate(site.gate_ids(), start=1):
            inner, outer = f"{here}/gate-{number}-inner", f"{here}/gate-{number}-outer"
            lon, lat = site.frame.point(site.width_m - 30, _lane(site, number))
            found.append(
                Device(
                    device_id,
                    here,
                    "gate",
                    "native",
                    f"{site.name} gate {number}",
                    here,
                    gateway_device_id=gateway,
                    expected_interval_s=READER_INTERVAL_S,
                    lon=lon,
                    lat=lat,
                    antennas=((1, inner), (2, inner), (3, outer), (4, outer)),
                )
            )
        if site.zone_kind == "TANK":
            for number, zone_id in enumerate(zone_ids, start=1):
                x0, y0, x1, y1 = _cell(site, number)
                lon, lat = site.frame.point((x0 + x1) / 2, (y0 + y1) / 2)
                found.append(
                    Device(
                        f"GAUGE-{site.code}-T{100 + number}",
                        here,
                        "sensor",
                        "native",
                        f"Gauge of tank T{100 + number}",
                        here,
                        gateway_device_id=gateway,
                        expected_interval_s=READER_INTERVAL_S,
                        lon=lon,
                        lat=lat,
                        antennas=((0, zone_id),),
                    )
                )
        lon, lat = site.frame.point(25, 15)
        found.append(
            Device(
                f"WMS-{site.code}-01",
                here,
                "wms",
                "wms-event",
                f"{site.name} warehouse system",
                here,
                expected_interval_s=86_400,
                lon=lon,
                lat=lat,
            )
        )
    return tuple(found)
