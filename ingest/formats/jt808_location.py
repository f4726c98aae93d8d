"""What JT/T 808 location reports (0x0200, and each of 0x0704) mean, whether they came as frames or as a gateway's JSON.

Source: JT/T 808-2013 and -2019, tables of the position report: coordinates are unsigned millionths of a degree with a south and a west bit, speed
is 0.1 km/h, time is BCD in the zone of the standard (GMT+8) unless the device is registered with another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from ingest import wire
from ingest.readings import DecodeContext, DeviceEvent, Fix, Item, PositionReading, Refusal, StateUpdate

ALARMS = {
    0: "emergency", 1: "overspeed", 2: "fatigue", 3: "danger", 4: "gnss_fault", 5: "antenna_cut", 6: "antenna_short", 7: "main_power_low",
    8: "main_power_cut", 9: "display_fault", 10: "tts_fault", 11: "camera_fault", 12: "card_reader_fault", 13: "overspeed_warning",
    14: "fatigue_warning", 15: "rule_breach", 16: "tyre_pressure", 17: "right_turn_blind_spot", 18: "driving_time_exceeded",
    19: "parking_time_exceeded", 20: "zone_crossed", 21: "route_crossed", 22: "route_time", 23: "route_departed", 24: "vss_fault",
    25: "fuel_abnormal", 26: "vehicle_stolen", 27: "illegal_ignition", 28: "illegal_movement", 29: "collision_warning",
    30: "rollover_warning", 31: "illegal_door_opening",
}  # fmt: skip
STATUS_ACC, STATUS_FIXED, STATUS_SOUTH, STATUS_WEST = 1, 2, 4, 8
SPEED_UNKNOWN = 0xFFFF
BCD_CHARACTERS = 12


@dataclass(frozen=True)
class Location:
    """One report with integers as on the wire. time: twelve BCD digits yyMMddHHmmss. extra: additional items by name."""

    alarm: int
    status: int
    lat_micro: int
    lon_micro: int
    alt_m: int
    speed_dkmh: int
    direction: int
    time: str
    mileage_hm: int | None = None
    sats: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def bcd_time(digits: str, ctx: DecodeContext) -> datetime:
    """UTC time of yyMMddHHmmss in the device's registered offset; all zeros is a clock that was never set. Raises Refusal."""
    if len(digits) != BCD_CHARACTERS or not (digits.isascii() and digits.isdigit()):
        raise Refusal("bad_time", f"time {digits[:24]!r} is not twelve BCD digits")
    if not digits.strip("0"):
        return datetime(1970, 1, 1, tzinfo=UTC)
    zone = timezone(timedelta(minutes=ctx.utc_offset_minutes))
    try:
        year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, BCD_CHARACTERS, 2))
        leap = second == 60
        at = datetime(2000 + year, month, day, hour, minute, 59 if leap else second, tzinfo=zone)
        return (at + timedelta(seconds=leap)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("bad_time", f"time {digits!r} is no date and time") from None


def location_items(one: Location, key: str, ctx: DecodeContext, item_no: int = -1) -> list[Item]:
    """The position, an event when an alarm bit is set, and a sign of life. key: phone, message number and place in a batch."""
    lat = one.lat_micro / 1e6 * (-1 if one.status & STATUS_SOUTH else 1)
    lon = one.lon_micro / 1e6 * (-1 if one.status & STATUS_WEST else 1)
    lon, lat = wire.place(lon, lat)
    at, key, flags = wire.judged_time(bcd_time(one.time, ctx), one.time, key, ctx)
    extra = {"alarm": one.alarm, "status": one.status, "alt_m": one.alt_m, **one.extra}
    position = PositionReading(
        observed_at=at,
        event_key=key,
        lon=lon,
        lat=lat,
        datum=ctx.datum,
        fix=Fix.VALID if one.status & STATUS_FIXED else Fix.NONE,
        speed_mps=None if one.speed_dkmh == SPEED_UNKNOWN else one.speed_dkmh / 36,
        heading_deg=float(one.direction) if one.direction <= 360 else None,
        odo_km=None if one.mileage_hm is None else one.mileage_hm / 10,
        sats=one.sats,
        ignition=bool(one.status & STATUS_ACC),
        flags=flags,
        extra=extra,
        item_no=item_no,
    )
    items: list[Item] = [position, StateUpdate(at)]
    if one.alarm:
        names = [name for bit, name in ALARMS.items() if one.alarm >> bit & 1]
        items.append(DeviceEvent(at, key, "alarm", {"alarms": names, "alarm_bits": one.alarm}, flags, item_no=item_no))
    return items


def plain_phone(phone: str) -> str:
    """The terminal's number as it is registered: without the zeros that fill it up to 12 or 20 digits."""
    return phone.lstrip("0") or "0"
