"""Trackers: frames built by an encoder of the test's own come back as they were meant, samples are read or refused by name, any bytes end in one or the other."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.models.master import NewDevice
from ingest.formats import decode
from ingest.readings import Claim, DecodeContext, DeviceEvent, Fix, Limits, PositionReading, Rejected, StateUpdate

PAYLOADS = Path(__file__).parents[1] / "payloads"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BEIJING = 480


def read(format_name: str, payload: bytes, *, datum: str = "WGS84", offset: int = BEIJING, **limits: int) -> list[Any]:
    return list(decode(format_name, payload, DecodeContext("position", NOW, offset, datum, Limits(**limits))))


def rows(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def of(kind: type, items: list[Any]) -> list[Any]:
    return [i for i in items if isinstance(i, kind)]


def one(kind: type, items: list[Any]) -> Any:
    (found,) = of(kind, items)
    return found


def reasons(items: list[Any]) -> list[str]:
    return [i.reason for i in of(Rejected, items)]


# ------------------------------------------------------------ JT/T 808, by an encoder of our own


def bcd(at: datetime) -> bytes:
    return bytes.fromhex((at + timedelta(hours=8)).strftime("%y%m%d%H%M%S"))


def report(
    *,
    lat: int = 31_222_508,
    lon: int = 121_478_900,
    status: int = 3,
    alarm: int = 0,
    speed: int = 523,
    time: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    return struct.pack(">IIIIHHH", alarm, status, lat, lon, 12, speed, 87) + (bcd(NOW) if time is None else time) + more


def frame(
    message: int,
    body: bytes,
    *,
    serial: int = 19,
    phone: str = "013900000001",
    newer: bool = False,
    bits: int = 0,
    package: tuple[int, int] | None = None,
) -> bytes:
    attributes = len(body) | bits | (0x4000 if newer else 0) | (0x2000 if package else 0)
    who = b"\x01" + bytes.fromhex(phone.rjust(20, "0")) if newer else bytes.fromhex(phone)
    inner = (
        struct.pack(">HH", message, attributes)
        + who
        + struct.pack(">H", serial)
        + (struct.pack(">HH", *package) if package else b"")
        + body
    )
    inner += bytes([reduce(xor, inner)])
    return b"\x7e" + inner.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


@given(
    lat=st.integers(0, 90_000_000),
    lon=st.integers(0, 180_000_000),
    south=st.booleans(),
    west=st.booleans(),
    fixed=st.booleans(),
    acc=st.booleans(),
    alarm=st.integers(0, 2**32 - 1),
    speed=st.integers(0, 0xFFFE),
    serial=st.integers(0, 0xFFFF),
    newer=st.booleans(),
    km=st.integers(0, 2**32 - 1),
    seconds=st.integers(0, 400_000_000),
)
@settings(max_examples=150, deadline=None)
def test_a_jt808_report_comes_back_as_it_was_encoded(
    lat: int,
    lon: int,
    south: bool,
    west: bool,
    fixed: bool,
    acc: bool,
    alarm: int,
    speed: int,
    serial: int,
    newer: bool,
    km: int,
    seconds: int,
) -> None:
    at = datetime(2014, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    status = acc | fixed << 1 | south << 2 | west << 3
    more = b"\x01\x04" + struct.pack(">I", km) + b"\x31\x01\x11" + b"\xeb\x02\x7e\x7d"
    payload = frame(
        0x0200, report(lat=lat, lon=lon, status=status, alarm=alarm, speed=speed, time=bcd(at), more=more), serial=serial, newer=newer
    )
    items = read("jt808", payload)
    p = one(PositionReading, items)
    assert (p.lat, p.lon) == (lat / 1e6 * (-1 if south else 1), lon / 1e6 * (-1 if west else 1))
    assert p.observed_at == at
    assert p.fix is (Fix.VALID if fixed else Fix.NONE)
    assert (p.ignition, p.sats, p.odo_km, p.heading_deg) == (acc, 17, km / 10, 87.0)
    assert p.speed_mps == pytest.approx(speed / 36)
    assert p.extra["items"] == {"eb": "7e7d"}
    assert one(Claim, items) == Claim("phone", "13900000001")
    alarms = of(DeviceEvent, items)
    assert [bin(alarm).count("1")] == [len(a.payload["alarms"]) for a in alarms] or not alarm


def test_jt808_batches_are_late_by_design_and_each_report_keeps_its_own_time() -> None:
    times = [NOW - timedelta(hours=h) for h in (3, 2, 1)]
    reports = [report(time=bcd(t)) for t in times]
    body = struct.pack(">HB", 3, 1) + b"".join(struct.pack(">H", len(r)) + r for r in reports)
    positions = of(PositionReading, read("jt808", frame(0x0704, body, newer=True)))
    assert [p.observed_at for p in positions] == times
    assert all(p.flags == ("late",) for p in positions)
    assert len({p.event_key for p in positions}) == 3


def test_jt808_batch_with_one_bad_report_keeps_the_others() -> None:
    reports = [report(), report(lat=121_000_000, lon=31_000_000), report(time=bcd(NOW - timedelta(minutes=1)))]
    body = struct.pack(">HB", 3, 0) + b"".join(struct.pack(">H", len(r)) + r for r in reports)
    items = read("jt808", frame(0x0704, body))
    assert len(of(PositionReading, items)) == 2
    assert reasons(items) == ["out_of_range"]
    assert "swapped" in one(Rejected, items).detail


def test_sub_packages_in_one_message_are_joined_and_alone_refused() -> None:
    body = struct.pack(">HB", 2, 1) + b"".join(struct.pack(">H", 28) + report(time=bcd(NOW - timedelta(minutes=m))) for m in (2, 1))
    parts = [frame(0x0704, body[:30], serial=65535, package=(2, 1)), frame(0x0704, body[30:], serial=0, package=(2, 2))]
    assert len(of(PositionReading, read("jt808", parts[1] + parts[0]))) == 2
    assert reasons(read("jt808", parts[0])) == ["sub_package"]


def test_glued_frames_are_all_read_and_halves_refused() -> None:
    first, second = frame(0x0200, report(), serial=1), frame(0x0200, report(), serial=2)
    assert len(of(PositionReading, read("jt808", first + second))) == 2
    assert len(of(PositionReading, read("jt808", first + second[1:]))) == 2  # one 7E between them
    items = read("jt808", first + second[:20])
    assert len(of(PositionReading, items)) == 1
    assert reasons(items) == ["truncated"]
    assert reasons(read("jt808", first[20:])) == ["truncated"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (frame(0x0200, report(), bits=0x0400), "encrypted"),
        (b"\x7e\x02\x00\x00\x01\x7d", "truncated"),
        (frame(0x0200, report())[:-3] + b"\x7d\x05\x7e", "bad_escape"),
        (frame(0x0200, report()).replace(b"\x0c", b"\x0d", 1), "bad_checksum"),
        (frame(0x0200, report(), bits=0x0080), "bad_length"),
        (frame(0x0200, report()[:20]), "bad_length"),
        (frame(0x0200, report(time=b"\x26\x13\x41\x00\x00\x00")), "bad_time"),
        (frame(0x0200, report(time=b"\x26\xab\x01\x00\x00\x00")), "bad_time"),
        (frame(0x0900, b"\x41text"), "unsupported_type"),
        (b"", "empty_payload"),
        (b"hello", "truncated"),
        (b"\x7e" * 50, "no_readings"),
    ],
)
def test_bad_jt808_is_refused_by_name(payload: bytes, reason: str) -> None:
    assert reasons(read("jt808", payload)) == [reason]


def test_a_jt808_clock_of_zeros_is_unset_and_our_time_stands() -> None:
    p = one(PositionReading, read("jt808", frame(0x0200, report(time=bytes(6)))))
    assert (p.observed_at, p.flags) == (NOW, ("clock_unset",))
    assert p.event_key.endswith("@000000000000")


def test_jt808_time_is_in_the_registered_offset_and_place_in_the_registered_datum() -> None:
    raw = frame(0x0200, report(time=bytes.fromhex("261123120000")))
    p = one(PositionReading, read("jt808", raw, offset=0, datum="GCJ02"))
    assert (p.observed_at, p.datum) == (NOW, "GCJ02")


def test_sample_frames_of_jt808_agree_with_the_values_computed_beside_them() -> None:
    for row in rows(PAYLOADS / "jt808/frames.csv"):
        items = read("jt808", bytes.fromhex(row["hex"]))
        assert items
        if row["error"]:
            assert reasons(items) == ["bad_escape"]
        elif row["msg_id"] == "0x0200":
            p = one(PositionReading, items)
            assert (p.lat, p.lon) == (pytest.approx(float(row["lat"])), pytest.approx(float(row["lon"])))
            assert p.speed_mps == pytest.approx(float(row["speed_kmh"]) / 3.6)
            assert p.observed_at.isoformat() == row["time_utc"].replace("Z", "+00:00")
            assert p.fix is (Fix.VALID if row["fix_valid"] == "1" else Fix.NONE)


def test_jt808_frames_and_gateway_json_of_one_report_say_the_same() -> None:
    by_json = read("jt808-json", (PAYLOADS / "jt808/gateway_json_location_2013.json").read_bytes())
    row = next(rows(PAYLOADS / "jt808/frames.csv"))
    by_frame = read("jt808", bytes.fromhex(row["hex"]))
    assert one(PositionReading, by_json).content_hash() == one(PositionReading, by_frame).content_hash()
    assert one(PositionReading, by_json).event_key == one(PositionReading, by_frame).event_key
    assert one(DeviceEvent, by_json) == one(DeviceEvent, by_frame)
    assert one(DeviceEvent, by_json).payload["alarms"] == ["emergency"]


def test_gateway_json_keeps_wire_integers_and_names_what_is_wrong() -> None:
    message = json.loads((PAYLOADS / "jt808/gateway_json_location_2019.json").read_bytes())
    p = one(PositionReading, read("jt808-json", json.dumps(message).encode()))
    assert (p.speed_mps, p.odo_km, p.sats) == (pytest.approx(52.3 / 3.6), 125_630.0, 17)
    assert p.observed_at == datetime(2026, 10, 12, 8, 30, tzinfo=UTC)
    heartbeat = read("jt808-json", (PAYLOADS / "jt808/gateway_json_heartbeat.json").read_bytes())
    assert one(StateUpdate, heartbeat).presence == "online"
    for change, reason in (
        ({"header": {**message["header"], "encrypt": 1}}, "encrypted"),
        ({"header": {"msg_id": 512}}, "missing_field"),
        ({"header": {**message["header"], "msg_id": 0x0900}}, "unsupported_type"),
        ({"body": {**message["body"], "latitude": 31.2}}, "wrong_type"),
        ({"body": {**message["body"], "latitude": -1}}, "out_of_range"),
        ({"body": {**message["body"], "time": None}}, "missing_field"),
    ):
        assert reasons(read("jt808-json", json.dumps({**message, **change}).encode())) == [reason]
    batch = {"header": {**message["header"], "msg_id": 0x0704}, "body": {"type": 1, "length": 2, "location": [message["body"]] * 2}}
    assert len({p.event_key for p in of(PositionReading, read("jt808-json", json.dumps(batch).encode()))}) == 2


@pytest.mark.parametrize(("format_name", "minutes"), [("jt808", 480), ("jt808-json", 480), ("meitrack", 0), ("native", 0)])
def test_a_jt808_device_registered_without_an_offset_has_that_of_the_standard(format_name: str, minutes: int) -> None:
    said = {"device_id": "T-1", "site": "fleet", "class": "gps", "format": format_name, "name": "lorry"}
    assert NewDevice.model_validate(said).utc_offset_minutes == minutes
    assert NewDevice.model_validate({**said, "utc_offset_minutes": 60}).utc_offset_minutes == 60


# ------------------------------------------------------------ Teltonika


def crc(data: bytes) -> int:
    """Bit by bit, unlike the decoder's table."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


