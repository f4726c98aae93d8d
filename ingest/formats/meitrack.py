"""Meitrack lines: `$$<flag><length>,<imei>,<command>,...*<check>`, one or several in a message.

Length counts from the first comma to the line's end, check is the sum of all bytes up to and with the star. Time is UTC, speed km/h, mileage metres.
V means no fix: the place is then the last known one. Source: Meitrack GPRS protocol.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ingest import wire
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Fix, Item, PositionReading, Refusal, Rejected, StateUpdate

POSITION = "AAA"
ALARMS = {
    1: "sos", 17: "low_battery", 18: "low_external_power", 19: "overspeed", 20: "fence_enter", 21: "fence_exit", 23: "external_power_cut",
    24: "gnss_lost", 28: "antenna_cut", 36: "tow",
}  # fmt: skip
_HEAD = re.compile(rb"\$\$([\x21-\x7e])(\d{1,4}),(\d{14,17}),([A-Z0-9]{3})(?=[,*])")
_NAMES = ("base_station", "io", "analog", "rfid_or_assist", "customized", "protocol")
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,12})?")


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """Positions, alarms and answers of every line in the message."""
    raw = wire.checked_binary(payload, ctx.limits)
    starts = [m.start() for m in re.finditer(rb"\$\$", raw)]
    if not starts or starts[0] != 0:
        raise Refusal("bad_frame", "a Meitrack message starts with $$")
    if len(starts) > ctx.limits.items_max:
        raise Refusal("too_many_items", f"{len(starts)} lines; at most {ctx.limits.items_max} are taken")
    found: Decoded = []
    for i, (start, end) in enumerate(zip(starts, [*starts[1:], len(raw)], strict=True)):
        item_no = i if len(starts) > 1 else -1
        try:
            found += _line(raw[start:end].rstrip(b"\r\n"), item_no, ctx)
        except Refusal as exc:
            found.append(Rejected(exc.reason, exc.detail, item_no))
    return found


def _line(raw: bytes, item_no: int, ctx: DecodeContext) -> list[Item]:
    head = _HEAD.match(raw)
    if head is None:
        raise Refusal("bad_frame", "a line is $$, flag, length, IMEI and a command of three characters")
    said = int(head[2])
    body_starts = head.start(3) - 1
    if len(raw) - body_starts + 2 < said:
        raise Refusal("truncated", f"the line says {said} characters, {len(raw) - body_starts + 2} came")
    if raw[-3:-2] != b"*" or re.fullmatch(rb"[0-9A-Fa-f]{2}", raw[-2:]) is None:
        raise Refusal("truncated", "the line does not end with * and two hex digits")
    if len(raw) - body_starts + 2 != said:
        raise Refusal("bad_length", f"the line says {said} characters, {len(raw) - body_starts + 2} came")
    if (computed := sum(raw[:-2]) & 0xFF) != int(raw[-2:], 16):
        raise Refusal("bad_checksum", f"check {raw[-2:].decode()}, computed {computed:02X}")
    imei, command = head[3].decode(), head[4].decode()
    rest = raw[head.end() + 1 : -3]
    if b"\0" in rest or not rest.isascii():
        raise Refusal("unsupported_type", f"command {command} with binary content is not read")
    claim = Claim("imei", imei, item_no)
    if command != POSITION:
        key = f"{command}/{wire.content_key(rest)}"
        content = {"command": command, "text": rest.decode("ascii")}
        return [DeviceEvent(ctx.received_at, key, "answer", content, ("clock_unset",), item_no=item_no), StateUpdate(None), claim]
    return [*_position(rest.decode("ascii").split(","), item_no, ctx), claim]


def _position(fields: list[str], item_no: int, ctx: DecodeContext) -> list[Item]:
    if len(fields) < 12:
        raise Refusal("missing_field", f"a position has at least 12 fields, this one {len(fields)}")

    def number(index: int, name: str, low: float, high: float) -> float | None:
        text = fields[index] if index < len(fields) else ""
        if not text:
            return None
        if _NUMBER.fullmatch(text) is None:
            raise Refusal("not_a_number", f"{name} {text[:40]!r} is no number")
        if not low <= float(text) <= high:
            raise Refusal("out_of_range", f"{name} {text[:40]} is outside {low:g} ... {high:g}")
        return float(text)

    event = number(0, "event", 0, 65_535)
    lat, lon = number(1, "latitude", -180, 180), number(2, "longitude", -180, 180)
    if event is None or lat is None or lon is None:
        raise Refusal("missing_field", "event, latitude or longitude is missing")
    lon, lat = wire.place(lon, lat)
    if fields[4] not in ("A", "V"):
        raise Refusal("out_of_range", f"validity {fields[4][:8]!r} is neither A nor V")
    fixed = fields[4] == "A"
    at, key, flags = wire.judged_time(_time(fields[3]), fields[3], f"{event:.0f}/{lat:.6f}/{lon:.6f}", ctx)
    speed_kmh, sats, mileage_m = number(7, "speed", 0, 540), number(5, "satellites", 0, 200), number(11, "mileage", 0, 1e11)
    extra: dict[str, Any] = {
        "event": int(event),
        "gsm": number(6, "gsm", 0, 255),
        "hdop": number(9, "hdop", 0, 1e6),
        "alt_m": number(10, "altitude", -1e5, 1e5),
    }
    extra |= {name: text for name, text in zip(_NAMES, fields[13:], strict=False) if text}
    position = PositionReading(
        observed_at=at,
        event_key=key,
        lon=lon,
        lat=lat,
        datum=ctx.datum,
        fix=Fix.VALID if fixed else Fix.STALE,
        speed_mps=speed_kmh / 3.6 if fixed and speed_kmh is not None else None,
        heading_deg=number(8, "course", 0, 360) if fixed else None,
        odo_km=None if mileage_m is None else mileage_m / 1000,
        sats=None if sats is None else int(sats),
        flags=flags if fixed else (*flags, "no_fix"),
        extra=extra,
        item_no=item_no,
    )
    items: list[Item] = [position, StateUpdate(at)]
    if (alarm := ALARMS.get(int(event))) is not None:
        items.append(DeviceEvent(at, key, "alarm", {"alarms": [alarm], "event": int(event)}, flags, item_no=item_no))
    return items


def _time(text: str) -> datetime:
    if re.fullmatch(r"\d{12}", text, re.ASCII) is None:
        raise Refusal("bad_time", f"time {text[:24]!r} is not yyMMddHHmmss")
    if not text.strip("0"):
        return datetime(1970, 1, 1, tzinfo=UTC)
    try:
        return datetime.strptime(text, "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal("bad_time", f"time {text!r} is no date and time") from None
