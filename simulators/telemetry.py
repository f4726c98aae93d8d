"""What devices put on the wire, each in the format that it is registered with. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.messages import EventMessage, HealthMessage, PositionMessage, ReadsMessage, TagRead, encode
from simulators.world.geo import Point, gcj02
from simulators.world.model import Device

KNOTS_PER_MPS = 1 / 0.514444


@dataclass(frozen=True)
class Seen:
    """One tag heard by an antenna; at: its own time where it differs from the message's."""

    epc: str
    tid: str | None
    antenna: int
    rssi_dbm: float
    at: datetime | None = None


@dataclass(frozen=True)
class Driven:
    """Where a vehicle is and how it moves; place in WGS-84."""

    place: Point
    heading_deg: float
    speed_mps: float
    odo_km: float
    goods: tuple[str, ...] = ()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _ms(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def reads(device: Device, at: datetime, first_number: int, seen: Sequence[Seen]) -> tuple[bytes, int]:
    """The payload, and the number that the device's next message starts with (per message natively, per tag with Zebra)."""
    host = device.claims.get("hostname")
    match device.format:
        case "zebra-ziotc":
            items: list[dict[str, Any]] = [
                {
                    "data": {
                        "antenna": s.antenna,
                        "eventNum": first_number + i,
                        "format": "epc",
                        "idHex": s.epc.lower(),
                        "peakRssi": round(s.rssi_dbm),
                        "reads": 1,
                        "TID": (s.tid or "").lower(),
                        "hostName": host,
                    },
                    "timestamp": (s.at or at).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
                    "type": "INVENTORY",
                }
                for i, s in enumerate(seen)
            ]
            return _json(items), first_number + len(items)
        case "impinj-iot":
            items = [
                {
                    "timestamp": (s.at or at).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z",
                    "hostname": host,
                    "eventType": "tagInventory",
                    "tagInventoryEvent": {
                        "epcHex": s.epc,
                        "tidHex": s.tid or "",
                        "antennaPort": s.antenna,
                        "peakRssiCdbm": round(s.rssi_dbm * 100),
                        "lastSeenTime": (s.at or at).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    },
                }
                for s in seen
            ]
            return _json(items), first_number + len(items)
        case _:
            tags = [TagRead(s.epc, s.antenna, s.tid, round(s.rssi_dbm, 1), 1, None if s.at is None else s.at.isoformat()) for s in seen]
            return encode(ReadsMessage(at.isoformat(), tags, first_number)), first_number + 1


def health(device: Device, at: datetime, beat: int) -> bytes:
    """A sign of life."""
    match device.format:
        case "zebra-ziotc":
            radio: dict[str, Any] = {
                "radioActivity": "active",
                "radioConnection": "connected",
                "status": "running",
                "antennas": {str(a): "connected" for a, _ in device.antennas},
            }
            data = {"radio_control": radio, "reader_gateway": {"dataPathStatistics": [{"numDataMessagesDropped": 0}]}}
            return _json({"component": "RG", "data": data, "eventNum": beat, "timestamp": _ms(at), "type": "heartbeat"})
        case "impinj-iot":
            status = {"inventoryStatus": "running"}
            return _json(
                {
                    "timestamp": at.isoformat(),
                    "hostname": device.claims["hostname"],
                    "eventType": "inventoryStatus",
                    "inventoryStatusEvent": status,
                }
            )
        case _:
            return encode(HealthMessage(at.isoformat(), float(device.expected_interval_s), fw="4.2.1"))


def gauge(at: datetime, seq: int, *, level_m: float, volume_m3: float, temperature_c: float) -> bytes:
    """A tank gauge's measurement."""
    measured = {
        "level_m": round(level_m, 4),
        "volume_m3": round(volume_m3, 2),
        "temperature_c": round(temperature_c, 2),
        "density_kgpm3": 961.0,
        "free_water_m": 0.004,
    }
    return encode(EventMessage(at.isoformat(), "tank", seq, measured))


def position(device: Device, at: datetime, seq: int, driven: Driven) -> bytes:
    """A fix, in the tracker's own datum and units."""
    lon, lat = gcj02(driven.place) if device.datum == "GCJ02" else driven.place
    match device.format:
        case "owntracks":
            fix: dict[str, Any] = {"_type": "location", "lat": round(lat, 6), "lon": round(lon, 6), "tst": int(at.timestamp())}
            fix |= {"acc": 8, "cog": round(driven.heading_deg) % 360, "tid": device.device_id[-2:], "t": "p"}
            if driven.speed_mps > 0:
                fix["vel"] = round(driven.speed_mps * 3.6)
            return _json(fix)
        case "traccar":
            stamp = _ms(at)
            fix = {
                "id": 0,
                "deviceId": int(device.device_id[-2:]),
                "protocol": "gt06",
                "serverTime": stamp,
                "deviceTime": stamp,
                "fixTime": stamp,
            }
            fix |= {
                "valid": True,
                "outdated": False,
                "latitude": round(lat, 6),
                "longitude": round(lon, 6),
                "altitude": 4.0,
                "accuracy": 9.0,
            }
            fix |= {"speed": round(driven.speed_mps * KNOTS_PER_MPS, 3), "course": round(driven.heading_deg, 1)}
            fix["attributes"] = {"sat": 11, "ignition": driven.speed_mps > 0, "totalDistance": round(driven.odo_km * 1000, 1)}
            return _json({"position": fix, "device": {"id": fix["deviceId"], "uniqueId": device.claims["uniqueId"], "name": device.name}})
        case _:
            message = PositionMessage(
                at.isoformat(),
                "valid",
                seq,
                round(lon, 7),
                round(lat, 7),
                device.datum,
                6.0,
                round(driven.speed_mps, 2),
                round(driven.heading_deg, 1),
                12,
                round(driven.odo_km, 3),
                driven.speed_mps > 0,
                list(driven.goods),
            )
            return encode(message)


def cycle_count(device: Device, at: datetime, number: int, lines: Sequence[tuple[str, str, int]]) -> bytes:
    """A partial stock count of a warehouse system (wms-event/1). lines: commodity code, place, pieces."""
    stamp = f"{at:%Y%m%dT%H%M}"
    return _json(
        {
            "schema": "wms-event/1",
            "messageId": f"{device.device_id}-CC-{stamp}-{number:04}",
            "type": "stock_count",
            "occurredAt": at.isoformat(),
            "warehouse": {"id": device.warehouse_id},
            "count": {"id": f"CC-{stamp}", "method": "rfid", "complete": False, "scope": [place for _, place, _ in lines]},
            "lines": [
                {"line": i, "sku": code, "uom": "piece", "book": str(pieces), "counted": str(pieces), "location": place}
                for i, (code, place, pieces) in enumerate(lines, start=1)
            ],
        }
    )