def record(
    codec: int, at_ms: int, lon: int, lat: int, *, priority: int = 0, sats: int = 9, speed: int = 36, io: dict[int, int] | None = None
) -> bytes:
    id_format = ">B" if codec == 0x08 else ">H"
    count = ">H" if codec == 0x8E else ">B"
    found = struct.pack(">QBiihHBH", at_ms, priority, lon, lat, 12, 90, sats, speed) + struct.pack(id_format, 0)
    if codec == 0x10:
        found += b"\x05"
    io = io or {}
    found += struct.pack(count, len(io)) + struct.pack(count, 0) * 2 + struct.pack(count, len(io))
    found += b"".join(struct.pack(id_format, k) + struct.pack(">I", v) for k, v in io.items()) + struct.pack(count, 0)
    return found + (struct.pack(">H", 0) if codec == 0x8E else b"")


def packet(codec: int, *records: bytes, counts: tuple[int, int] | None = None) -> bytes:
    before, after = counts or (len(records), len(records))
    data = bytes([codec, before]) + b"".join(records) + bytes([after])
    return bytes(4) + struct.pack(">I", len(data)) + data + struct.pack(">I", crc(data))


MS = int(NOW.timestamp() * 1000)


@given(
    codec=st.sampled_from([0x08, 0x8E, 0x10]),
    places=st.lists(st.tuples(st.integers(-1_800_000_000, 1_800_000_000), st.integers(-900_000_000, 900_000_000)), min_size=1, max_size=5),
    io=st.dictionaries(st.integers(0, 255), st.integers(0, 2**32 - 1), max_size=5),
    ms=st.integers(1_400_000_000_000, MS),
)
@settings(max_examples=150, deadline=None)
def test_teltonika_records_come_back_as_they_were_encoded(codec: int, places: list[tuple[int, int]], io: dict[int, int], ms: int) -> None:
    found = of(PositionReading, read("teltonika", packet(codec, *(record(codec, ms, lon, lat, io=io) for lon, lat in places))))
    assert [(p.lon, p.lat) for p in found] == [(lon / 1e7, lat / 1e7) for lon, lat in places]
    assert all(p.observed_at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms) for p in found)
    assert [p.event_key for p in found] == [str(i) for i in range(len(places))]
    assert all(p.extra["io"]["values"] == {str(k): v for k, v in io.items()} for p in found)
    assert all(p.speed_mps == pytest.approx(10) for p in found)


def test_a_record_sent_again_in_another_packet_has_the_same_key() -> None:
    first, second = record(8, MS - 2000, 1, 1), record(8, MS - 1000, 2, 2)
    together = of(PositionReading, read("teltonika", packet(8, first, second)))
    alone = of(PositionReading, read("teltonika", packet(8, second)))
    assert (alone[0].observed_at, alone[0].event_key) == (together[1].observed_at, together[1].event_key)


def test_panic_is_an_alarm_and_no_satellites_no_fix() -> None:
    items = read("teltonika", packet(8, record(8, MS, 10, 10, priority=2, sats=0, io={239: 1})))
    p = one(PositionReading, items)
    assert (p.fix, p.flags, p.speed_mps, p.ignition) == (Fix.STALE, ("no_fix",), None, True)
    assert one(DeviceEvent, items).payload["alarms"] == ["panic"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (packet(8, record(8, MS, 1, 1))[:-1] + b"\x00", "bad_checksum"),
        (packet(8, record(8, MS, 1, 1), counts=(1, 2)), "bad_count"),
        (packet(8, record(8, MS, 1, 1))[:-9], "truncated"),
        (packet(8, record(8, MS, 1_900_000_000, 1)), "out_of_range"),
        (packet(8, record(8, 2**63, 1, 1)), "bad_time"),
        (packet(0x07), "unsupported_type"),
        (b"\x00\x0fnot digits 1234", "unsupported_type"),
        (b"GET / HTTP/1.1", "truncated"),
    ],
)
def test_bad_teltonika_is_refused_by_name(payload: bytes, reason: str) -> None:
    assert reasons(read("teltonika", payload)) == [reason]


def test_sample_packets_of_teltonika_agree_with_the_values_computed_beside_them() -> None:
    kinds: set[str] = set()
    for name in ("avl_packets", "vendor_documentation_packets"):
        for row in rows(PAYLOADS / f"teltonika/{name}.csv"):
            items = read("teltonika", bytes.fromhex(row["hex"]))
            kinds |= set(reasons(items))
            if row["crc_ok"] == "True" and row["codec"] in ("0x08", "0x8E", "0x10"):
                found = of(PositionReading, items)
                assert len(found) == int(row["records"])
                assert (found[0].lon, found[0].lat) == (float(row["lon"]), float(row["lat"]))
                assert found[0].observed_at.timestamp() * 1000 == pytest.approx(int(row["first_ts_ms"]))
            elif row["codec"] in ("0x0C", "0x0D") and row["crc_ok"] == "True":
                assert one(DeviceEvent, items).type == "answer"
    assert kinds == {"bad_checksum", "truncated", "unsupported_type"}


def test_a_login_is_a_claim_and_a_sign_of_life() -> None:
    items = read("teltonika", bytes.fromhex("000F313233343536373839303132333435") + packet(8, record(8, MS, 1, 1)))
    assert one(Claim, items) == Claim("imei", "123456789012345")
    assert len(of(PositionReading, items)) == 1


# ------------------------------------------------------------ Meitrack


def line(rest: str, imei: str = "863835028611502", flag: str = "O") -> bytes:
    body = f",{imei},{rest}*"
    head = f"$${flag}{len(body) + 4}{body}"
    return f"{head}{sum(head.encode()) & 0xFF:02X}\r\n".encode()


def position(
    lat: str = "7.887840", lon: str = "98.375193", time: str = "261123115900", fix: str = "A", event: int = 35, kmh: int = 36
) -> str:
    return f"AAA,{event},{lat},{lon},{time},{fix},12,4,{kmh},279,0.6,45,32121,442492,520|3|12DF|015273E2,0000,,00000001"


@given(lat=st.integers(-90_000_000, 90_000_000), lon=st.integers(-180_000_000, 180_000_000), kmh=st.integers(0, 200), fixed=st.booleans())
@settings(max_examples=100, deadline=None)
def test_meitrack_lines_come_back_as_they_were_encoded(lat: int, lon: int, kmh: int, fixed: bool) -> None:
    raw = line(position(f"{lat / 1e6:.6f}", f"{lon / 1e6:.6f}", fix="A" if fixed else "V", kmh=kmh))
    items = read("meitrack", raw + raw, offset=0)
    assert len(of(PositionReading, items)) == 2
    p = of(PositionReading, items)[0]
    assert (p.lat, p.lon) == (pytest.approx(lat / 1e6), pytest.approx(lon / 1e6))
    assert p.observed_at == NOW - timedelta(minutes=1)
    assert p.fix is (Fix.VALID if fixed else Fix.STALE)
    assert p.speed_mps == (pytest.approx(kmh / 3.6) if fixed else None)
    assert ("no_fix" in p.flags) is not fixed
    assert p.odo_km == 32.121


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (line(position()).replace(b"*", b"1*", 1), "bad_length"),
        (line(position()).replace(b"98.3", b"97.3"), "bad_checksum"),
        (line(position())[:60], "truncated"),
        (line(position(lat="98.3", lon="7.8")), "out_of_range"),
        (line(position(lat="N7")), "not_a_number"),
        (line(position(time="261323115900")), "bad_time"),
        (line(position(fix="X")), "out_of_range"),
        (line("AAA,35,1.0"), "missing_field"),
        (b"@@hello", "bad_frame"),
        (b"$$hello", "bad_frame"),
    ],
)
def test_bad_meitrack_is_refused_by_name(payload: bytes, reason: str) -> None:
    assert reasons(read("meitrack", payload)) == [reason]


def test_sample_lines_of_meitrack_are_read_but_for_the_three_whose_origin_changed_them() -> None:
    found = [read("meitrack", raw) for raw in (PAYLOADS / "meitrack/lines.txt").read_bytes().splitlines()]
    assert [r for items in found for r in reasons(items)] == ["truncated", "bad_checksum", "bad_checksum"]
    assert sum(len(of(PositionReading, items)) for items in found) == 16
    (answer,) = [i for items in found for i in of(DeviceEvent, items) if i.type == "answer"]
    assert answer.payload == {"command": "D03", "text": "OK"}
    (alarm,) = [i for items in found for i in of(DeviceEvent, items) if i.type == "alarm"]
    assert alarm.payload == {"alarms": ["sos"], "event": 1}


# ------------------------------------------------------------ OwnTracks and Traccar


@pytest.mark.parametrize("datum", ["WGS84", "GCJ02", "BD09"])
@pytest.mark.parametrize("format_name", ["owntracks", "traccar", "jt808", "teltonika", "meitrack"])
def test_every_tracker_speaks_in_the_datum_it_is_registered_with(format_name: str, datum: str) -> None:
    payload = {
        "owntracks": b'{"_type":"location","lat":31.2,"lon":121.5,"tst":1795000000}',
        "traccar": (PAYLOADS / "traccar/position_forward_capture.json").read_bytes(),
        "jt808": frame(0x0200, report()),
        "teltonika": packet(8, record(8, MS, 1, 1)),
        "meitrack": line(position()),
    }[format_name]
    assert one(PositionReading, read(format_name, payload, datum=datum)).datum == datum


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"_type": "cmd", "action": "reportLocation"}, "command"),
        ({"_type": "card", "name": "Li", "tid": "L1"}, "card"),
        ({"_type": "configuration", "deviceId": "phone", "password": "secret"}, "configuration"),
        ({"_type": "request", "request": "tours"}, "request"),
        ({"_type": "beacon", "uuid": "CA271EAE", "major": 1, "minor": 2, "tst": 1795000000}, "beacon"),
    ],
)
def test_owntracks_messages_without_a_place_are_events_and_keep_no_secret(message: dict[str, Any], kind: str) -> None:
    raw = json.dumps(message).encode()
    first, again = one(DeviceEvent, read("owntracks", raw)), one(DeviceEvent, read("owntracks", raw))
    assert first.type == kind
    assert first.event_key == again.event_key
    assert "secret" not in json.dumps(first.payload)


def test_owntracks_encrypted_and_commands_without_action_are_refused_by_name() -> None:
    assert reasons(read("owntracks", b'{"_type":"encrypted","data":"YWJj"}')) == ["encrypted"]
    assert reasons(read("owntracks", b'{"_type":"cmd"}')) == ["missing_field"]
    assert reasons(read("owntracks", b'{"_type":"selfie"}')) == ["unsupported_type"]


def test_a_traccar_dump_of_events_and_positions_is_read_and_alarms_are_events() -> None:
    position_dump = json.loads((PAYLOADS / "traccar/position_api_not_valid.json").read_bytes())
    position_dump["attributes"]["alarm"] = "powerCut,sos"
    event = {"id": 5, "type": "deviceOverspeed", "eventTime": "2026-11-23T11:59:00.000+00:00", "deviceId": 1, "positionId": 9}
    items = read("traccar", json.dumps([position_dump, event]).encode())
    p = one(PositionReading, items)
    assert (p.fix, p.observed_at) == (Fix.NONE, datetime(2017, 1, 3, 18, 28, 29, tzinfo=UTC))
    assert [e.payload.get("alarms") for e in of(DeviceEvent, items)] == [["powerCut", "sos"], None]


# ------------------------------------------------------------ anything at all


def damaged(payload: bytes) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda at, gone, put: payload[:at] + put + payload[at + gone :],
        st.integers(0, len(payload)),
        st.integers(0, 9),
        st.binary(max_size=9),
    )


@pytest.mark.parametrize("format_name", ["jt808", "teltonika", "meitrack", "jt808-json"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_and_any_damage_give_readings_or_a_named_refusal(format_name: str, data: st.DataObject) -> None:
    whole = {
        "jt808": frame(0x0200, report(more=b"\x01\x04\x00\x00\x00\x01"), newer=True)
        + frame(0x0704, struct.pack(">HBH", 1, 0, 28) + report()),
        "teltonika": packet(0x8E, record(0x8E, MS, 1, 1, io={1: 2})) + packet(0x0C, b"\x06\x00\x00\x00\x02OK"),
        "meitrack": line(position()) + line("D03,OK"),
        "jt808-json": (PAYLOADS / "jt808/gateway_json_location_2019.json").read_bytes(),
    }[format_name]
    items = read(format_name, data.draw(st.binary(max_size=300) | damaged(whole)))
    assert items
    for item in items:
        if isinstance(item, Rejected):
            assert item.reason
        elif isinstance(item, PositionReading | DeviceEvent):
            assert item.observed_at.utcoffset() == timedelta(0)
            assert len(item.event_key) <= 256
            assert b"\\u0000" not in msgspec.json.encode(item)


@pytest.mark.parametrize("format_name", ["jt808", "teltonika", "meitrack", "sparkplug-b"])
def test_a_message_of_ten_megabytes_is_refused_before_it_is_looked_at(format_name: str) -> None:
    assert reasons(read(format_name, b"\x7e$$" * 3_500_000)) in (["oversized"], ["wrong_channel"])
